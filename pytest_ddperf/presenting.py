"""Figures and reports of a pytest run: what was asked for, checked before the first test, made after the last."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_ddperf.errors import ConfigurationError, DdperfError
from pytest_ddperf.settings import Origin

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_ddperf.records import CellRecord
    from pytest_ddperf.report import ReportFile
    from pytest_ddperf.results import Results
    from pytest_ddperf.session import BenchSession
    from pytest_ddperf.settings import Settings


_OTHER_TASKS = ("help", "version", "collectonly", "showfixtures", "show_fixtures_per_test", "markers", "cacheshow")
"""Options of pytest that ask for something else than a test run: they keep their meaning."""


def draws_only(config: pytest.Config, session: BenchSession) -> bool:
    """Whether `pytest --ddperf-plot` was asked for with no path: then what is stored is drawn, and no test is run.

    Only the command line can ask for that: an ini key that ran no test would turn every night green.
    """
    if any(config.getoption(name, default=False) for name in _OTHER_TASKS):
        return False
    said = session.given.get("plot")
    asked = said is not None and said.origin is Origin.COMMAND_LINE
    return asked and config.args_source is not pytest.Config.ArgsSource.ARGS


def report_files(settings: Settings) -> list[ReportFile]:
    """The reports that were asked for; loads nothing where there is none.

    Raises:
        ConfigurationError: a name does not say what the report should be.
    """
    asked: Sequence[str] = settings.value("report")
    if not asked:
        return []
    from pytest_ddperf.report import report_file  # noqa: PLC0415 - only where one was asked for

    return [report_file(text, settings.project_dir) for text in asked]


def plot_dir(settings: Settings) -> Path | None:
    """The folder of the figures; None where none were asked for."""
    asked = settings.value("plot")
    return None if asked is None else settings.project_dir / str(asked)


def check(settings: Settings) -> None:
    """Find out before the first test whether figures and reports can be written.

    Raises:
        ConfigurationError: one cannot; names it.
    """
    files, folder = report_files(settings), plot_dir(settings)
    if files:
        from pytest_ddperf.report import check_writable  # noqa: PLC0415 - only where one was asked for

        check_writable(files)
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The figures cannot be drawn into {folder}: {error.strerror or error}; name another folder with "
                "--ddperf-plot=DIR."
            ) from error


def draw_stored(session: BenchSession) -> int:
    """Draw what is stored, write the reports of it, and print the files; the exit status.

    pytest is not configured yet, and has no reporter to print with.

    Raises:
        DdperfError: a file cannot be read or written.
    """
    from pytest_ddperf.gathering import stored  # noqa: PLC0415 - only where it was asked for

    settings = session.settings
    check(settings)
    results = stored(settings.catalog, settings.storage_dir, project_dir=settings.project_dir)
    platforms = list(settings.platforms) if "platform" in session.given else list(results.platforms)
    for warning in results.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for path in _made(settings, results, platforms):
        sys.stdout.write(f"{path}\n")
    return int(pytest.ExitCode.OK)


def present(session: BenchSession, exit_status: int) -> None:
    """Draw and write what was asked for, with the run that has just ended over its baseline; tell GitHub Actions of it.

    Args:
        session: of the process that the user started; workers present nothing.
        exit_status: pytest's.
    """
    settings = session.settings
    if plot_dir(settings) is not None or settings.value("report"):
        try:
            results = _results(session, session.records.values())
            _say_written(session, _made(settings, results, settings.platforms))
        except DdperfError as error:
            session.warnings.append(str(error))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        _tell_github(session, exit_status)


def _say_written(session: BenchSession, files: Sequence[Path]) -> None:
    folder = plot_dir(session.settings)
    figures = [path for path in files if folder is not None and folder in path.parents]
    if figures:
        session.written.append(f"figures: {len(figures)} files in {folder}")
    session.written += [str(path) for path in files if path not in figures]


def _results(session: BenchSession, records: Iterable[CellRecord], platforms: Sequence[str] | None = None) -> Results:
    """The run over the baselines of these platforms, of all by default; of a cell's records the last one counts."""
    from pytest_ddperf.gathering import gathered  # noqa: PLC0415 - only where it was asked for

    return gathered(
        session.settings.catalog,
        records,
        session.run_facts(),
        project_dir=session.settings.project_dir,
        platforms=platforms,
        not_measured=session.not_measured(),
        warnings=session.warnings,
    )


def _tell_github(session: BenchSession, exit_status: int) -> None:
    """The job summary, the outputs of the step and the annotations; what cannot be written is a warning."""
    from pytest_ddperf.report import github  # noqa: PLC0415 - only on GitHub Actions
    from pytest_ddperf.results import SEVERITY  # noqa: PLC0415 - the same

    ending = github.Ending(exit_status, new_fails=bool(session.settings.value("require-baseline")))
    redder_last = sorted(session.records.values(), key=lambda record: SEVERITY.index(record.outcome), reverse=True)
    try:
        results = _results(session, redder_last, session.settings.platforms)
    except DdperfError as error:
        session.warnings.append(str(error))
        return
    session.warnings += github.publish(results, ending, os.environ)
    commands = github.commands(results, ending)
    if commands:
        session.say("")  # a test may have left a line unfinished, and a command counts only at the start of one
    for command in commands:
        session.say(command)


def _made(settings: Settings, results: Results, platforms: Sequence[str]) -> list[Path]:
    """The figures and reports of some platforms; figures that compare platforms take all of them."""
    from pytest_ddperf.gathering import trends  # noqa: PLC0415 - only where it was asked for

    nights = trends(settings.storage_dir, platforms)
    files: list[Path] = []
    folder = plot_dir(settings)
    if folder is not None:
        from pytest_ddperf.plots import draw  # noqa: PLC0415 - loads matplotlib

        files += draw(results, nights, folder, platforms)
    for asked in report_files(settings):
        from pytest_ddperf.report import write  # noqa: PLC0415 - only where one was asked for

        files += write(asked, results.only(platforms), nights)
    return files
