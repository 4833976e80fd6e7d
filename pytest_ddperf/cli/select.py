"""The subcommand `ddperf select`: find platforms, networks and batch sizes that meet an application's requirements."""

from __future__ import annotations

import math
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.cli import arguments as cli_arguments
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.catalog import find_closest
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.report.gather import load_stored
from pytest_ddperf.selection.rules import Ranking, Requirements
from pytest_ddperf.selection.select import select
from pytest_ddperf.selection.text import format_selection, render_csv, render_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_ddperf.core.catalog import Catalog

NONE_MEETS_IT = 1
"""Exit status if nothing meets the requirements."""

DEFAULT_STORAGE = Path(".ddperf")
_TASKS = ("classification", "detection", "ocr")
_DESCRIPTION = """\
Find the platforms, networks and batch sizes that meet the requirements. The time of a cell is that of its newest stored
run, else of its recorded baseline, else of the published report.
"""
_EPILOG = """\
Each platform and network is listed once, with the smallest batch size that meets all requirements. By default rows
are ranked by top-1 accuracy, then images per second per watt, then images per second; unknown figures rank last. A
cell with an unknown figure that is required is ruled out unless --allow-unknown is given. "~" marks a time too
imprecise to decide a limit: read from a picture, truncated to whole milliseconds, or scattered between passes. Memory
is a lower bound (weights and one batch of input): a cell above --max-memory does not fit, one below it may still not
fit. The exit status is 1 if nothing meets the requirements.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser(
        "select", help="find platforms and networks that meet requirements", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("--min-fps", metavar="N", help="minimum images per second; the report uses 10 and 25")
    parser.add_argument("--max-watts", metavar="W", help="maximum power of the platform under load, watts")
    parser.add_argument("--min-accuracy", metavar="P", help="minimum top-1 accuracy, percent")
    parser.add_argument("--max-batch", metavar="N", help="maximum batch size")
    parser.add_argument("--max-latency", metavar="MS", help="maximum latency of a whole batch, milliseconds")
    parser.add_argument("--max-memory", metavar="GIB", help="maximum memory, GiB (a lower bound, see below)")
    parser.add_argument("--max-price", metavar="USD", help="maximum price of the platform, US dollars")
    parser.add_argument("--allow-unknown", action="store_true", help="treat unknown figures as met")
    parser.add_argument("--platform", metavar="A[,B]", help="platforms to consider; default: all")
    parser.add_argument("--models", metavar="A[,B]", help="networks to consider; default: all")
    parser.add_argument("--task", metavar="A[,B]", help=f"tasks to consider: {', '.join(_TASKS)}; default: all")
    parser.add_argument("--rank-by", metavar="FIGURE", default="accuracy",
                        help=f"figure to rank by: {', '.join(Ranking)}; default: %(default)s")  # fmt: skip
    parser.add_argument(
        "--storage",
        type=cli_arguments.parse_path_text,
        metavar="DIR",
        help=f"folder of the history; default: {DEFAULT_STORAGE}",
    )
    parser.add_argument("--all", action="store_true", help="list every batch size, and what is ruled out")
    written = parser.add_mutually_exclusive_group()
    written.add_argument("--csv", action="store_true", help="print CSV, one row per cell")
    written.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the selection.

    Returns:
        The exit status: 0, or `NONE_MEETS_IT`.

    Raises:
        ConfigurationError: an option is invalid, or a baseline cannot be read.
    """
    asked = parse_requirements(arguments)
    ranking = Ranking(_one_of("--rank-by", arguments.rank_by, list(Ranking)))
    tasks = None if arguments.task is None else [_one_of("--task", one, _TASKS) for one in _listed(arguments.task)]
    project_dir = Path.cwd()
    catalog = load_catalog(project_dir)
    platforms = None if arguments.platform is None else _platforms(catalog, arguments.platform)
    models = None if arguments.models is None else [catalog.model(one).id for one in _listed(arguments.models)]
    results = load_stored(catalog, _storage(arguments.storage), project_dir=project_dir, platforms=platforms)
    chosen = select(results, asked, ranking=ranking, platforms=platforms, models=models, tasks=tasks)
    if arguments.csv or arguments.json:
        for warning in chosen.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        write = render_csv if arguments.csv else render_json
        sys.stdout.write(write(chosen, whole=arguments.all))
    else:
        width = shutil.get_terminal_size().columns
        sys.stdout.writelines(f"{line}\n" for line in format_selection(chosen, width, whole=arguments.all))
    return 0 if chosen.candidates else NONE_MEETS_IT


def parse_requirements(arguments: argparse.Namespace) -> Requirements:
    """Return the requirements that the options state.

    Raises:
        ConfigurationError: a limit is not a number or is out of range.
    """
    batch_size = _number("--max-batch", arguments.max_batch, "a whole number of 1 or more such as 8")
    if batch_size is not None and batch_size != int(batch_size):
        raise _wrong("--max-batch", arguments.max_batch, "a whole number of 1 or more such as 8")
    percent = "percent from 0 to 100 such as 67.9"
    accuracy = _number("--min-accuracy", arguments.min_accuracy, percent)
    if accuracy is not None and accuracy > 100:
        raise _wrong("--min-accuracy", arguments.min_accuracy, percent)
    return Requirements(
        min_fps=_number("--min-fps", arguments.min_fps, "images per second above 0 such as 25"),
        max_watts=_number("--max-watts", arguments.max_watts, "watts above 0 such as 15"),
        min_accuracy_percent=accuracy,
        max_batch_size=None if batch_size is None else int(batch_size),
        max_memory_gib=_number("--max-memory", arguments.max_memory, "GiB above 0 such as 0.5"),
        max_price_usd=_number("--max-price", arguments.max_price, "US dollars above 0 such as 200"),
        max_latency_ms=_number("--max-latency", arguments.max_latency, "milliseconds above 0 such as 100"),
        allow_unknown=arguments.allow_unknown,
    )


def _number(option: str, text: str | None, expected: str) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise _wrong(option, text, expected)
    return value


def _wrong(option: str, text: str, expected: str) -> ConfigurationError:
    return ConfigurationError(f"{option} is {text!r}; expected {expected}.")


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")]


def _one_of(option: str, text: str, known: Sequence[str]) -> str:
    if text in known:
        return text
    near = find_closest(text, known)
    hint = f" Did you mean {near}?" if near else ""
    raise ConfigurationError(f"{option} is {text!r}.{hint} The valid ones are {', '.join(known)}.")


def _platforms(catalog: Catalog, text: str) -> list[str]:
    return list(dict.fromkeys(catalog.platform(one).id for one in _listed(text)))


def _storage(text: str | None) -> Path:
    """Return the folder of the history; the default folder need not exist, a named one must."""
    if text is not None and not Path(text).is_dir():
        raise ConfigurationError(f"--storage is {text!r}, which is no folder; name the one that holds the history.")
    return DEFAULT_STORAGE if text is None else Path(text)
