"""The subcommand `ddperf serve`: run the embedded server in the foreground."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.cli.arguments import parse_path
from pytest_ddperf.embedded.launch import require_extra
from pytest_ddperf.embedded.limits import LIMIT_OPTIONS
from pytest_ddperf.servers.generated_images import ensure_bench_images

if TYPE_CHECKING:
    import argparse

DEFAULT_PORT = 8080
"""The same as DeepDetect's."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
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
        type=parse_path,
        metavar="DIR",
        help="folder of images that requests name by path; default: generated images",
    )
    serve.add_argument(
        "--model-dir",
        type=parse_path,
        metavar="DIR",
        help="folder of model folders, each with an .onnx file; default: none",
    )
    serve.add_argument("--no-http", action="store_true", help="refuse images given as http URLs")
    for flag, metavar, default, _, what in LIMIT_OPTIONS:  # the server checks the values
        serve.add_argument(flag, metavar=metavar, help=f"{what}; default: {default}")
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
    require_extra()
    from pytest_ddperf.embedded.__main__ import main  # noqa: PLC0415 - an optional extra

    values = vars(arguments)
    options = ["--data-dir", str(arguments.data_dir or ensure_bench_images())]
    if arguments.models != "none":
        options += ["--models", arguments.models]
    for flag in ("--port", "--seed", "--host", "--threads", "--model-dir", *(flag for flag, *_ in LIMIT_OPTIONS)):
        value = values[flag.removeprefix("--").replace("-", "_")]
        options += [] if value is None else [flag, str(value)]
    options += ["--no-service-stats"] if arguments.no_service_stats else []
    options += ["--no-http"] if arguments.no_http else []
    for slowed in arguments.slow:
        options += ["--slow", slowed]
    return main(options, prog="ddperf serve")
