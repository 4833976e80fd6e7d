"""Start the embedded server, wait until it answers, stop it: from the process that wants to use it.

It is a process of its own, because it would share the client's interpreter lock otherwise. It is gone after `stop`,
after its parent's end, and after its parent's death: it holds the other end of a pipe that the parent never writes to.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

_NEEDED = {
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "cv2": "opencv-python-headless",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
}
"""The modules of the extra, and the distributions that they come from."""

_STOP_TIMEOUT_S = 5.0
"""How long the server may take to end, in seconds, before it is killed; it means to need two."""

_TAIL_BYTES = 4096
"""How much of its log an error message shows."""


class EmbeddedServer:
    """A running embedded server, as its parent sees it. A context manager that stops it.

    Args:
        process: its process.
        url: where it answers.
        log: its standard error.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
        self._process = process
        self._log = log
        self.url = url
        # stops it, too, when nobody holds it any more, and at the interpreter's end
        self._stop = weakref.finalize(self, _end, process, log, os.getpid())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process.poll() is None

    @property
    def log_tail(self) -> str:
        """The end of what it has written to its log; "" once it was stopped."""
        return _tail(self._log)

    def stop(self) -> None:
        """End it, and wait until it is gone. Stopping twice does nothing."""
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def start(
    *,
    threads: int | None = None,
    models: Sequence[str] = (),
    data_dir: Path | None = None,
    model_dir: Path | None = None,
    model_dirs: Sequence[Path] = (),
    seed: int = 0,
    extra: Sequence[str] = (),
    ready_timeout_s: float = 30.0,
) -> EmbeddedServer:
    """Start a server on a free port, and wait until it answers.

    Args:
        threads: of each network; None for one per core.
        models: services that are there from the start, by network id; ("all",) for all 13.
        data_dir: images by path come from below it.
        model_dir: holds folders with an .onnx file each.
        model_dirs: further ones.
        seed: of the networks' weights.
        extra: further arguments of `python -m pytest_ddperf.embedded`.
        ready_timeout_s: how long it may take, in seconds.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
        ServerUnreachableError: it ended, or did not answer in time; the message holds the end of its log.
    """
    require_extra()
    arguments = ["--port", "0", "--seed", str(seed), "--exit-on-eof", "--parent-pid", str(os.getpid())]
    for option, value in (("--threads", threads), ("--data-dir", data_dir), ("--model-dir", model_dir)):
        if value is not None:
            arguments += [option, str(value)]
    for folder in model_dirs:
        arguments += ["--model-dir", str(folder)]
    if models:
        arguments += ["--models", ",".join(models)]
    log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the server
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        # -P: no module of the user's working folder may hide one of the server's
        [sys.executable, "-P", "-m", "pytest_ddperf.embedded", *arguments, *extra],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=_environment(),
        start_new_session=True,  # Ctrl-C in the terminal is for the parent, which then stops it in its own time
    )
    try:
        url = _ready_url(process, log, ready_timeout_s)
    except BaseException:
        _end(process, log, os.getpid())
        raise
    return EmbeddedServer(process, url, log)


def require_extra() -> None:
    """Find out whether the server can run here.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
    """
    absent = sorted(distribution for module, distribution in _NEEDED.items() if find_spec(module) is None)
    if absent:
        raise ConfigurationError(
            f"The embedded server needs {', '.join(absent)}, not installed here: "
            "pip install 'pytest-ddperf[embedded]', or name a DeepDetect server with --ddperf-url."
        )


def _environment() -> dict[str, str]:
    """The child's environment: it finds the same package as this process, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _ready_url(process: subprocess.Popen[bytes], log: IO[bytes], timeout_s: float) -> str:
    line = _first_line(process, timeout_s)
    if line is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(line)["url"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_TIMEOUT_S)  # for its status
    status = process.poll()
    what = f"did not answer within {timeout_s:g} s" if status is None else f"ended with status {status}"
    tail = _tail(log) or "nothing"
    raise ServerUnreachableError(f"The embedded server {what} before it was ready. The end of its log: {tail}")


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes | None:
    """What it prints first, what there is of it where it ends before that; None where it takes too long."""
    assert process.stdout is not None  # noqa: S101 - it was opened as a pipe
    deadline = time.monotonic() + timeout_s
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return None
            chunk = os.read(process.stdout.fileno(), 4096)
            if not chunk:
                break
            line += chunk
    return line


def _tail(log: IO[bytes]) -> str:
    if log.closed:
        return ""
    size = os.fstat(log.fileno()).st_size
    # not read(): the child writes at the file's own position
    return os.pread(log.fileno(), _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace").strip()


def _end(process: subprocess.Popen[bytes], log: IO[bytes], owner_pid: int) -> None:
    if os.getpid() != owner_pid:  # a fork of the process that started it: the server is not its to stop
        return
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    log.close()
