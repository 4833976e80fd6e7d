"""The subcommand `ddperf report`: the cost of networks, and tables, figures and report files of stored runs."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.cli.arguments import parse_path
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.options import BY_NAME
from pytest_ddperf.core.limits import split_names
from pytest_ddperf.embedded.launch import require_extra
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.history.run_file import read_run
from pytest_ddperf.report import benchmark_json, gather, site, terminal
from pytest_ddperf.report import files as report
from pytest_ddperf.report.formats import parse_report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.network_cost import Cost
    from pytest_ddperf.history.run_file import Run
    from pytest_ddperf.report.formats import ReportFile

PLOT_DIR = Path("ddperf-figures")


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    report = commands.add_parser(
        "report", help="show stored runs and the cost of networks", description=_report.__doc__
    )
    report.add_argument(
        "-o",
        "--output",
        action="append",
        default=[],
        metavar="FILE",
        help=BY_NAME["report"].help,
    )
    report.add_argument(
        "--plot",
        type=parse_path,
        nargs="?",
        const=PLOT_DIR,
        metavar="DIR",
        help=f"draw the figures into this folder; default: {PLOT_DIR}",
    )
    report.add_argument(
        "--site",
        type=parse_path,
        metavar="DIR",
        help="write a static site of the nights into this folder",
    )
    report.add_argument(
        "--platform",
        metavar="A[,B]",
        help="platforms to include; default: all",
    )
    report.add_argument(
        "--storage",
        type=parse_path,
        default=Path(".ddperf"),
        metavar="DIR",
        help="folder of the history; default: %(default)s",
    )
    report.add_argument(
        "--run",
        dest="name",
        metavar="NAME",
        help="run to use; default: the last one of each platform; with --json, the last of all",
    )
    report.add_argument("--json", type=parse_path, metavar="FILE", help="export one run as pytest-benchmark JSON")
    report.set_defaults(run=_report)


def _report(arguments: argparse.Namespace) -> int:
    """Print tables of stored runs and the cost of the 13 networks: as published, and computed from their graphs.

    With -o or --plot, write reports and figures instead, of the baselines if no run is stored; with --site, a site.
    """
    if arguments.storage.exists() and not arguments.storage.is_dir():
        raise ConfigurationError(f"The history {arguments.storage} is not a folder; name one with --storage=DIR.")
    catalog = load_catalog(Path.cwd())
    platforms = None if arguments.platform is None else _platforms(arguments.platform, catalog)
    if arguments.site is not None:
        return _write_site(arguments, catalog, platforms)
    if arguments.output or arguments.plot is not None:
        if arguments.json is not None:
            raise ConfigurationError("--json cannot be combined with -o or --plot; run the command once for each.")
        return _write(arguments, catalog, platforms)
    runs = _stored_runs(arguments.storage, arguments.name, platforms)
    if arguments.json is not None:
        if not runs:
            of_them = "" if platforms is None else f" of {', '.join(platforms)}"
            raise ConfigurationError(
                f"There is no run{of_them} in {arguments.storage} to export; run pytest benchmarks first."
            )
        _export(runs[-1], catalog, arguments.json)
        return 0
    _print_costs(catalog)
    for run in runs:
        _print_run(run, catalog)
    stored = {record.key.platform for run in runs for record in run.records}
    left = [platform for platform in platforms or () if platform not in stored]
    if not runs or (left and arguments.name is None):
        of_them = f" of {', '.join(left)}" if left else ""
        sys.stdout.write(f"\nNo run{of_them} is stored in {arguments.storage}.\n")
    return 0


def _platforms(text: str, catalog: Catalog) -> list[str]:
    """Return the ids of the named platforms, without duplicates; refuse an unknown one, and a text that names none."""
    names = split_names(text)
    if not names:
        raise ConfigurationError(f"--platform names no platform; the valid ones are {', '.join(catalog.platforms)}.")
    return catalog.platform_ids(names)


def _write(arguments: argparse.Namespace, catalog: Catalog, platforms: Sequence[str] | None) -> int:
    """Write the requested reports and figures, print the paths of the files, and return the exit status."""
    folder = Path.cwd()
    files: list[ReportFile] = [parse_report(text, folder) for text in arguments.output]
    report.check_writable(files)
    figures = None if arguments.plot is None else folder / arguments.plot
    if figures is not None:
        report.check_folder(figures, "--plot")
    if arguments.name is not None:
        _stored_runs(arguments.storage, arguments.name, platforms)  # raises the same errors as when the run is printed
    results = gather.load_stored(catalog, arguments.storage, project_dir=folder, run=arguments.name)
    report.make_stored(results, arguments.storage, platforms or results.platforms, folder=figures, files=files)
    return 0


def _write_site(arguments: argparse.Namespace, catalog: Catalog, platforms: Sequence[str] | None) -> int:
    """Write the pages of the site that changed, print their paths, and return the exit status."""
    if arguments.output or any(each is not None for each in (arguments.plot, arguments.json, arguments.name)):
        raise ConfigurationError("--site cannot be combined with -o, --plot, --json or --run; run the command twice.")
    folder = Path.cwd()
    made = site.write_site(catalog, arguments.storage, folder / arguments.site, project_dir=folder, platforms=platforms)
    for warning in made.warnings:
        sys.stderr.write(f"warning: {warning}\n")
    for path in made.written:
        sys.stdout.write(f"{path}\n")
    sys.stdout.write(f"pages written: {len(made.written)}, unchanged: {made.unchanged}\n")
    return 0


def _stored_runs(folder: Path, name: str | None, platforms: Sequence[str] | None) -> list[Run]:
    """Return the named run, or else the last run of each platform, oldest first; only with cells of these platforms.

    Raises:
        ConfigurationError: there is no run of that name, or it has no cells of these platforms.
        HistoryError: the file of the named run cannot be read.
    """
    if name is None:
        found, warnings = gather.load_last_runs(folder, platforms)
        for warning in warnings:
            sys.stderr.write(f"warning: {warning}\n")
        return found
    run = read_run(gather.find_run(folder, name))
    if platforms is None:
        return [run]
    records = tuple(record for record in run.records if record.key.platform in platforms)
    if not records:
        there = ", ".join(dict.fromkeys(record.key.platform for record in run.records)) or "no platform"
        raise ConfigurationError(f"The run {name} has no cells of {', '.join(platforms)}; it has cells of {there}.")
    return [replace(run, records=records)]


def _export(run: Run, catalog: Catalog, path: Path) -> None:
    document = benchmark_json.build_run_document(run, catalog)
    try:
        path.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from error
    sys.stdout.write(f"{path}: {len(document['benchmarks'])} cells of {run.header.run}\n")


def _print_costs(catalog: Catalog) -> None:
    counted: dict[str, Cost] = {}
    note = ""
    try:
        require_extra()
        from pytest_ddperf.embedded.networks.cost import compute_cost  # noqa: PLC0415 - an optional extra
        from pytest_ddperf.embedded.networks.networks import NETWORK_IDS, build  # noqa: PLC0415 - the same

        counted = {name: compute_cost(build(name).model) for name in NETWORK_IDS}
    except ConfigurationError as error:
        note = f"\nOnly the published figures are shown: {error}\n"
    for line in terminal.format_costs(catalog.networks, counted, shutil.get_terminal_size().columns):
        sys.stdout.write(line + "\n")
    sys.stdout.write(note)


def _print_run(run: Run, catalog: Catalog) -> None:
    width = shutil.get_terminal_size().columns
    state = "" if run.complete else ", interrupted"
    sys.stdout.write(f"\nRun {run.header.run} of {run.header.started}{state}\n")
    broken = [f"line {number} of the run's file cannot be read and is ignored: {what}" for number, what in run.broken]
    results = gather.join_records(catalog, run.records, warnings=broken)
    for line in terminal.run_lines(results, width=width, recorded=True, budgets=True):
        sys.stdout.write("".join(text for text, _ in line) + "\n")
