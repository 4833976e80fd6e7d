"""Start the embedded server from the process that uses it, wait until it is ready, and stop it.

The server has its own process so that it does not share the client's interpreter lock. It ends after `stop`, and also
when its parent exits or is killed: its standard input is a pipe that the parent never writes to, and the end of the
parent closes that pipe.
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
    from typing import Self

_NEEDED = {
    "onnxruntime": "onnxruntime",
    "onnx": "onnx",
    "cv2": "opencv-python-headless",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
    "httptools": "httptools",
}
"""Modules that the extra installs, with the distribution of each."""

_STOP_TIMEOUT_S = 5.0
"""Seconds to wait for the server to end before killing it. It should need at most two."""

_TAIL_BYTES = 4096
"""Size of the end of the log that an error message shows, in bytes."""


class EmbeddedServer:
    """A running embedded server, controlled by its parent process. As a context manager, it stops the server."""

    def __init__(self, process: subprocess.Popen[bytes], url: str, log: IO[bytes]) -> None:
        self.process = process
        self._log = log
        self.url = url
        # also stops the server when this object is garbage-collected, and when the interpreter exits
        self._stop = weakref.finalize(self, _end, process, log, os.getpid())

    @property
    def log_tail(self) -> str:
        """The end of the server's log; "" after `stop`."""
        return read_end(self._log, _TAIL_BYTES)

    def stop(self) -> None:
        """Stop the server and wait for its process to end. Further calls do nothing."""
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(
    *,
    threads: int | None = None,
    models: Sequence[str] = (),
    data_dir: Path | None = None,
    model_dirs: Sequence[Path] = (),
    extra: Sequence[str] = (),
    ready_timeout_s: float = 30.0,
) -> EmbeddedServer:
    """Start a server on a free port, and wait until it is ready.

    Args:
        threads: threads of each network; None for one per core.
        models: ids of the networks to create a service for at the start; ("all",) for all 13.
        data_dir: folder of the images that requests name by path.
        model_dirs: folders with an .onnx file, or with folders that have one each.
        extra: further arguments of `python -m pytest_ddperf.embedded`.
        ready_timeout_s: longest time to wait for the server to be ready, in seconds.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
        ServerUnreachableError: the server ended or was not ready in time. The message contains the end of its log.
    """
    require_extra()
    arguments = ["--port", "0", "--exit-on-eof", "--parent-pid", str(os.getpid())]
    for option, value in (
        ("--threads", threads),
        ("--data-dir", data_dir),
        *(("--model-dir", folder) for folder in model_dirs),
    ):
        if value is not None:
            arguments += [option, str(value)]
    if models:
        arguments += ["--models", ",".join(models)]
    log = tempfile.TemporaryFile()  # noqa: SIM115 - stays open as long as the server runs
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        # -P: a module in the user's working directory must not shadow one that the server imports
        [sys.executable, "-P", "-m", "pytest_ddperf.embedded", *arguments, *extra],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env=_environment(),
        start_new_session=True,  # Ctrl-C in the terminal reaches only the parent, which then stops the server
    )
    try:
        url = _ready_url(process, log, ready_timeout_s)
    except BaseException:
        _end(process, log, os.getpid())
        raise
    return EmbeddedServer(process, url, log)


def require_extra() -> None:
    """Check that the server can run here.

    Raises:
        ConfigurationError: the extra `embedded` is not installed.
    """
    absent = sorted(distribution for module, distribution in _NEEDED.items() if find_spec(module) is None)
    if absent:
        raise ConfigurationError(
            f"The embedded server needs {', '.join(absent)}, not installed here. Run pip install "
            "'pytest-ddperf[embedded]', or name a DeepDetect server with --ddperf-url."
        )


def _environment() -> dict[str, str]:
    """Return the server's environment: it imports the same package as this process, installed or not."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths))}


def _ready_url(process: subprocess.Popen[bytes], log: IO[bytes], timeout_s: float) -> str:
    line = _first_line(process, timeout_s)
    if line is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            return str(json.loads(line)["url"])
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_STOP_TIMEOUT_S)  # to get its exit status
    status = process.poll()
    what = f"was not ready within {timeout_s:g} s" if status is None else f"ended with status {status}"
    tail = read_end(log, _TAIL_BYTES) or "nothing"
    raise ServerUnreachableError(f"The embedded server {what}. The end of its log: {tail}")


def _first_line(process: subprocess.Popen[bytes], timeout_s: float) -> bytes | None:
    """Return the first line that the process prints, incomplete if it closes its output before; None on timeout."""
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


def read_end(output: IO[bytes], most: int) -> str:
    """Return the last `most` bytes of a process's output, without white space around; "" if the file is closed."""
    if output.closed:
        return ""
    size = os.fstat(output.fileno()).st_size
    # pread, not read: the process shares the file position and writes there
    return os.pread(output.fileno(), most, max(0, size - most)).decode(errors="replace").strip()


def _end(process: subprocess.Popen[bytes], log: IO[bytes], owner_pid: int) -> None:
    if os.getpid() != owner_pid:  # a fork of the process that started the server must not stop it
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
