"""The subcommand `ddperf bench`: dd_bench's command line."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from pytest_ddperf.cli import arguments as cli_arguments
from pytest_ddperf.config.local_paths import server_path
from pytest_ddperf.core.limits import TIME_LIMIT_EXPECTED, is_time_limit
from pytest_ddperf.dd_bench import output
from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.measure.clocks import AUTO

if TYPE_CHECKING:
    from pytest_ddperf.dd_bench.output import BatchResult

NOT_ALL_MEASURED = 1
"""Exit status if a batch size could not be measured."""

INTERRUPTED = 130

_DEFAULTS = BenchOptions()


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser("bench", help="measure with the options of dd_bench", description=_bench.__doc__)
    server = parser.add_argument_group("server and service")
    server.add_argument(
        "--host", default=_DEFAULTS.host, metavar="NAME", help="host of the server; default: %(default)s"
    )
    server.add_argument(
        "--port", type=_port, default=_DEFAULTS.port, metavar="N", help="port of the server; default: %(default)s"
    )
    server.add_argument("--sname", metavar="NAME", help="name of the service; it must exist unless --create is given")
    server.add_argument("--create", metavar="DIR", help="create the service from this folder of the server")
    server.add_argument(
        "--auto-kill", action="store_true", help="delete the service at the end, even if it existed before"
    )
    server.add_argument(
        "--recreate", action="store_true", help="recreate the service for every batch size (for TensorRT)"
    )
    server.add_argument("--mllib", default=_DEFAULTS.mllib, metavar="NAME",
                        help="backend of the created service; default: %(default)s")  # fmt: skip
    server.add_argument("--datatype", default=_DEFAULTS.datatype, metavar="TYPE",
                        help="precision: fp32 or fp16 (TensorRT); default: fp32")  # fmt: skip
    server.add_argument("--nclasses", type=_count, default=_DEFAULTS.nclasses, metavar="N",
                        help="number of classes; default: %(default)s")  # fmt: skip
    server.add_argument("--max-workspace-size", type=_count, default=_DEFAULTS.max_workspace_size, metavar="N",
                        help="workspace of TensorRT, MiB; default: 1024")  # fmt: skip
    server.add_argument("--dla", action="store_true", help="run on a Jetson's DLA core")
    server.add_argument("--gpu", action="store_true", help="run on the GPU")
    server.add_argument("--gpuid", type=int, default=_DEFAULTS.gpuid, metavar="N", help="index of the GPU; default: 0")
    server.add_argument("--cpu", action="store_true", help="run on the CPU (the default)")

    images = parser.add_argument_group("images")
    images.add_argument("--remote-bench-data-dir", metavar="DIR", help="folder of the images, as the server sees it")
    images.add_argument("--list-bench-files", type=cli_arguments.parse_path_text, metavar="FILE",
                        help="file with their names; default: list_bench_files.txt, here or there")  # fmt: skip
    images.add_argument("--img-width", type=_count, default=_DEFAULTS.img_width, metavar="N",
                        help="input width in pixels; default: %(default)s")  # fmt: skip
    images.add_argument("--img-height", type=_count, default=_DEFAULTS.img_height, metavar="N",
                        help="input height in pixels; default: %(default)s")  # fmt: skip
    images.add_argument("--bw", action="store_true", help="black and white images")
    images.add_argument("--rgb", action="store_true", help="RGB channel order")
    images.add_argument("--scale", type=float, default=_DEFAULTS.scale, metavar="F",
                        help="multiply pixel values by F; default: 1")  # fmt: skip
    images.add_argument("--histogram-equalization", "--eqhist", action="store_true", help="equalize the histogram")
    images.add_argument(
        "--image-interp", metavar="NAME", help="resize filter: nearest, linear, cubic, area or lanczos4"
    )
    images.add_argument("--gpu-resize", action="store_true", help="resize images on the GPU")

    task = parser.add_argument_group("task; default: classification")
    task.add_argument("--detection", action="store_true", help="object detection")
    task.add_argument("--segmentation", action="store_true", help="segmentation")
    task.add_argument("--regression", action="store_true", help="regression")
    task.add_argument("--search", action="store_true", help="similarity search")
    task.add_argument(
        "--search-multibox", action="store_true", help="similarity search by all objects of an image at once"
    )

    measuring = parser.add_argument_group("measuring and results")
    measuring.add_argument("--max-batch-size", type=_count, default=_DEFAULTS.max_batch_size, metavar="N",
                           help="largest batch size (1, 2, 4, 8, 16, 32, then every 16); default: 256")  # fmt: skip
    measuring.add_argument("--npasses", type=_count, default=_DEFAULTS.npasses, metavar="N",
                           help="timed passes per batch size; default: %(default)s")  # fmt: skip
    measuring.add_argument(
        "--csv-output", type=cli_arguments.parse_path_text, metavar="FILE", help="write the results as CSV"
    )
    measuring.add_argument(
        "--json-output", type=cli_arguments.parse_path_text, metavar="FILE", help="write the results as JSON"
    )
    measuring.add_argument("--timer", choices=(AUTO, "predict", "head", "client"), default=AUTO,
                           metavar="CLOCK", help="predict (the server's cumulated time), head (head.time), client, or "
                           "auto (predict, else head); default: auto")  # fmt: skip
    measuring.add_argument("--timeout", dest="timeout_s", type=_seconds, default=_DEFAULTS.timeout_s, metavar="S",
                           help="seconds to wait for a response; default: 300")  # fmt: skip
    parser.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    """Measure one service with the options, requests and output of dd_bench. Exit status 1 if a batch size failed."""
    from pytest_ddperf.dd_bench import files as bench_files  # noqa: PLC0415 - each command loads what it needs
    from pytest_ddperf.dd_bench.run import DdBenchRun  # noqa: PLC0415 - likewise

    options = BenchOptions(**{one.name: getattr(arguments, one.name) for one in fields(BenchOptions)})
    options = replace(
        options,
        create=server_path(options.create or "", options.url, "--create"),
        remote_bench_data_dir=server_path(options.remote_bench_data_dir or "", options.url, "--remote-bench-data-dir"),
    )
    for remark in options.check():
        _remark(remark)
    images = bench_files.list_images(options, _remark)
    files = bench_files.open_results({"csv": options.csv_output, "json": options.json_output})
    texts = {"csv": output.render_csv, "json": output.render_json}
    results: list[BatchResult] = []
    try:
        with contextlib.closing(DdBenchRun(options, images, line=_line, remark=_remark).run()) as measured:
            for result in measured:
                results.append(result)
                for kind, file in files.items():
                    file.write(texts[kind](results))
    except KeyboardInterrupt:
        _remark(f"interrupted; {sum(one.measured for one in results)} batch sizes were measured")
        return INTERRUPTED
    return 0 if all(one.measured for one in results) else NOT_ALL_MEASURED


def _line(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _remark(text: str) -> None:
    sys.stderr.write(f"{text}\n" if text.startswith("ddperf: ") else f"ddperf: {text}\n")


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of 1 or more")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 1 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not is_time_limit(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of {TIME_LIMIT_EXPECTED}")
    return value
