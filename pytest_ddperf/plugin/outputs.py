"""Figures and reports of a pytest run: checked before the first test, written after the last."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.core.limits import split_names
from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.plugin.options import expand_bare_options
from pytest_ddperf.report import github
from pytest_ddperf.report.files import check_folder, check_writable, make, make_stored
from pytest_ddperf.report.formats import parse_report
from pytest_ddperf.report.gather import (
    add_run,
    extract_run_facts,
    gather_results,
    join_records,
    load_stored,
    load_trends,
)

if TYPE_CHECKING:
    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.results import Results, RunFacts
    from pytest_ddperf.plugin.session import BenchSession
    from pytest_ddperf.report.formats import ReportFile


_OTHER_TASKS = ("help", "version", "collectonly", "showfixtures", "show_fixtures_per_test", "markers", "cacheshow")
"""Options of pytest that request something other than a test run; they keep their meaning."""


_FILES_OF_OTHERS = {
    "xmlpath": "--junitxml",
    "benchmark_json": "--benchmark-json",
    "htmlpath": "--html",
    "json_report_file": "--json-report-file",
}
"""Options of pytest and other plugins with which a run writes a file, by their names in the configuration."""

_OF_A_RUN = {
    "keyword": "-k",
    "markexpr": "-m",
    "deselect": "--deselect",
    "lf": "--lf",
    "failedfirst": "--ff",
    "stepwise": "--stepwise",
    "numprocesses": "-n",
    "xmlpath": "--junitxml",
    "benchmark_only": "--benchmark-only",
    "benchmark_skip": "--benchmark-skip",
    "benchmark_json": "--benchmark-json",
    "benchmark_save": "--benchmark-save",
    "benchmark_autosave": "--benchmark-autosave",
    "benchmark_compare": "--benchmark-compare",
}
"""Options of pytest, xdist and pytest-benchmark that select tests or save results: flags by attribute name."""

_RAN_TO_THE_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)

_OF_DRAWING = ("plot", "report", "platform", "storage")
"""Our own options that apply to figures and reports of stored runs."""


def is_plot_only(config: pytest.Config) -> bool:
    """Return whether `pytest --ddperf-plot` was typed without a path: stored runs are drawn, and no test is run.

    Only the command line itself can request this. If an ini key (including `addopts`) or a variable could, a nightly
    job would run no test and always pass.

    Raises:
        ConfigurationError: options were given that have no effect without a test run.
    """
    typed = _typed(config)
    if "plot" not in typed or any(config.getoption(name, default=False) for name in _OTHER_TASKS):
        return False
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return False
    lost = [flag for name, flag in typed.items() if name not in _OF_DRAWING]
    if lost:
        raise ConfigurationError(
            f"--ddperf-plot without a path draws the stored runs and runs no test, so {', '.join(lost)} would have no "
            "effect. Add a path to run tests, as in `pytest benchmarks --ddperf-plot`, or omit "
            f"{'this option' if len(lost) == 1 else 'these options'} to draw the stored runs."
        )
    return True


def _typed(config: pytest.Config) -> dict[str, str]:
    """Return the flags on the command line itself, by name: our own options and those in `_OF_A_RUN`.

    The command line is parsed again, because pytest merges it with `addopts` and PYTEST_ADDOPTS.
    """
    words = list(config.invocation_params.args)
    expand_bare_options(words)
    parser = config._parser  # noqa: SLF001 - the only way to read an option as pytest reads it
    said, silent = parser.parse_known_args(list(map(str, words))), parser.parse_known_args([])

    def stands(name: str) -> bool:
        return getattr(said, name, None) != getattr(silent, name, None)

    typed = {option.name: option.flag for option in OPTIONS if stands(option.key)}
    return typed | {name: flag for name, flag in _OF_A_RUN.items() if stands(name)}


def list_report_files(settings: Settings) -> list[ReportFile]:
    """Return the report files requested with --ddperf-report.

    Raises:
        ConfigurationError: the format of a report cannot be derived from its name.
    """
    return [parse_report(text, settings.folder_of("report")) for text in settings.value("report") or ()]


def read_trends(bench: BenchSession) -> None:
    """Read the histories of the cells if figures or reports were requested: before the run adds its own night."""
    settings = bench.settings
    if _makes_reports(settings):
        bench.trends, problems = load_trends(settings.storage_dir, settings.platforms, least=1)
        bench.warnings += problems


def _makes_reports(settings: Settings) -> bool:
    return settings.path("plot") is not None or bool(settings.value("report"))


def check(settings: Settings) -> None:
    """Check before the first test that figures and reports can be written.

    Raises:
        ConfigurationError: a file or folder, named in the message, cannot be written.
    """
    check_writable(list_report_files(settings))
    if (folder := settings.path("plot")) is not None:
        check_folder(folder, "--ddperf-plot")


def check_other_plugins(settings: Settings, config: pytest.Config) -> None:
    """Check that no report is the file of another plugin, which would replace it or be replaced.

    Raises:
        ConfigurationError: a report and another option name the same file.
    """
    reports = {file.path.resolve() for file in list_report_files(settings)}
    for name, option in _FILES_OF_OTHERS.items():
        if not (given := config.getoption(name, default=None)):
            continue
        path = Path(given if isinstance(given, str) else given.name).resolve()  # --benchmark-json is an open file
        if path in reports:
            raise ConfigurationError(f"--ddperf-report and {option} name the same file, {path}; name another one.")


def draw_history(session: BenchSession) -> int:
    """Draw figures and write reports of the stored runs, and print the paths of the files.

    pytest is not configured yet and has no reporter, so this writes to standard output.

    Returns:
        The exit status.

    Raises:
        DdperfError: a file cannot be read or written.
    """
    settings = session.settings
    check(settings)
    results = load_stored(settings.catalog, settings.storage_dir, project_dir=settings.project_dir)
    platforms = settings.platforms if "platform" in session.given else results.platforms
    folder, files = settings.path("plot"), list_report_files(settings)
    make_stored(results, settings.storage_dir, platforms, folder=folder, files=files)
    return int(pytest.ExitCode.OK)


def present(session: BenchSession, exit_status: int) -> Results:
    """Create the requested figures and reports of the run that has just ended, and the output for GitHub Actions.

    Errors become warnings, so that the verdicts are shown even if a figure or report cannot be created.

    Args:
        session: the session of the process that the user started, not of a worker.
        exit_status: pytest's exit status.

    Returns:
        The results of the run, for the terminal.
    """
    settings, cells = session.settings, session.cells
    facts: dict[str, RunFacts] = {}
    if session.history is not None:
        is_complete = exit_status != pytest.ExitCode.INTERRUPTED
        run = extract_run_facts(session.history.header, cells.records.values(), complete=is_complete)
        facts = dict.fromkeys((record.key.platform for record in cells.records.values()), run)
    missing = cells.count_missing(settings, session.plans)
    results = join_records(settings.catalog, cells.records.values(), facts, missing=missing)
    try:
        if _makes_reports(settings):
            _make_reports(session, results)
        if os.environ.get("GITHUB_ACTIONS") == "true":
            _tell_github(session, replace(results, warnings=tuple(session.warnings)), exit_status)
    except DdperfError as error:
        session.warnings.append(str(error))
    except Exception as error:  # noqa: BLE001 - see above
        session.warnings.append(f"Figures and reports could not be created: {type(error).__name__}: {error}.")
    # an interrupted run reports `not_run` instead, which also counts cells without a baseline
    shown = {} if exit_status == pytest.ExitCode.INTERRUPTED else missing
    return replace(results, missing=shown, warnings=tuple(session.warnings))


def explain_missing_outputs(session: BenchSession) -> list[str]:
    """Explain why figures or reports requested on the command line are missing if nothing was measured."""
    config = session.config
    if any(config.getoption(name, default=False) for name in _OTHER_TASKS):
        return []
    typed = _typed(config)
    lost = [
        words for name, words in (("plot", "no figure was drawn"), ("report", "no report was written")) if name in typed
    ]
    return [f"ddperf: nothing was measured, so {' and '.join(lost)}."] if lost else []


def ineffective_options(session: BenchSession, exit_status: int, *, expected: bool, gated: bool) -> list[str]:
    """Return warnings about options on the command line that had no effect; empty if there are none.

    Options in the environment or in files are not checked, because they may be meant for other runs. A run that ended
    early gets no warning, because it reports that itself.

    Args:
        session: the session of the process that the user started.
        exit_status: pytest's exit status.
        expected: whether the cells of the run should have produced a measurement.
        gated: whether a test that uses the fixture was run or skipped.
    """
    config = session.config
    other_task = any(config.getoption(name, default=False) for name in (*_OTHER_TASKS, "setuponly", "setupplan"))
    if other_task or exit_status not in _RAN_TO_THE_END:
        return []
    platform = _platform_remark(session)
    if session.cells.measured:
        return platform
    typed = _typed(config)
    elsewhere = {"plot", "report", "missing-service"}  # reports of their own; the last one may have skipped the cells
    flags = [option.flag for option in OPTIONS if option.name in typed and option.name not in elsewhere]
    if not flags or not expected:
        return []
    cells = len(session.cells.collected)
    why = f"0 of {cells} cell{'s' * (cells > 1)}"
    if not cells:
        no_cell = "no cell matches both the options and the marker of a test"
        why = no_cell if gated else "no selected test uses the `ddperf` fixture"
    return [f"{', '.join(flags)} had no effect, because nothing was measured: {why}.", *platform]


def _platform_remark(session: BenchSession) -> list[str]:
    """Return a warning if `--platform` names one of our platforms but is an option of the project."""
    if "platform" in session.given:
        return []
    words = [*map(str, session.config.invocation_params.args), ""]
    values = [after for word, after in pairwise(words) if word == "--platform"]
    values += [word.partition("=")[2] for word in words if word.startswith("--platform=")]
    if not values:
        return []
    known = session.settings.catalog.platforms  # reads ddperf.toml, which may be invalid: other runs must not need it
    if not all(name.lower() in known for name in split_names(values[-1])):
        return []
    measured = f", which measured {', '.join(session.settings.platforms)}" if session.cells.measured else ""
    theirs = f"--platform={values[-1]} is this project's own option, not that of pytest-ddperf{measured}."
    return [f"{theirs} To select the platform, use --ddperf-platform={values[-1]}."]


def _make_reports(session: BenchSession, results: Results) -> None:
    """Create the figures and reports."""
    settings, records, nights = session.settings, session.cells.records.values(), session.trends
    run = next(iter(results.runs.values()), None)
    if run is not None and session.history is not None:
        nights = add_run(nights, run, records, accepted=session.history.is_accepted)
    whole = gather_results(
        settings.catalog,
        records,
        results.runs,
        project_dir=settings.project_dir,
        missing=results.missing,
        warnings=session.warnings,
    )
    session.warnings[:] = whole.warnings
    made = make(whole, nights, settings.platforms, folder=settings.path("plot"), files=list_report_files(settings))
    session.warnings += made.problems
    session.written += made.summary()


def _tell_github(session: BenchSession, results: Results, exit_status: int) -> None:
    """Publish the job summary, the step outputs and the annotations; a write error becomes a warning."""
    new_fails = bool(session.settings.value("require-baseline"))
    ending = github.Ending(exit_status, new_fails=new_fails, not_run=session.not_run)
    session.warnings += github.publish(results, ending, os.environ)
    commands = github.render_commands(results, ending)
    if commands:
        session.say("")  # a command must start a line, and a test may have left one unfinished
    for command in commands:
        session.say(command)
