"""Command line of the embedded server: `python -m pytest_ddperf.embedded`.

Once the server accepts requests, it prints one line of JSON with its URL and process id to standard output. Everything
else goes to standard error.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from pytest_ddperf.core.argument_parser import ArgumentParser, argument_type, explain_unknown
from pytest_ddperf.core.limits import ValueType, number, require, split_names, whole_number
from pytest_ddperf.core.loopback import is_loopback
from pytest_ddperf.embedded.images.images import ImageReader
from pytest_ddperf.embedded.limits import LIMIT_OPTIONS, Limits
from pytest_ddperf.embedded.networks.networks import NETWORK_IDS
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.server.app import build_app
from pytest_ddperf.embedded.server.bounded_protocol import build_protocol_class
from pytest_ddperf.embedded.server.repository import Repository
from pytest_ddperf.embedded.server.services import Services
from pytest_ddperf.embedded.server.shutdown import end_soon, watch_pipe, watch_process
from pytest_ddperf.embedded.wire import parse_service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

_DELAY = number("seconds, from 0 to 3600", lambda value: 0 <= value <= 3600)
_SLOWDOWN = ValueType(
    "NAME=FACTOR with a factor from 1 to 1000",
    lambda text: (text.partition("=")[0], float(text.partition("=")[2])),
    require(lambda pair: 1 <= pair[1] <= 1000),
)
_KEEP_ALIVE_S = 600
"""How long an idle connection stays open, in seconds: longer than any client pauses between two passes."""


def main(argv: Sequence[str] | None = None, *, prog: str = "python -m pytest_ddperf.embedded") -> int:
    """Run the server until it is stopped, and return the exit status 0."""
    arguments = _build_parser(prog).parse_args(argv)
    limits = Limits(
        body_bytes=arguments.max_body * 2**20,
        images=arguments.max_images,
        services=arguments.max_services,
        connections=arguments.max_connections,
        request_s=arguments.request_timeout,
        fetch=arguments.http,
    )
    threads = arguments.threads or len(os.sched_getaffinity(0))
    repository = Repository(
        model_dirs=tuple(arguments.model_dir),
        seed=arguments.seed,
        threads=threads,
        slow=dict(arguments.slow),
        delay_s=arguments.delay,
    )
    reader = ImageReader(arguments.data_dir, workers=threads, limits=limits)
    listener = _listen(arguments.host, arguments.port, prog)
    services = Services(
        repository.find, reader, threads=threads, with_stats=arguments.service_stats, most=limits.services
    )
    config = uvicorn.Config(
        build_app(services, threads=threads, limits=limits),
        loop="asyncio",
        http=build_protocol_class(limits),
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
    server = _Server(config, url=_url(listener))
    if arguments.parent_pid is not None:
        watch_process(arguments.parent_pid, lambda: end_soon(server.stop))
    if arguments.exit_on_eof:
        watch_pipe(sys.stdin.fileno(), lambda: end_soon(server.stop))

    async def serve() -> None:
        for name in arguments.models:
            services.create(name, parse_service(_declared(name)))
        await server.serve(sockets=[listener])

    asyncio.run(serve())
    if services.busy:  # a running inference cannot be interrupted, and a normal exit would wait for it
        sys.stderr.flush()
        os._exit(0)
    services.close()
    return 0


class _Server(uvicorn.Server):
    """A uvicorn server that announces when it is ready and exits with status 0 on a signal."""

    def __init__(self, config: uvicorn.Config, *, url: str) -> None:
        super().__init__(config)
        self._url = url

    def stop(self) -> None:
        """Stop the server; may be called from any thread. The server checks for this ten times a second."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then print the URL and the process id."""
        await super().startup(sockets=sockets)
        sys.stdout.write(json.dumps({"url": self._url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM. Unlike uvicorn's own handler, do not raise the signal again afterwards."""

        def stop_serving(_signal: int, _frame: FrameType | None) -> None:
            end_soon(self.stop)

        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, stop_serving)
        yield


def _declared(name: str) -> dict[str, object]:
    task = TASK_MODELS.get(name)
    width, height, classes = (task.width, task.height, task.classes) if task else (224, 224, 1000)
    return {
        "mllib": "onnxruntime",
        "description": name,
        "type": "supervised",
        "parameters": {
            "input": {"connector": "image", "width": width, "height": height},
            "mllib": {"nclasses": classes},
            "output": {},
        },
        "model": {"repository": name},
    }


def _listen(host: str, port: int, prog: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio disables Nagle's algorithm (a delay of 40 ms) only if the socket's protocol is IPPROTO_TCP
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        sys.stderr.write(
            f"{prog}: cannot listen on {host}, port {port}: {error.strerror}; choose another with --port, 0 for a free "
            "one.\n"
        )
        sys.exit(2)
    return listener


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _build_parser(prog: str) -> ArgumentParser:
    parser = ArgumentParser(
        prog=prog,
        description="Inference server with DeepDetect's REST API, for this host only.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--host", type=_host, default="127.0.0.1", help="loopback address to listen on; default: %(default)s")
    add("--port", type=argument_type(whole_number(0, 65535)), default=0, help="port, 0 for a free one; default: 0")
    add("--models", type=_models, default=(), metavar="A,B|all", help="services to create at the start; default: none")
    add(
        "--model-dir",
        type=_folder,
        action="append",
        default=[],
        metavar="DIR",
        help="folder with an .onnx file, or with subfolders that have one each; repeatable",
    )
    add("--data-dir", type=_folder, metavar="DIR", help="folder of images that requests name by path")
    threads = "threads of each network; default: one per core"
    add("--threads", type=argument_type(whole_number(0, 1024)), default=0, metavar="N", help=threads)
    add("--seed", type=int, default=0, help="seed of the networks' random weights; default: 0")
    without_stats = "omit service_stats, as older servers do"
    add("--no-service-stats", dest="service_stats", action="store_false", help=without_stats)
    slower = "multiply the work of one network"
    add("--slow", type=_slow, action="append", default=[], metavar="NAME=FACTOR", help=slower)
    add(
        "--delay",
        type=argument_type(_DELAY),
        metavar="S",
        help="for tests: sleep S seconds instead of running a network",
    )
    for flag, metavar, default, most, what in LIMIT_OPTIONS:
        kind = argument_type(whole_number(1, most))
        add(flag, type=kind, default=default, metavar=metavar, help=f"{what}; default: %(default)s")
    add("--no-http", dest="http", action="store_false", help="refuse images given as http URLs")
    add("--parent-pid", type=int, metavar="PID", help="exit when this process ends")
    add("--exit-on-eof", action="store_true", help="exit when standard input is closed")
    return parser


def _host(text: str) -> str:
    if not is_loopback(text):
        raise argparse.ArgumentTypeError(
            f"{text} is not a loopback address; this server accepts requests from its own host only"
        )
    return "127.0.0.1" if text == "localhost" else str(ipaddress.ip_address(text))


def _models(text: str) -> tuple[str, ...]:
    if text == "all":
        return NETWORK_IDS
    return tuple(dict.fromkeys(_network(name) for name in split_names(text)))


def _network(name: str) -> str:
    if name not in (known := (*NETWORK_IDS, *TASK_MODELS)):
        raise argparse.ArgumentTypeError(explain_unknown(name, known))
    return name


def _folder(text: str) -> Path:
    path = Path(text).absolute()
    if not path.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return path


def _slow(text: str) -> tuple[str, float]:
    name, factor = argument_type(_SLOWDOWN)(text)
    return _network(name), factor


if __name__ == "__main__":
    sys.exit(main())
