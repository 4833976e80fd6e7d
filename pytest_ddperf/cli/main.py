"""The command `ddperf`, for everything other than test runs."""

from __future__ import annotations

import io
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf import __version__
from pytest_ddperf.cli import arguments as cli_arguments
from pytest_ddperf.cli import bench, check_model, completion, platforms, report, select
from pytest_ddperf.core.argument_parser import USAGE_ERROR, ArgumentParser
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

DEFAULT_PORT = 8080
"""Default port of `ddperf serve`, the same as DeepDetect's."""

_SERVE_LIMITS = (
    ("--max-body", "MIB", "largest request body, MiB; default: 256"),
    ("--max-images", "N", "maximum images per request; default: 256"),
    ("--max-pixels", "N", "largest image, width times height; default: 50000000"),
    ("--max-services", "N", "maximum number of services; default: 64"),
    ("--max-connections", "N", "maximum number of open connections; default: 256"),
    ("--request-timeout", "S", "seconds for a request to arrive completely; default: 60"),
)
"""Options for the limits of the embedded server, which validates the values itself: flag, metavar, help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status; a usage error is one paragraph on standard error and status 2."""
    _write_somewhere()
    _write_whatever_the_encoding()
    parser = _parser()
    if completion.VARIABLE in os.environ:
        completion.complete(parser)
    arguments = parser.parse_args(argv)
    if arguments.run is None:  # if argparse required it, it would not report a misspelled option before it
        parser.error("the command is missing")
    try:
        status: int = arguments.run(arguments)
    except DdperfError as error:
        sys.stderr.write(f"ddperf: {error}\n")
        return USAGE_ERROR
    except BrokenPipeError:
        sys.stderr.close()  # not an error, as in `ddperf report | head`
        return 0
    except OSError as error:  # such as an invalid file name or a full disk
        where = "" if error.filename is None else f"{textwrap.shorten(str(error.filename), 80)}: "
        sys.stderr.write(f"ddperf: {where}{error.strerror or error}; name another file or folder.\n")
        return USAGE_ERROR
    return status


def _write_somewhere() -> None:
    """Discard output to a stream that was closed at the start (`>&-`), for which Python has no stream object."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - never closed


def _write_whatever_the_encoding() -> None:
    """Escape characters that the output's encoding cannot represent, instead of failing while writing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = ArgumentParser(
        prog="ddperf",
        description="Commands for the measurements of pytest-ddperf. To measure, run pytest; pytest --help lists the "
        "--ddperf-* options.",
        epilog="ddperf COMMAND --help describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-ddperf {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(run=None)
    platforms.add_parser(commands)
    report.add_parser(commands)
    select.add_parser(commands)
    check_model.add_parser(commands)
    bench.add_parser(commands)
    _add_serve(commands)
    completion.add_parser(commands)
    return parser


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="run the embedded server", description=_serve.__doc__)
    serve.add_argument(
        "--port", type=int, default=DEFAULT_PORT, metavar="N", help="port, 0 for a free one; default: %(default)s"
    )
    serve.add_argument("--host", metavar="ADDRESS", help="loopback address to listen on; default: 127.0.0.1")
    serve.add_argument(
        "--models", default="all", metavar="A,B|all|none", help="services to create at the start; default: all"
    )
    serve.add_argument("--threads", type=int, metavar="N", help="threads of each network; default: one per core")
    serve.add_argument(
        "--data-dir",
        type=cli_arguments.parse_path,
        metavar="DIR",
        help="folder of images that requests name by path; default: generated images",
    )
    serve.add_argument(
        "--model-dir",
        type=cli_arguments.parse_path,
        metavar="DIR",
        help="folder of model folders, each with an .onnx file; default: none",
    )
    serve.add_argument("--no-http", action="store_true", help="refuse images given as http URLs")
    for flag, metavar, what in _SERVE_LIMITS:
        serve.add_argument(flag, metavar=metavar, help=what)
    serve.add_argument(
        "--seed", type=int, default=0, metavar="N", help="seed of the networks' random weights; default: 0"
    )
    serve.add_argument(
        "--no-service-stats", action="store_true", help="for tests: omit service_stats, as older servers do"
    )
    serve.add_argument(
        "--slow",
        action="append",
        default=[],
        metavar="MODEL=FACTOR",
        help="for tests: multiply the work of one network, such as resnet50=1.2",
    )
    serve.set_defaults(run=_serve)


def _serve(arguments: argparse.Namespace) -> int:
    """Run the embedded server on this host until Ctrl-C: DeepDetect's REST API, 13 networks on ONNX Runtime."""
    from pytest_ddperf.cli.serve import serve  # noqa: PLC0415 - each command loads what it needs

    options: list[str] = [] if arguments.threads is None else ["--threads", str(arguments.threads)]
    if arguments.models != "none":
        options += ["--models", arguments.models]
    if arguments.model_dir is not None:
        options += ["--model-dir", str(arguments.model_dir)]
    options += ["--no-service-stats"] if arguments.no_service_stats else []
    options += ["--no-http"] if arguments.no_http else []
    for flag in ("--host", *(flag for flag, *_ in _SERVE_LIMITS)):
        value = getattr(arguments, flag.removeprefix("--").replace("-", "_"))
        options += [] if value is None else [flag, value]
    for slowed in arguments.slow:
        options += ["--slow", slowed]
    return serve(port=arguments.port, data_dir=arguments.data_dir, options=["--seed", str(arguments.seed), *options])
