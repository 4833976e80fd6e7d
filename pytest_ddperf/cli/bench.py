"""The subcommand `ddperf bench`: dd_bench's command line."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Final

from pytest_ddperf.cli.arguments import parse_path_text
from pytest_ddperf.config.local_paths import server_path
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.argument_parser import argument_type
from pytest_ddperf.core.limits import COUNT, PORT, TIME_LIMIT
from pytest_ddperf.core.service_parameters import IMAGES, PARAMETERS, SERVICES
from pytest_ddperf.dd_bench import output
from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.measure.clocks import AUTO

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from pytest_ddperf.dd_bench.output import BatchResult

NOT_ALL_MEASURED = 1
"""Exit status if a batch size could not be measured."""

INTERRUPTED = 130

_DEFAULTS = BenchOptions()

_PARSERS: Final[dict[str, Callable[[str], float]]] = {"gpuid": int, "scale": float}
"""Parsers of numbers that dd_bench does not limit."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser("bench", help="measure with the options of dd_bench", description=_bench.__doc__)
    server = parser.add_argument_group("server and service")
    server.add_argument(
        "--host", default=_DEFAULTS.host, metavar="NAME", help="host of the server; default: %(default)s"
    )
    server.add_argument("--port", type=argument_type(PORT), default=_DEFAULTS.port, metavar="N",
                        help="port of the server; default: %(default)s")  # fmt: skip
    server.add_argument("--sname", metavar="NAME", help="name of the service; it must exist unless --create is given")
    server.add_argument("--create", metavar="DIR", help="create the service from this folder of the server")
    server.add_argument(
        "--auto-kill", action="store_true", help="delete the service at the end, even if it existed before"
    )
    server.add_argument(
        "--recreate", action="store_true", help="recreate the service for every batch size (for TensorRT)"
    )
    _add_parameters(server, SERVICES)
    server.add_argument("--cpu", action="store_true", help="run on the CPU (the default)")

    images = parser.add_argument_group("images")
    images.add_argument("--remote-bench-data-dir", metavar="DIR", help="folder of the images, as the server sees it")
    images.add_argument("--list-bench-files", type=parse_path_text, metavar="FILE",
                        help="file with their names; default: list_bench_files.txt in the current folder or in "
                        "that of the images")  # fmt: skip
    _add_parameters(images, IMAGES)

    task = parser.add_argument_group("task; default: classification")
    task.add_argument("--detection", action="store_true", help="object detection")
    task.add_argument("--segmentation", action="store_true", help="segmentation")
    task.add_argument("--regression", action="store_true", help="regression")
    task.add_argument("--search", action="store_true", help="similarity search")
    task.add_argument(
        "--search-multibox", action="store_true", help="similarity search by all objects of an image at once"
    )

    measuring = parser.add_argument_group("measuring and results")
    measuring.add_argument("--max-batch-size", type=argument_type(COUNT), default=_DEFAULTS.max_batch_size, metavar="N",
                           help="largest batch size (1, 2, 4, 8, 16, 32, then every 16); default: 256")  # fmt: skip
    measuring.add_argument("--npasses", type=argument_type(COUNT), default=_DEFAULTS.npasses, metavar="N",
                           help="timed passes per batch size; default: %(default)s")  # fmt: skip
    measuring.add_argument("--csv-output", type=parse_path_text, metavar="FILE", help="write the results as CSV")
    measuring.add_argument("--json-output", type=parse_path_text, metavar="FILE", help="write the results as JSON")
    measuring.add_argument("--timer", choices=(AUTO, "predict", "head", "client"), default=AUTO,
                           metavar="CLOCK", help="predict (the server's cumulated time), head (head.time), client, or "
                           "auto (predict, else head); default: auto")  # fmt: skip
    measuring.add_argument("--timeout", dest="timeout_s", type=argument_type(TIME_LIMIT),
                           default=_DEFAULTS.timeout_s, metavar="S",
                           help="seconds to wait for a response; default: 300")  # fmt: skip
    parser.set_defaults(run=_bench)


def _add_parameters(group: argparse._ArgumentGroup, title: str) -> None:
    """Add the options of the service parameters in a group, with dd_bench's defaults; names are not checked."""
    for name, one in PARAMETERS.items():
        if one.group != title or not one.of_dd_bench:
            continue
        flags = [f"--{name.replace('_', '-')}", *(["--eqhist"] if name == "histogram_equalization" else [])]
        default = getattr(_DEFAULTS.parameters, name)
        if one.metavar is None:
            group.add_argument(*flags, action="store_true", help=one.help)
        else:
            parse = _PARSERS.get(name, argument_type(one.type) if one.type is COUNT else str)
            group.add_argument(*flags, type=parse, default=default, metavar=one.metavar, help=one.describe(default))


def _bench(arguments: argparse.Namespace) -> int:
    """Measure one service with the options, requests and output of dd_bench. Exit status 1 if a batch size failed."""
    # each command loads what it needs
    from pytest_ddperf.dd_bench import files, run  # noqa: PLC0415
    from pytest_ddperf.servers.connection import Connection  # noqa: PLC0415
    from pytest_ddperf.servers.target import Target  # noqa: PLC0415

    given = vars(arguments)
    parameters = replace(_DEFAULTS.parameters, **{name: given[name] for name in PARAMETERS if name in given})
    own = {one.name: given[one.name] for one in fields(BenchOptions) if one.name in given}
    options = BenchOptions(parameters=parameters, **own)
    options = replace(
        options,
        service=arguments.sname or "",
        create=server_path(options.create or "", options.url, "--create"),
        remote_bench_data_dir=server_path(options.remote_bench_data_dir or "", options.url, "--remote-bench-data-dir"),
    )
    for remark in options.check():
        _remark(remark)
    images = files.list_images(options, _remark)
    written = files.check_results({"csv": options.csv_output, "json": options.json_output})
    texts = {"csv": output.render_csv, "json": output.render_json}
    results: list[BatchResult] = []
    target = Target(Connection(ServerOptions(options.url, timeout_s=options.timeout_s), _remark))
    try:
        with contextlib.closing(run.DdBenchRun(options, images, target, line=_line, remark=_remark).run()) as measured:
            for result in measured:
                results.append(result)
                for kind, path in written.items():
                    files.write_results(path, texts[kind](results))
    except KeyboardInterrupt:
        _remark(f"interrupted; {sum(one.measured for one in results)} batch sizes were measured")
        return INTERRUPTED
    return 0 if all(one.measured for one in results) else NOT_ALL_MEASURED


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _remark(text: str) -> None:
    sys.stderr.write(f"{text}\n" if text.startswith("ddperf: ") else f"ddperf: {text}\n")
