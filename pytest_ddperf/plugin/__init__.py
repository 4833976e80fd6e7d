"""pytest's hooks and the `ddperf` fixture: the only package that imports pytest or xdist.

The package itself is the plugin that pytest loads, under the name `pytest_ddperf.plugin`; its hooks are in `entry`.
"""

from __future__ import annotations

from pytest_ddperf.plugin.entry import (
    ddperf,
    pytest_addoption,
    pytest_benchmark_compare_machine_info,
    pytest_cmdline_main,
    pytest_configure,
    pytest_generate_tests,
    pytest_load_initial_conftests,
)

__all__ = [
    "ddperf",
    "pytest_addoption",
    "pytest_benchmark_compare_machine_info",
    "pytest_cmdline_main",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_load_initial_conftests",
]
