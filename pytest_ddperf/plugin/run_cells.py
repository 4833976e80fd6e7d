"""The cells of a run: those collected, the part of the matrix they are, and their records so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.budgets import Budget
    from pytest_ddperf.core.records import CellKey, CellRecord
    from pytest_ddperf.runner.plan import PlatformPlan


class RunCells:
    """The cells of a run.

    Args:
        config: pytest's configuration.

    Attributes:
        records: the newest record of each test, by node id.
        of_test: all cells of each test function, by its node id without parameters.
        collected: the cells of the collected tests.
        deselected: the number of deselected cells.
        budgets: the budgets of these cells, by node id.
        limited_figures: the number of figures of these cells with a limit.
        limited_percentiles: the platforms with a cell whose budget limits a percentile.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.records: dict[str, CellRecord] = {}
        self.of_test: dict[str, Sequence[CellKey]] = {}
        self.collected: Sequence[CellKey] = ()
        self.deselected = 0
        self.budgets: Mapping[str, Budget] = {}
        self.limited_figures = 0
        self.limited_percentiles: set[str] = set()
        self._config = config

    @property
    def measured(self) -> list[CellRecord]:
        """The records with a measurement."""
        return [record for record in self.records.values() if record.now_ms is not None]

    def is_complete(self) -> bool:
        """Return whether every requested cell has a record; only then may later nights be compared with the run."""
        return not self._is_selection() and 0 < len(self.collected) <= len(self.records)

    def _is_selection(self) -> bool:
        """Return whether the user selected tests; xdist's controller deselects nothing, so check the options too."""
        option = self._config.option
        chosen = any(getattr(option, name, None) for name in ("keyword", "markexpr", "lf", "last_failed", "deselect"))
        return bool(self.deselected or chosen or any("::" in str(argument) for argument in self._config.args))

    def _is_part(self, settings: Settings) -> bool:
        """Return whether the run covers only part of the matrix of its platforms."""
        return self._is_selection() or any(
            settings.was_given(name) for name in ("models", "batch-sizes", "max-batch-size", "batch-schedule")
        )

    def describe_matrix(self, settings: Settings) -> dict[str, dict[str, list[Any]]]:
        """Return the whole matrix by platform; empty if only part of it was requested."""
        if self._is_part(settings):
            return {}
        return {
            name: {
                "models": list(settings.models(name)),
                "batch_sizes": list(settings.batch_sizes(name)),
                "scenarios": list(settings.scenarios(name)),
            }
            for name in settings.platforms
        }

    def count_missing(self, settings: Settings, plans: Mapping[str, PlatformPlan]) -> dict[str, int]:
        """Return by platform how many cells with a baseline were collected but not measured.

        Empty if only part of the matrix was requested. Cells excluded by a test's own marker do not count.
        """
        if self._is_part(settings) or settings.value("against"):  # with a reference, baselines are not consulted
            return {}
        left = set(self.collected) - {record.key for record in self.measured}
        counts = {name: len(left & plan.expected()) for name, plan in plans.items()}
        return {name: count for name, count in counts.items() if count}

    def count_not_run(self, settings: Settings, plans: Mapping[str, PlatformPlan], ended: int) -> tuple[int, int]:
        """Return the number of cells that were not run, and the number of all cells.

        Cells that the baseline marks `x` count only with --ddperf-run-unavailable.

        Args:
            settings: the settings of the run.
            plans: the platforms, by id.
            ended: number of tests of cells that have ended.
        """
        marked: set[CellKey] = set()
        if not settings.value("run-unavailable"):
            marked = {key for key in self.collected if plans[key.platform].marked_unavailable(key) is not None}
        skipped = sum(record.key in marked for record in self.records.values())
        total = sum(key not in marked for key in self.collected)
        return max(total - (ended - skipped), 0), total
