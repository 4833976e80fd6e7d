"""The embedded server's life, with real processes, on every way that it can end."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from messages import assert_names
from processes import is_gone

from pytest_ddperf.embedded import launch
from pytest_ddperf.embedded.__main__ import main
from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

ROOT = Path(__file__).resolve().parents[3]

PARENT = """
import sys, time
from pytest_ddperf.embedded import launch
server = launch.start()
print(server.process.pid, flush=True)
{then}
"""


def started_parent(then: str) -> tuple[subprocess.Popen[bytes], int]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then)],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        start_new_session=True,
    )
    assert parent.stdout is not None
    return parent, int(parent.stdout.readline())


def get(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own http URL
        loaded: dict[str, object] = json.load(answer)
        return loaded


def test_it_answers_as_soon_as_it_is_started_and_is_gone_when_it_was_stopped() -> None:
    server = launch.start(models=("shufflenet",))
    assert server.process.poll() is None
    assert "shufflenet" in str(get(f"{server.url}/info"))
    server.stop()
    assert server.process.poll() is not None
    assert is_gone(server.process.pid)
    server.stop()  # does nothing
    assert server.log_tail == ""


def test_it_is_gone_when_nobody_holds_it_any_more() -> None:
    server = launch.start()
    pid = server.process.pid
    del server
    assert is_gone(pid)


@pytest.mark.slow
def test_it_is_gone_after_the_normal_end_of_its_parent() -> None:
    parent, pid = started_parent("")
    assert parent.wait(timeout=20) == 0
    parent.communicate()
    assert is_gone(pid)


@pytest.mark.slow
def test_it_is_gone_after_its_parent_was_killed() -> None:
    parent, pid = started_parent("time.sleep(60)")
    os.kill(parent.pid, signal.SIGKILL)
    parent.communicate(timeout=20)
    assert is_gone(pid)


@pytest.mark.slow
def test_it_is_gone_after_its_parent_was_killed_while_a_grandchild_holds_the_pipe() -> None:
    parent, pid = started_parent("import os\nif os.fork() == 0: time.sleep(20); os._exit(0)\ntime.sleep(60)")
    time.sleep(0.2)
    children = psutil.Process(parent.pid).children()
    os.kill(parent.pid, signal.SIGKILL)
    try:
        assert is_gone(pid)
    finally:
        for child in children:
            child.kill()
        parent.communicate(timeout=20)


@pytest.mark.slow
def test_a_fork_of_its_parent_does_not_stop_it() -> None:
    parent, pid = started_parent(
        "import os\nif os.fork() == 0: sys.exit()\nos.wait()\nprint(server.process.poll() is None, flush=True)"
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"True\n"  # as the line before: communicate() misses what that one took along
    parent.communicate(timeout=20)
    assert is_gone(pid)


@pytest.mark.slow
def test_ctrl_c_reaches_its_parent_and_not_the_server() -> None:
    then = "try: time.sleep(60)\nexcept KeyboardInterrupt: print(server.process.poll() is None, flush=True)"
    parent, pid = started_parent(then)
    time.sleep(0.1)  # until the parent is in its try
    os.killpg(parent.pid, signal.SIGINT)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"True\n"  # as the line before: communicate() misses what that one took along
    parent.communicate(timeout=20)
    assert is_gone(pid)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_status_0(number: signal.Signals) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest_ddperf.embedded"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["pid"] == child.pid
    child.send_signal(number)
    assert child.communicate(timeout=10) == (b"", b"")
    assert child.returncode == 0


@pytest.mark.slow
def test_it_ends_while_it_predicts(tmp_path: Path) -> None:
    from PIL import Image  # noqa: PLC0415 - for this test only

    Image.new("RGB", (64, 48)).save(tmp_path / "image.jpg")
    # a thousand times slower: minutes, were it waited for
    server = launch.start(models=("shufflenet",), data_dir=tmp_path, extra=("--slow", "shufflenet=1000"))
    body = json.dumps({"service": "shufflenet", "data": ["image.jpg"] * 64}).encode()
    code = f"import urllib.request; urllib.request.urlopen('{server.url}/predict', data={body!r})"
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as client:
        busy = psutil.Process(server.process.pid)
        until = time.monotonic() + 20
        while busy.cpu_times().user < 1.5 and time.monotonic() < until:
            time.sleep(0.05)
        server.stop()
        assert is_gone(server.process.pid)
        assert client.wait(timeout=10) != 0


def test_a_server_that_dies_before_it_is_ready_shows_its_log() -> None:
    with pytest.raises(ServerUnreachableError) as caught:
        launch.start(models=("nonet",))
    assert_names(caught, "status 2", "'nonet'", "mobilenet")


def test_a_server_that_is_not_ready_in_time_is_stopped() -> None:
    before = psutil.Process().children()
    with pytest.raises(ServerUnreachableError) as caught:
        launch.start(ready_timeout_s=0)
    assert_names(caught, "not ready", "0 s")
    assert psutil.Process().children() == before


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def find(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "onnxruntime" else found(name, package)

    monkeypatch.setattr(launch, "find_spec", find)
    with pytest.raises(ConfigurationError) as caught:
        launch.start()
    assert_names(caught, "onnxruntime", "pip install 'pytest-ddperf[embedded]'")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "not a loopback address"),  # noqa: S104 - that it is refused is what is tested
        (["--host", "example.org"], "not a loopback address"),
        (["--port", "70000"], "a whole number from 0 to 65535"),
        (["--models", "resnet18"], "is not one of mobilenet"),
        (["--slow", "vgg16=fast"], "expected NAME=FACTOR"),
        (["--delay", "long"], "expected seconds, from 0 to 3600"),
        (["--data-dir", "/nowhere/at/all"], "is not a folder"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_argument_is_refused_with_status_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in " ".join(err.split())


@pytest.mark.slow
def test_a_port_in_use_is_reported() -> None:
    with launch.start() as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ServerUnreachableError) as caught:
            launch.start(extra=("--port", port))
        assert_names(caught, "cannot listen", "127.0.0.1", port)


def test_it_serves_ipv6_loopback() -> None:
    with launch.start(extra=("--host", "::1")) as server:
        assert server.url.startswith("http://[::1]:")
        assert get(f"{server.url}/info")


def test_the_end_of_an_output_is_read_without_moving_the_process_s_position() -> None:
    with tempfile.TemporaryFile() as output:
        output.write(b"first line\nlast line\n")
        output.flush()
        position = output.tell()
        assert launch.read_end(output, 10) == "last line"
        assert output.tell() == position
    assert launch.read_end(output, 10) == ""
