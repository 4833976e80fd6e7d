"""Figures and reports of a pytest run: what was asked for, checked before the first test, made after the last."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.plugin.options import expand_bare_options
from pytest_ddperf.report import github
from pytest_ddperf.report.files import check_folder, check_writable, make, parse_report, show_progress
from pytest_ddperf.report.gather import gather_results, load_stored, load_trends

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.results import Results
    from pytest_ddperf.plugin.session import BenchSession
    from pytest_ddperf.report.files import ReportFile


_OTHER_TASKS = ("help", "version", "collectonly", "showfixtures", "show_fixtures_per_test", "markers", "cacheshow")
"""Options of pytest that ask for something else than a test run: they keep their meaning."""


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
"""Options of pytest, xdist and pytest-benchmark that choose among tests or keep their results, by their names there."""

_RAN_TO_THE_END = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)

_OF_DRAWING = ("plot", "report", "platform", "storage")
"""Our own options that say something of figures and reports of what is stored."""


def is_plot_only(config: pytest.Config) -> bool:
    """Whether `pytest --ddperf-plot` was typed with no path: then what is stored is drawn, and no test is run.

    Only what the person typed can ask for that: an ini key (`addopts` too) or a variable that ran no test would turn
    every night green.

    Raises:
        ConfigurationError: with it stand options that only a run can follow.
    """
    typed = _typed(config)
    if "plot" not in typed or any(config.getoption(name, default=False) for name in _OTHER_TASKS):
        return False
    if config.args_source is pytest.Config.ArgsSource.ARGS:
        return False
    lost = [flag for name, flag in typed.items() if name not in _OF_DRAWING]
    if lost:
        raise ConfigurationError(
            f"--ddperf-plot without a path draws what is stored and runs no test, so nothing would come of "
            f"{', '.join(lost)}: name a path to run tests, as in `pytest benchmarks --ddperf-plot`, or leave "
            f"{'it' if len(lost) == 1 else 'them'} out to draw."
        )
    return True


def _typed(config: pytest.Config) -> dict[str, str]:
    """The options that stand on the command line itself and that matter here: our own, and those of a run.

    pytest puts `addopts` and PYTEST_ADDOPTS before the words of the command line and tells no difference afterwards.
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
    """The reports that were asked for; loads nothing where there is none.

    Raises:
        ConfigurationError: a name does not say what the report should be.
    """
    asked: Sequence[str] = settings.value("report")
    if not asked:
        return []

    return [parse_report(text, settings.folder_of("report")) for text in asked]


def plot_dir(settings: Settings) -> Path | None:
    """The folder of the figures; None where none were asked for."""
    return settings.path("plot")


def check(settings: Settings) -> None:
    """Find out before the first test whether figures and reports can be written.

    Raises:
        ConfigurationError: one cannot; names it.
    """
    files, folder = list_report_files(settings), plot_dir(settings)
    if files:
        check_writable(files)
    if folder is not None:
        check_folder(folder, "--ddperf-plot")


def draw_history(session: BenchSession) -> int:
    """Draw what is stored, write the reports of it, and print what there is now; the exit status.

    pytest is not configured yet, and has no reporter to print with.

    Raises:
        DdperfError: a file cannot be read or written.
    """
    settings = session.settings
    check(settings)
    results = load_stored(settings.catalog, settings.storage_dir, project_dir=settings.project_dir)
    platforms = list(settings.platforms) if "platform" in session.given else list(results.platforms)
    for warning in results.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    nights, _ = load_trends(
        settings.storage_dir, platforms
    )  # what is to be said of the files, the results said already
    made = make(
        results, nights, platforms, folder=plot_dir(settings), files=list_report_files(settings), progress=show_progress
    )
    for line in made.lines():
        sys.stdout.write(f"{line}\n")
    if made.problems:
        raise ConfigurationError(" ".join(made.problems))
    return int(pytest.ExitCode.OK)


def present(session: BenchSession, exit_status: int) -> None:
    """Draw and write what was asked for, with the run that has just ended over its baseline; tell GitHub Actions of it.

    What cannot be made is a warning: the verdicts are shown whatever becomes of their figures.

    Args:
        session: of the process that the user started; workers present nothing.
        exit_status: pytest's.
    """
    asked = _asked(session.settings)
    on_github = os.environ.get("GITHUB_ACTIONS") == "true"
    if not asked and not on_github:
        return
    try:
        results = _shown(session) if asked else _results(session, session.settings.platforms)
        if on_github:
            only = results.only(session.settings.platforms)
            _tell_github(session, replace(only, warnings=tuple(session.warnings)), exit_status)
    except DdperfError as error:
        session.warnings.append(str(error))
    except Exception as error:  # noqa: BLE001 - see above
        session.warnings.append(f"Figures and reports could not be made: {type(error).__name__}: {error}.")


def explain_missing_outputs(session: BenchSession) -> list[str]:
    """What to say where figures or reports of a run were asked for by its command line, and nothing was measured."""
    config = session.config
    if any(config.getoption(name, default=False) for name in _OTHER_TASKS):
        return []
    typed = _typed(config)
    lost = [
        words for name, words in (("plot", "no figure was drawn"), ("report", "no report was written")) if name in typed
    ]
    return [f"ddperf: nothing was measured, so {' and '.join(lost)}."] if lost else []


def ineffective_options(session: BenchSession, exit_status: int, *, expected: bool) -> list[str]:
    """Warnings of options that were typed for this run, and of which nothing came; empty for none.

    What is in the environment or in files may be meant for other runs, and a run that ended early says so itself.

    Args:
        session: of the process that the user started.
        exit_status: pytest's.
        expected: whether a measurement was to be expected of the cells that the run has.
    """
    config = session.config
    other_task = any(config.getoption(name, default=False) for name in (*_OTHER_TASKS, "setuponly", "setupplan"))
    if other_task or exit_status not in _RAN_TO_THE_END:
        return []
    platform = _platform_remark(session)
    if session.measured:
        return platform
    typed = _typed(config)
    flags = [option.flag for option in OPTIONS if option.name in typed and option.name not in {"plot", "report"}]
    if not flags or not expected:
        return []
    cells = len(session.collected)
    why = f"0 of {cells} cell{'s' * (cells > 1)}" if cells else "no test of this run uses the `ddperf` fixture"
    were = "was" if len(flags) == 1 else "were"
    return [f"nothing was measured, though {', '.join(flags)} {were} given: {why}.", *platform]


def _platform_remark(session: BenchSession) -> list[str]:
    """A warning where `--platform` names one of our platforms and is an option of the project's own."""
    if "platform" in session.given:
        return []
    words = [*map(str, session.config.invocation_params.args), ""]
    values = [after for word, after in pairwise(words) if word == "--platform"]
    values += [word.partition("=")[2] for word in words if word.startswith("--platform=")]
    if not values:
        return []
    known = session.settings.catalog.platforms  # reads ddperf.toml, which may be broken and concerns no other run
    if not all(name.strip().lower() in known for name in values[-1].split(",")):
        return []
    measured = f", which measured {', '.join(session.settings.platforms)}" if session.measured else ""
    theirs = f"--platform={values[-1]} is an option of this project here, not of pytest-ddperf{measured}."
    return [f"{theirs} The platform to measure is named by --ddperf-platform={values[-1]}."]


def _asked(settings: Settings) -> bool:
    return plot_dir(settings) is not None or bool(settings.value("report"))


def _shown(session: BenchSession) -> Results:
    """Make the figures and reports; the results of which they are."""
    settings = session.settings
    nights, problems = load_trends(settings.storage_dir, settings.platforms)
    session.warnings += [problem for problem in problems if problem not in session.warnings]
    results = _results(session)
    session.warnings[:] = results.warnings
    made = make(results, nights, settings.platforms, folder=plot_dir(settings), files=list_report_files(settings))
    session.warnings += made.problems
    session.written += made.summary()
    return results


def _results(session: BenchSession, platforms: Sequence[str] | None = None) -> Results:
    """The run over the baselines of these platforms, of all by default."""
    return gather_results(
        session.settings.catalog,
        session.records.values(),
        session.run_facts(),
        project_dir=session.settings.project_dir,
        platforms=platforms,
        missing=session.missing(),
        warnings=session.warnings,
    )


def _tell_github(session: BenchSession, results: Results, exit_status: int) -> None:
    """The job summary, the outputs of the step and the annotations; what cannot be written is a warning."""
    new_fails = bool(session.settings.value("require-baseline"))
    ending = github.Ending(exit_status, new_fails=new_fails, not_run=session.not_run)
    session.warnings += github.publish(results, ending, os.environ)
    commands = github.render_commands(results, ending)
    if commands:
        session.say("")  # a test may have left a line unfinished, and a command counts only at the start of one
    for command in commands:
        session.say(command)
