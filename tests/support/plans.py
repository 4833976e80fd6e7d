"""The plan of a platform that has no history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Night
from pytest_ddperf.history.nights import Nights
from pytest_ddperf.runner.plan import PlatformPlan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import Baseline, CellKey, Unavailable
    from pytest_ddperf.measure.loop import Plan

TONIGHT = Night("2026-12-01T02:00:00+00:00")


def make_plan(
    platform: Platform,
    server: ServerOptions,
    passes: Plan,
    tolerance: float,
    baseline: Mapping[CellKey, Baseline | Unavailable],
) -> PlatformPlan:
    """Make a plan of tonight."""
    return PlatformPlan(platform, server, passes, tolerance, baseline, Nights(platform.id), TONIGHT)
