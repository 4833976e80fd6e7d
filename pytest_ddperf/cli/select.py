"""The subcommand `ddperf select`: find platforms, networks and batch sizes that meet an application's requirements."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pytest_ddperf.cli.arguments import parse_path_text
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.argument_parser import argument_type, explain_unknown
from pytest_ddperf.core.limits import COUNT, NAMES, ValueType, number
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.report.gather import load_stored
from pytest_ddperf.selection.rules import Ranking, Requirements
from pytest_ddperf.selection.select import select
from pytest_ddperf.selection.text import format_selection, render_csv, render_json

if TYPE_CHECKING:
    from collections.abc import Callable

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
are ranked by top-1 accuracy, then images per second per watt, then images per second; unknown figures rank last. An
unknown required figure rules a cell out, unless --allow-unknown is given. The budgets max_ms, min_fps and
max_latency_ms of ddperf.toml are requirements, too; the stricter one counts. "~" marks a time too imprecise to decide
a limit: read from a picture, truncated to whole milliseconds, or scattered between passes. Memory is a lower bound
(weights and one batch of input): a cell below --max-memory may still not fit. The exit status is 1 if nothing meets
the requirements.
"""


_NAMES: Final[Callable[[str], tuple[str, ...]]] = argument_type(NAMES)


def _tasks(text: str) -> tuple[str, ...]:
    names = _NAMES(text)
    for name in names:
        if name not in _TASKS:
            raise argparse.ArgumentTypeError(explain_unknown(name, _TASKS))
    return names


def _above_0(expected: str) -> ValueType:
    return number(expected, lambda value: value > 0)


_LIMITS: Final = (
    ("--min-fps", "min_fps", _above_0("images per second above 0, such as 25"), "N",
     "minimum images per second; the report uses 10 and 25"),
    ("--max-watts", "max_watts", _above_0("watts above 0, such as 15"), "W",
     "maximum power of the platform under load, watts"),
    ("--min-accuracy", "min_accuracy_percent", number("percent above 0 and up to 100, such as 67.9", lambda value:
     0 < value <= 100), "P", "minimum top-1 accuracy, percent"),
    ("--max-batch", "max_batch_size", COUNT, "N", "maximum batch size"),
    ("--max-latency", "max_latency_ms", _above_0("milliseconds above 0, such as 100"), "MS",
     "maximum latency of a whole batch, milliseconds"),
    ("--max-memory", "max_memory_gib", _above_0("GiB above 0, such as 0.5"), "GIB",
     "maximum memory, GiB (a lower bound, see below)"),
    ("--max-price", "max_price_usd", _above_0("US dollars above 0, such as 200"), "USD",
     "maximum price of the platform, US dollars"),
)  # fmt: skip
"""The options that limit a figure: option, field of `Requirements`, type, metavar, help."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser(
        "select", help="find platforms and networks that meet requirements", description=_DESCRIPTION, epilog=_EPILOG
    )
    for option, field, kind, metavar, meaning in _LIMITS:
        parser.add_argument(option, dest=field, type=argument_type(kind), metavar=metavar, help=meaning)
    parser.add_argument("--allow-unknown", action="store_true", help="accept cells with unknown figures")
    for option, parse, meaning in (
        ("--platform", _NAMES, "platforms to consider"),
        ("--models", _NAMES, "networks to consider"),
        ("--task", _tasks, f"tasks to consider: {', '.join(_TASKS)}"),
    ):
        parser.add_argument(option, type=parse, metavar="A[,B]", help=f"{meaning}; default: all")
    parser.add_argument("--rank-by", choices=tuple(Ranking), default="accuracy", metavar="FIGURE",
                        help=f"figure to rank by: {', '.join(Ranking)}; default: %(default)s")  # fmt: skip
    parser.add_argument("--storage", type=parse_path_text, metavar="DIR",
                        help=f"folder of the history; default: {DEFAULT_STORAGE}")  # fmt: skip
    parser.add_argument("--all", action="store_true", help="list every batch size, and the cells that are ruled out")
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
    given = vars(arguments)
    asked = Requirements(**{field: given[field] for _, field, *_ in _LIMITS}, allow_unknown=arguments.allow_unknown)
    storage, project_dir = _storage(arguments.storage), Path.cwd()
    catalog = load_catalog(project_dir)
    platforms = None if arguments.platform is None else catalog.platform_ids(arguments.platform)
    models = None if arguments.models is None else [catalog.model(one).id for one in arguments.models]
    results = load_stored(catalog, storage, project_dir=project_dir, platforms=platforms)
    ranking = Ranking(arguments.rank_by)
    chosen = select(results, asked, ranking=ranking, platforms=platforms, models=models, tasks=arguments.task)
    if arguments.csv or arguments.json:
        for warning in chosen.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        write = render_csv if arguments.csv else render_json
        sys.stdout.write(write(chosen, whole=arguments.all))
    else:
        width = shutil.get_terminal_size().columns
        sys.stdout.writelines(f"{line}\n" for line in format_selection(chosen, width, whole=arguments.all))
    return 0 if chosen.candidates else NONE_MEETS_IT


def _storage(text: str | None) -> Path:
    """Return the folder of the history; the default folder need not exist, a named one must."""
    if text is not None and not Path(text).is_dir():
        raise ConfigurationError(f"--storage is {text!r}, which is not a folder; name the folder of the history.")
    return DEFAULT_STORAGE if text is None else Path(text)
