"""`ddperf bench`: dd_bench's command line."""

from __future__ import annotations

import argparse
import contextlib
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from pytest_ddperf.bench_requests import BenchOptions
from pytest_ddperf.summary import AUTO
from pytest_ddperf.time_limits import TIME_LIMIT_EXPECTED, is_time_limit

if TYPE_CHECKING:
    from pytest_ddperf.bench_output import BatchResult

NOT_ALL_MEASURED = 1
"""Exit status where a batch size could not be measured."""

INTERRUPTED = 130

_DEFAULTS = BenchOptions()


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("bench", help="dd_bench's command line", description=_bench.__doc__)
    server = parser.add_argument_group("server and service")
    server.add_argument("--host", default=_DEFAULTS.host, metavar="NAME", help="server host; default: %(default)s")
    server.add_argument(
        "--port", type=_port, default=_DEFAULTS.port, metavar="N", help="server port; default: %(default)s"
    )
    server.add_argument("--sname", metavar="NAME", help="the service; without --create, one that is there")
    server.add_argument("--create", metavar="DIR", help="create the service from this model folder of the server")
    server.add_argument("--auto-kill", action="store_true", help="delete the service at the end, whoever created it")
    server.add_argument("--recreate", action="store_true", help="a new service for each batch size, as TensorRT wants")
    server.add_argument("--mllib", default=_DEFAULTS.mllib, metavar="NAME",
                        help="backend to create it with; default: %(default)s")  # fmt: skip
    server.add_argument("--datatype", default=_DEFAULTS.datatype, metavar="TYPE",
                        help="fp32 or fp16, for TensorRT; default: fp32")  # fmt: skip
    server.add_argument("--nclasses", type=_count, default=_DEFAULTS.nclasses, metavar="N",
                        help="classes of the service to create; default: %(default)s")  # fmt: skip
    server.add_argument("--max-workspace-size", type=_count, default=_DEFAULTS.max_workspace_size, metavar="N",
                        help="of TensorRT, MiB; default: 1024")  # fmt: skip
    server.add_argument("--dla", action="store_true", help="run on a Jetson's DLA core")
    server.add_argument("--gpu", action="store_true", help="run on the GPU")
    server.add_argument("--gpuid", type=int, default=_DEFAULTS.gpuid, metavar="N", help="which GPU; default: 0")
    server.add_argument("--cpu", action="store_true", help="run on the CPU: so it is without --gpu")

    images = parser.add_argument_group("images")
    images.add_argument("--remote-bench-data-dir", metavar="DIR", help="folder of the images, as the server sees it")
    images.add_argument("--list-bench-files", metavar="FILE",
                        help="their names; default: list_bench_files.txt, here or in that folder")  # fmt: skip
    images.add_argument("--img-width", type=_count, default=_DEFAULTS.img_width, metavar="N",
                        help="width of the network's input, pixels; default: %(default)s")  # fmt: skip
    images.add_argument("--img-height", type=_count, default=_DEFAULTS.img_height, metavar="N",
                        help="its height; default: %(default)s")  # fmt: skip
    images.add_argument("--bw", action="store_true", help="images are black and white")
    images.add_argument("--rgb", action="store_true", help="channels in the order red, green, blue")
    images.add_argument("--scale", type=float, default=_DEFAULTS.scale, metavar="F",
                        help="factor of all values; default: 1")  # fmt: skip
    images.add_argument("--histogram-equalization", "--eqhist", action="store_true", help="equalise the histogram")
    images.add_argument("--image-interp", metavar="NAME", help="how they are resized: nearest, linear, cubic ...")
    images.add_argument("--gpu-resize", action="store_true", help="resize them on the GPU")

    task = parser.add_argument_group("task; default: classification")
    task.add_argument("--detection", action="store_true", help="the service detects objects")
    task.add_argument("--segmentation", action="store_true", help="the service segments images")
    task.add_argument("--regression", action="store_true", help="the service regresses values")
    task.add_argument("--search", action="store_true", help="the service searches similar images")
    task.add_argument("--search-multibox", action="store_true", help="it searches by all objects of an image at once")

    measuring = parser.add_argument_group("measuring and results")
    measuring.add_argument("--max-batch-size", type=_count, default=_DEFAULTS.max_batch_size, metavar="N",
                           help="batch sizes: 1, 2, 4, 8, 16, 32, then every 16, up to it; default: 256")  # fmt: skip
    measuring.add_argument("--npasses", type=_count, default=_DEFAULTS.npasses, metavar="N",
                           help="timed passes for each batch size; default: %(default)s")  # fmt: skip
    measuring.add_argument("--csv-output", metavar="FILE", help="write the results as CSV")
    measuring.add_argument("--json-output", metavar="FILE", help="write the results as JSON")
    measuring.add_argument("--timer", choices=(AUTO, "predict", "head", "client"), default=AUTO,
                           metavar="CLOCK", help="predict, the server's predict time; head, its head.time; client, "
                           "this host's; auto, the first of these that the server tells, never this host's; "
                           "default: auto")  # fmt: skip
    measuring.add_argument("--timeout", dest="timeout_s", type=_seconds, default=_DEFAULTS.timeout_s, metavar="S",
                           help="seconds that the server may be silent; default: 300")  # fmt: skip
    parser.set_defaults(run=_bench)


def _bench(arguments: argparse.Namespace) -> int:
    """Measure one service as dd_bench does: its options, its requests, its output. Exit status 1 if a size failed."""
    from pytest_ddperf import bench_files, bench_output  # noqa: PLC0415 - each command loads what it needs
    from pytest_ddperf.bench_run import DdBenchRun  # noqa: PLC0415 - likewise

    options = BenchOptions(**{one.name: getattr(arguments, one.name) for one in fields(BenchOptions)})
    for remark in options.check():
        _remark(remark)
    images = bench_files.listed_images(options, _remark)
    files = bench_files.open_results({"csv": options.csv_output, "json": options.json_output})
    texts = {"csv": bench_output.csv_text, "json": bench_output.json_text}
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
