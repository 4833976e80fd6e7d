"""Several platforms in one run, each on its own server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from messages import assert_names

if TYPE_CHECKING:
    from bench_project import BenchProject, TableServer

CELLS = ("--ddperf-models=squeezenet_v1.1,googlenet", "--ddperf-batch-sizes=1,2")


def both(tk1: BenchProject, tx1: TableServer, *args: str) -> pytest.RunResult:
    urls = f"--ddperf-url=tk1={tk1.server.url},tx1={tx1.url}"
    return tk1.bare("benchmarks", "--platform=tk1,tx1", urls, *CELLS, *args)


def test_each_is_measured_on_its_own_server_one_after_the_other_and_has_a_table(
    tk1: BenchProject, tx1: TableServer
) -> None:
    result = both(tk1, tx1, "--benchmark-json=out.json")
    result.assert_outcomes(passed=8)
    assert len(tk1.server.predictions) == len(tx1.predictions) == 4 * 6
    assert set(tk1.verdicts().values()) == {"ok"}
    assert [record.key.platform for record in tk1.records()] == ["tk1"] * 4 + ["tx1"] * 4
    result.stdout.fnmatch_lines(["tx1: Jetson TX1.*", "tk1: Jetson TK1.*", "8 cells: 8 ok"])
    platforms = tk1.json("out.json")["machine_info"]["ddperf"]["platforms"]
    assert {name: one["url"] for name, one in platforms.items()} == {"tk1": tk1.server.url, "tx1": tx1.url}


def test_two_boards_of_one_platform_have_its_table_and_recordings_of_their_own(
    tk1: BenchProject, tx1: TableServer
) -> None:
    tx1.table = tk1.server.table
    (tk1.path / "ddperf.toml").write_text(
        f'[platforms.tk1]\nurl = "{tk1.server.url}"\n[platforms.spare]\nlike = "tk1"\nurl = "{tx1.url}"\n',
        encoding="utf-8",
    )
    cells = ("benchmarks", "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
    tk1.bare(*cells, "--platform=tk1,spare").assert_outcomes(passed=4)
    kinds = {str(record.key): record.baseline.kind for record in tk1.records() if record.baseline}
    assert kinds == {f"{board}-squeezenet_v1.1-b{size}": "report" for board in ("tk1", "spare") for size in (1, 8)}
    tx1.slow("squeezenet_v1.1", 8, 1.5)
    tk1.bare(*cells, "--platform=spare", "--ddperf-update-baselines").assert_outcomes(passed=2)
    assert [path.name for path in (tk1.path / "baselines").iterdir()] == ["spare.json"]
    tk1.bare(*cells, "--platform=tk1,spare").assert_outcomes(passed=4)
    kinds = {str(record.key): record.baseline.kind for record in tk1.records() if record.baseline}
    assert set(kinds.values()) == {"report", "recorded"}
    assert kinds["spare-squeezenet_v1.1-b8"] == "recorded"


def test_of_several_servers_one_that_is_down_makes_errors_of_its_cells(tk1: BenchProject, tx1: TableServer) -> None:
    tx1.close()
    result = both(tk1, tx1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=4, failed=4)
    assert {name: verdict for name, verdict in tk1.verdicts().items() if verdict != "ok"} == {
        f"tx1-{model}-b{size}": "error" for model in ("googlenet", "squeezenet_v1.1") for size in (1, 2)
    }
    assert_names(result, tx1.url)


def test_all_servers_down_is_a_usage_error(tk1: BenchProject, tx1: TableServer) -> None:
    tk1.server.close()
    tx1.close()
    result = both(tk1, tx1)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ERROR:", tk1.server.url, tx1.url, "--ddperf-url=embedded")


def test_each_has_its_own_baseline_file(tk1: BenchProject, tx1: TableServer) -> None:
    both(tk1, tx1, "--ddperf-update-baselines")
    assert sorted(path.name for path in (tk1.path / "baselines").iterdir()) == ["tk1.json", "tx1.json"]
    assert tk1.json("baselines/tx1.json")["machine_info"]["ddperf"]["platforms"]["tx1"]["url"] == tx1.url


def test_urls_of_the_project_s_platform_file_suffice(tk1: BenchProject, tx1: TableServer) -> None:
    text = f'[platforms.tk1]\nurl = "{tk1.server.url}"\n[platforms.tx1]\nurl = "{tx1.url}"\n'
    (tk1.path / "ddperf.toml").write_text(text, encoding="utf-8")
    tk1.bare("benchmarks", "--platform=tk1,tx1", *CELLS).assert_outcomes(passed=8)
