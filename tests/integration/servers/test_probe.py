from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from scripted_deepdetect import ScriptedDeepDetect
from targets import make_target

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.errors import ConfigurationError, ServerUnreachableError
from pytest_ddperf.servers.lock import ServerLock
from pytest_ddperf.servers.probe import probe_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server() -> Iterator[ScriptedDeepDetect]:
    with ScriptedDeepDetect(services=["resnet50"]) as running:
        yield running


@pytest.fixture
def names(tmp_path: Path) -> str:
    path = tmp_path / "names.txt"
    path.write_text("a.jpg\nb.jpg\n", encoding="utf-8")
    return str(path)


def quiet(_: str) -> None:
    """Nobody waits."""


def probe(options: ServerOptions, say: Callable[[str], None]) -> None:
    if down := probe_all({"tk1": options}, say):
        raise down["tk1"]


def test_a_remote_server_is_asked_once_and_not_taken(server: ScriptedDeepDetect, names: str) -> None:
    options = ServerOptions(server.url, data_dir="/srv", bench_files=names)
    probe(options, quiet)
    assert [one.path for one in server.requests] == ["/info"]
    target = make_target(options)
    target.open()
    target.close()


def test_a_server_that_is_down_is_reported(server: ScriptedDeepDetect, names: str) -> None:
    server.close()
    options = ServerOptions(server.url, data_dir="/srv", bench_files=names)
    with pytest.raises(ServerUnreachableError):
        probe(options, quiet)
    assert ServerLock(identify_server(server.url)).acquire_at_once()


def test_a_server_of_which_no_client_can_be_created_is_not_kept_locked(tmp_path: Path) -> None:
    options = ServerOptions("https://127.0.0.1:9", ca_path=tmp_path / "nowhere.pem")
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem"):
        probe(options, quiet)
    lock = ServerLock(options.identity)
    assert lock.acquire_at_once()
    lock.release()


def test_a_server_that_somebody_measures_is_not_asked(server: ScriptedDeepDetect, names: str) -> None:
    lock = ServerLock(identify_server(server.url)).acquire(0, quiet)
    said: list[str] = []
    probe(ServerOptions(server.url, data_dir="/srv", bench_files=names, lock_wait_s=7), said.append)
    assert server.requests == []
    assert len(said) == 1
    assert_names(said[0], "another run", f"localhost:{server.port}", "7 s")
    lock.release()


def test_an_embedded_server_needs_no_asking(names: str) -> None:
    probe(ServerOptions("embedded", data_dir="/srv", bench_files=names), quiet)


def test_images_that_are_not_known_are_refused(server: ScriptedDeepDetect) -> None:
    with pytest.raises(ConfigurationError, match="--ddperf-bench-files"):
        probe(ServerOptions(server.url, data_dir="/not/here"), quiet)


def test_of_several_those_that_are_down_are_reported(server: ScriptedDeepDetect, names: str) -> None:
    with ScriptedDeepDetect() as gone:
        pass
    urls = {"nano": gone.url, "tk1": server.url, "tx1": gone.url}
    down = probe_all(
        {name: ServerOptions(url, data_dir="/srv", bench_files=names) for name, url in urls.items()}, quiet
    )
    assert list(down) == ["nano", "tx1"]
    assert gone.url in str(down["nano"])


def test_ctrl_c_does_not_wait_for_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    released, returned = threading.Event(), threading.Event()

    def block(*_: object) -> None:
        released.wait(0.2)  # meanwhile, the main thread begins to wait for the servers
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        released.wait(20)
        returned.set()

    monkeypatch.setattr("pytest_ddperf.servers.probe._ask", block)
    with pytest.raises(KeyboardInterrupt):
        probe_all({"tk1": ServerOptions("http://h:1")}, quiet)
    assert not returned.is_set()
    released.set()


def test_platforms_that_share_a_server_ask_it_one_after_the_other(server: ScriptedDeepDetect, names: str) -> None:
    said: list[str] = []
    options = ServerOptions(server.url, data_dir="/srv", bench_files=names)
    assert probe_all({"tk1": options, "tx1": options}, said.append) == {}
    assert said == []
    assert server.most_concurrent == 1
