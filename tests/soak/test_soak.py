"""For as long as it takes: a server that crashes, hangs and lies spoils its own cells, and nothing piles up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from soaking import CELL_LIMIT_S, GROWTH_MIB, Soaked, soak

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def soaked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Soaked:
    folder: Path = tmp_path_factory.mktemp("soak")
    result = soak(folder, float(request.config.getoption("soak_s")), int(request.config.getoption("soak_seed")))
    print("\n" + result.table())
    return result


@pytest.mark.slow
class TestSoak:
    def test_every_cell_ends_in_a_verdict_that_the_table_of_faults_allows(self, soaked: Soaked) -> None:
        assert soaked.wrong == []
        assert soaked.lost == 0

    def test_something_happened_to_cells_and_others_were_left_in_peace(self, soaked: Soaked) -> None:
        struck = sum(count for (met, _), count in soaked.met.items() if met)
        assert 0 < struck < soaked.cells

    def test_no_cell_takes_longer_than_its_limit(self, soaked: Soaked) -> None:
        assert soaked.longest_s < CELL_LIMIT_S

    def test_memory_threads_files_and_processes_do_not_pile_up(self, soaked: Soaked) -> None:
        first, last = soaked.first, soaked.last
        assert first is not None
        assert last is not None
        assert last.mib - first.mib < GROWTH_MIB
        assert last.threads <= first.threads
        assert last.files <= first.files
        assert last.processes <= first.processes
