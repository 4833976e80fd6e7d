"""`ddperf`: what is not a test run."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf import __version__, cli_platforms
from pytest_ddperf.errors import ConfigurationError, DdperfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.catalog import Catalog
    from pytest_ddperf.history import Run

USAGE_ERROR = 2
DEFAULT_PORT = 8080
"""Where DeepDetect listens, too."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; a user's mistake is one paragraph on standard error and status 2."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except DdperfError as error:
        sys.stderr.write(f"ddperf: {error}\n")
        return USAGE_ERROR
    except BrokenPipeError:
        sys.stderr.close()  # `ddperf report | head` is no mistake
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ddperf",
        description="DeepDetect's performance report as regression tests. To measure: pytest benchmarks --help.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-ddperf {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the embedded server", description=_serve.__doc__)
    serve.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for a free one; default: %(default)s")
    serve.add_argument(
        "--models", default="all", metavar="A,B|all|none", help="services that are there from the start; default: all"
    )
    serve.add_argument("--threads", type=int, metavar="N", help="of each network; default: one a core")
    serve.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="images by path come from below it; default: the bench images"
    )
    serve.add_argument("--model-dir", type=Path, metavar="DIR", help="holds folders with an .onnx file each")
    serve.add_argument("--seed", type=int, default=0, metavar="N", help="of the networks' weights; default: 0")
    serve.add_argument(
        "--no-service-stats", action="store_true", help="for tests: leave service_stats out, as older servers do"
    )
    serve.add_argument(
        "--slow",
        action="append",
        default=[],
        metavar="MODEL=FACTOR",
        help="for tests: do that much more real work for one network, such as resnet50=1.2",
    )
    serve.set_defaults(run=_serve)

    report = commands.add_parser("report", help="what networks cost, and a stored run", description=_report.__doc__)
    report.add_argument(
        "--storage", type=Path, default=Path(".ddperf"), metavar="DIR", help="the history; default: %(default)s"
    )
    report.add_argument("--run", dest="name", metavar="NAME", help="which run; default: the last")
    report.add_argument("--json", type=Path, metavar="FILE", help="export the run as pytest-benchmark JSON")
    report.set_defaults(run=_report)

    cli_platforms.add_parser(commands)
    return parser


def _serve(arguments: argparse.Namespace) -> int:
    """Run the embedded server on this host until Ctrl-C: DeepDetect's REST API, 13 networks on ONNX Runtime."""
    from pytest_ddperf import targets  # noqa: PLC0415 - each command loads what it needs

    options: list[str] = [] if arguments.threads is None else ["--threads", str(arguments.threads)]
    if arguments.models != "none":
        options += ["--models", arguments.models]
    if arguments.model_dir is not None:
        options += ["--model-dir", str(arguments.model_dir)]
    options += ["--no-service-stats"] if arguments.no_service_stats else []
    for slowed in arguments.slow:
        options += ["--slow", slowed]
    return targets.serve(
        port=arguments.port, data_dir=arguments.data_dir, options=["--seed", str(arguments.seed), *options]
    )


def _report(arguments: argparse.Namespace) -> int:
    """Print what the 13 networks cost, by the report and by the graphs that run, and the tables of a stored run."""
    from pytest_ddperf.baselines import load_catalog  # noqa: PLC0415 - each command loads what it needs

    catalog = load_catalog(Path.cwd())
    run = _stored_run(arguments.storage, arguments.name)
    if arguments.json is not None:
        if run is None:
            raise ConfigurationError(f"There is no run in {arguments.storage} to export; run pytest benchmarks first.")
        _export(run, catalog, arguments.json)
        return 0
    _print_costs(catalog)
    if run is None:
        sys.stdout.write(f"\nNo run is stored in {arguments.storage}.\n")
    else:
        _print_run(run, catalog)
    return 0


def _stored_run(folder: Path, name: str | None) -> Run | None:
    from pytest_ddperf.history import read_run, runs  # noqa: PLC0415 - each command loads what it needs

    paths = {path.stem: path for path in runs(folder)}
    if name is None:
        return read_run(paths[max(paths)]) if paths else None
    if name not in paths:
        known = ", ".join(sorted(paths)[-5:]) or "none"
        raise ConfigurationError(f"The run {name!r} is not in {folder}; the last ones there are {known}.")
    return read_run(paths[name])


def _export(run: Run, catalog: Catalog, path: Path) -> None:
    from pytest_ddperf import benchmark_json  # noqa: PLC0415 - each command loads what it needs

    titles = {name: platform.title for name, platform in catalog.platforms.items()}
    document = benchmark_json.run_document(run, titles)
    try:
        path.write_text(json.dumps(document, indent=4) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}.") from error
    sys.stdout.write(f"{path}: {len(document['benchmarks'])} cells of {run.header.run}\n")


def _print_costs(catalog: Catalog) -> None:
    from pytest_ddperf import targets, terminal  # noqa: PLC0415 - each command loads what it needs

    try:
        counted = targets.network_costs()
        note = ""
    except ConfigurationError as error:
        counted, note = {}, f"\nOnly the report's own figures: {error}\n"
    for line in terminal.cost_lines(catalog.networks, counted):
        sys.stdout.write(line + "\n")
    sys.stdout.write(note)


def _print_run(run: Run, catalog: Catalog) -> None:
    from pytest_ddperf import terminal  # noqa: PLC0415 - each command loads what it needs

    width = shutil.get_terminal_size().columns
    state = "" if run.complete else ", interrupted"
    sys.stdout.write(f"\nRun {run.header.run} of {run.header.started}{state}\n")
    titles = {name: platform.title for name, platform in catalog.platforms.items()}
    broken = [f"line {number} of the run's file cannot be read and was left out: {what}" for number, what in run.broken]
    lines = terminal.run_lines(
        run.records, titles=titles, models=list(catalog.networks), width=width, recorded=True, warnings=broken
    )
    for line in lines:
        sys.stdout.write("".join(text for text, _ in line) + "\n")
