"""Hooks of every pytest run: add the options, and register the other hooks when a gated test is collected.

Every pytest run on the machine loads this module, so it imports nothing that a run without gated tests does not need.
`registration` loads what such tests need.
"""

from __future__ import annotations

import copy
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ddperf.config.options import FIXTURE, OPTION_GROUPS, OPTIONS, group_title, suggest
from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.plugin.options import expand_bare_options, has_options, register

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from pytest_ddperf.plugin.fixture import Bench

MARKER_HELP = (
    "ddperf(models=None, batch_sizes=None, platforms=None, concurrency=None, rate=None, max_ms=None, min_fps=None, "
    "max_latency_ms=None, p95_ms=None, p99_ms=None): restrict a test that uses the `ddperf` fixture to these networks, "
    "batch sizes and platforms, measure it only under these loads, or limit its times."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and ini keys."""
    register(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> Generator[None, None, None]:
    """Keep options with an optional value from consuming a following path; prepare suggestions and completions."""
    if meant := suggest(args):
        parser.extra_info["did you mean"] = meant  # printed with pytest's error, unless a conftest defines the option
    if expand_bare_options(args):
        early_config.known_args_namespace = parser.parse_known_args(args, namespace=copy.copy(early_config.option))
    yield
    if "_ARGCOMPLETE" in os.environ:  # set when the shell requests completions
        _add_completers(early_config, parser)


def _add_completers(config: pytest.Config, parser: pytest.Parser) -> None:
    """Register completers for platforms, networks and choices; pytest calls argcomplete, which uses them."""
    from pytest_ddperf.config.completers import model_names, platform_names  # noqa: PLC0415 - only when a shell asks

    project_dir = config.inipath.parent if config.inipath is not None else config.rootpath
    completers: dict[str, Callable[..., Iterable[str]]] = {
        option.key: lambda choices=option.type.choices, **_: choices
        for option in OPTIONS
        if option.type.choices and option.bare is None
    }
    completers |= {"ddperf_platform": platform_names(project_dir), "ddperf_models": model_names(project_dir)}
    for name in OPTION_GROUPS:
        for argument in parser.getgroup(group_title(name)).options:  # --platform is one of them
            if argument.dest in completers:
                argument.attrs()["completer"] = completers[argument.dest]


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Reject invalid options before collection; if no option was given and xdist is not used, load nothing else.

    Neither does a worker of xdist before its first gated test, except that --benchmark-only must be handled now.
    """
    config.addinivalue_line("markers", MARKER_HELP)
    is_given, is_worker = has_options(config), hasattr(config, "workerinput")
    if is_worker and not config.getoption("benchmark_only", default=False):
        return
    if not is_given and not is_worker and config.getoption("dist", default="no") == "no":
        return
    from pytest_ddperf.plugin import outputs, registration  # noqa: PLC0415 - a run without gated tests does not pay for it

    try:
        session = registration.get_session(config)
        if is_given and not session.is_worker:
            outputs.check(session.settings)
            outputs.check_other_plugins(session.settings, config)
    except ConfigurationError as error:
        raise pytest.UsageError(f"ddperf: {error}") from None


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """For `pytest --ddperf-plot` without a path: draw figures of the stored runs and run no test."""
    if config.getoption("ddperf_plot", default=None) is None:
        return None
    from pytest_ddperf.plugin import outputs, registration  # noqa: PLC0415 - a run without figures does not pay for it

    try:
        return outputs.draw_history(registration.get_session(config)) if outputs.is_plot_only(config) else None
    except DdperfError as error:
        raise pytest.UsageError(f"ddperf: {error}") from None
    except KeyboardInterrupt:  # pytest handles it in a test run only
        sys.stderr.write("ddperf: interrupted\n")
        return pytest.ExitCode.INTERRUPTED


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrise tests that use the `ddperf` fixture."""
    if FIXTURE in metafunc.fixturenames:
        from pytest_ddperf.plugin import collection, registration  # noqa: PLC0415 - only with gated tests

        collection.parametrise(metafunc, registration.get_session(metafunc.config))


@pytest.fixture
def ddperf(request: pytest.FixtureRequest) -> Bench:
    """One cell of the matrix platform x model x batch size; `ddperf.measure()` times it."""
    from pytest_ddperf.plugin.fixture import create_bench  # noqa: PLC0415 - only with gated tests

    return create_bench(request)


@pytest.hookimpl(wrapper=True, tryfirst=True, optionalhook=True)
def pytest_benchmark_compare_machine_info(
    machine_info: dict[str, Any], compared_benchmark: dict[str, Any]
) -> Generator[None, object, object]:
    """Keep pytest-benchmark from warning that the servers of a stored run differ from this machine."""
    stored = compared_benchmark.get("machine_info") or {}
    if "ddperf" not in stored and stored.get("system") != "DeepDetect":  # a run without cells
        return (yield)
    from pytest_ddperf.report.benchmark_json import comparable_machine_info  # noqa: PLC0415 - only where cells are compared

    own = dict(machine_info)
    _replace(machine_info, comparable_machine_info(own, compared_benchmark))
    try:
        return (yield)
    finally:
        _replace(machine_info, own)  # restored for the comparison with the next stored run


def _replace(values: dict[str, Any], others: dict[str, Any]) -> None:
    values.clear()
    values.update(others)
