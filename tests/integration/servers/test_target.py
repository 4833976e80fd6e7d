from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup, service_not_found
from scripted_server import Reply
from targets import make_target

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.errors import (
    ConfigurationError,
    RequestRefusedError,
    ServerError,
    ServerUnreachableError,
)
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scripted_server import Request

    from pytest_ddperf.servers.target import Target

RESNET, VGG = Network("resnet50", "ResNet-50"), Network("vgg16", "VGG-16")


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
    path.write_text("a.jpg\n\n b.jpg \n", encoding="utf-8")
    return str(path)


def is_open(target: Target) -> bool:
    return target.is_open


def opened(server: ScriptedDeepDetect, names: str, **options: object) -> Target:
    target = make_target(ServerOptions(server.url, data_dir="/srv", bench_files=names, **options))  # type: ignore[arg-type]
    target.open()
    return target


def test_an_open_target_knows_its_server(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names)
    assert is_open(target)
    assert target.open().version == "v0.28.0"
    assert len(server.asked("GET", "/info")) == 1
    target.close()
    assert not is_open(target)
    target.close()


def test_connecting_locks_the_server_and_sends_no_request(server: ScriptedDeepDetect, names: str) -> None:
    target = make_target(ServerOptions(server.url, data_dir="/srv", bench_files=names))
    client = target.connection.open()
    lock = ServerLock(identify_server(server.url))
    assert not lock.acquire_at_once()
    assert server.requests == []
    assert target.open().url == client.display_url
    target.close()
    assert lock.acquire_at_once()
    lock.release()


def test_a_target_that_is_not_open_says_so() -> None:
    target = make_target(ServerOptions("http://h:1"))
    with pytest.raises(ServerUnreachableError, match="not open"):
        _ = target.client
    with pytest.raises(ServerUnreachableError, match="not open"):
        _ = target.images


def test_a_target_that_could_not_be_opened_holds_nothing(server: ScriptedDeepDetect) -> None:
    target = make_target(ServerOptions(server.url, data_dir="/not/here"))
    with pytest.raises(ConfigurationError):
        target.open()
    again = make_target(ServerOptions(server.url, data_dir="/not/here"))
    with pytest.raises(ConfigurationError):
        again.open()


def test_a_service_that_is_not_there_is_created_and_deleted_before_the_next(
    server: ScriptedDeepDetect, names: str
) -> None:
    target = opened(server, names, repository="/models/{model}")
    service = target.service_for(VGG)
    assert (service.created, service.name, service.width) == (True, "vgg16", 224)
    assert service.create_ms is not None
    assert target.service_for(VGG) is service
    target.service_for(RESNET)
    assert server.services == ["resnet50"]
    target.close()
    assert server.services == ["resnet50"]


def test_closing_deletes_the_service_that_we_created(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names, repository="/models/{model}")
    target.service_for(VGG)
    target.close()
    assert server.services == ["resnet50"]


def test_a_service_that_cannot_be_deleted_is_said_and_no_more(server: ScriptedDeepDetect, names: str) -> None:
    said: list[str] = []
    options = ServerOptions(server.url, data_dir="/srv", bench_files=names, repository="/models/{model}")
    target = make_target(options, said.append)
    target.open()
    target.service_for(VGG)
    answer = server.respond
    server.respond = lambda request: Reply(500) if request.method == "DELETE" else answer(request)
    target.close()
    assert len(said) == 1
    assert said[0].startswith("ddperf: the service vgg16 could not be deleted: ")


def answer_creations(server: ScriptedDeepDetect, reply: Callable[[Reply], Reply], *, create: bool = True) -> None:
    """Change the answers to creations, which the server carries out or not."""
    answer = server.respond
    server.respond = lambda request: (
        reply(answer(request) if create else Reply()) if request.method == "PUT" else answer(request)
    )


UNKNOWN: list[tuple[str, Callable[[Reply], Reply]]] = [
    ("no answer in time", lambda _: Reply(delay_s=math.inf)),
    ("the connection is cut", lambda _: Reply(drop=True)),
    ("a proxy's answer", lambda _: Reply(504, b"")),
    ("not JSON", lambda _: Reply(201, b"<html>")),
]


@pytest.mark.parametrize("reply", [one for _, one in UNKNOWN], ids=[name for name, _ in UNKNOWN])
def test_a_service_whose_creation_is_not_known_to_have_failed_is_deleted_at_the_end(
    server: ScriptedDeepDetect, names: str, reply: Callable[[Reply], Reply]
) -> None:
    answer_creations(server, reply)
    target = opened(server, names, repository="/models/{model}", cold_start_timeout_s=0.2)
    with pytest.raises(ServerError):
        target.service_for(VGG)
    assert "vgg16" in server.services
    target.service_for(RESNET)
    target.finish()
    assert server.services == ["resnet50"]


def test_one_that_was_found_and_used_since_is_deleted_before_the_next(server: ScriptedDeepDetect, names: str) -> None:
    answer_creations(server, lambda _: Reply(delay_s=math.inf))
    target = opened(server, names, repository="/models/{model}", cold_start_timeout_s=0.2)
    with pytest.raises(ServerUnreachableError):
        target.service_for(VGG)
    target.service_for(VGG)
    target.service_for(RESNET)
    assert server.services == ["resnet50"]
    target.finish()


def test_one_that_is_still_being_created_at_the_end_is_reported(server: ScriptedDeepDetect, names: str) -> None:
    answer_creations(server, lambda _: Reply(delay_s=math.inf), create=False)
    options = ServerOptions(
        server.url, data_dir="/srv", bench_files=names, repository="/models/{model}", cold_start_timeout_s=0.2
    )
    said: list[str] = []
    target = make_target(options, said.append)
    target.open()
    with pytest.raises(ServerUnreachableError):
        target.service_for(VGG)
    target.finish()
    assert len(said) == 1
    assert "vgg16" in said[0]


def test_ctrl_c_while_a_service_is_deleted_at_the_end_does_not_keep_the_connection_open(
    server: ScriptedDeepDetect, names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: str) -> None:
        raise KeyboardInterrupt

    target = opened(server, names, repository="/models/{model}")
    target.service_for(VGG)
    monkeypatch.setattr(target.client, "delete_service", interrupt)
    with pytest.raises(KeyboardInterrupt):
        target.finish()
    assert not target.connection.is_open


def test_a_service_of_somebody_else_whose_creation_was_refused_to_us_stays(
    server: ScriptedDeepDetect, names: str
) -> None:
    answer_creations(server, lambda _: Reply(400, {"status": {"code": 400, "msg": "BadRequest"}}))
    target = opened(server, names, repository="/models/{model}")
    with pytest.raises(RequestRefusedError):
        target.service_for(VGG)
    target.finish()
    assert "vgg16" in server.services


def test_a_service_that_could_not_be_checked_after_its_creation_is_deleted(
    server: ScriptedDeepDetect, names: str
) -> None:
    answer, replies = server.respond, [Reply(500), service_not_found()]

    def respond(request: Request) -> Reply:
        is_described = (request.method, request.path) == ("GET", "/services/resnet18")
        return replies.pop() if is_described and replies else answer(request)

    server.respond = respond
    target = opened(
        server, names, repository="/models/{model}", parameters=ServiceParameters(mllib="torch", template="resnet18")
    )
    with pytest.raises(ServerError):
        target.service_for(Network("resnet18", "ResNet-18"))
    assert "resnet18" in server.services
    target.finish()
    assert server.services == ["resnet50"]


def test_a_network_of_ones_own_whose_backend_is_tensorrt_has_a_service_for_each_batch_size(
    server: ScriptedDeepDetect, names: str, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    own = Network("mine", "Mine", repository="/opt/mine", path=str(tmp_path))
    target = opened(server, names)
    one = target.service_for(own, 1)
    two = target.service_for(own, 2)
    assert target.service_for(own, 2) is two
    assert [(each.mllib, each.engine) for each in (one, two)] == [("tensorrt", 1), ("tensorrt", 2)]
    target.close()
    assert server.services == ["resnet50"]


class TestReplacedService:
    """Whether the service in use is still the one that it was, by what `/info` says of it."""

    def test_one_that_was_not_asked_for_is_none(self, server: ScriptedDeepDetect, names: str) -> None:
        target = opened(server, names)
        assert not target.was_replaced()
        target.close()

    def test_one_whose_totals_rise_is_the_same(self, server: ScriptedDeepDetect, names: str) -> None:
        target = opened(server, names)
        target.service_for(RESNET)
        for _ in range(2):
            server.use_elsewhere("resnet50")
            target.client.info()
            assert not target.was_replaced()
        target.close()

    def test_one_of_another_backend_is_another_and_asked_for_anew(self, server: ScriptedDeepDetect, names: str) -> None:
        target = opened(server, names)
        assert target.service_for(RESNET).mllib == "caffe"
        assert not target.was_replaced()
        server.replace_service(ServiceSetup("resnet50", mllib="ncnn"))
        target.client.info()
        assert target.was_replaced()
        assert target.service_for(RESNET).mllib == "ncnn"
        assert not target.was_replaced()
        target.close()

    def test_another_model_s_is_none_of_it(self, server: ScriptedDeepDetect, names: str) -> None:
        target = opened(server, names)
        server.replace_service(ServiceSetup("vgg16"))
        target.service_for(RESNET)
        target.client.info()
        assert not target.was_replaced()
        target.service_for(VGG)
        assert not target.was_replaced()
        target.close()

    def test_one_whose_network_is_loaded_meanwhile_is_the_same(self, server: ScriptedDeepDetect, names: str) -> None:
        target = opened(server, names)
        target.service_for(RESNET)
        assert not target.was_replaced()
        answer = server.respond

        def respond(request: Request) -> Reply:
            reply = answer(request)
            for one in reply.body["head"]["services"] if request.path == "/info" else []:  # type: ignore[index]
                one["model_stats"] = {"params": 25557032}
                one["parameters"]["mllib"]["maxBatchSize"] = 8
            return reply

        server.respond = respond
        target.client.info()
        assert not target.was_replaced()
        target.close()
