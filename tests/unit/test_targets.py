from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup
from scripted_server import Reply

from pytest_ddperf import bench_images
from pytest_ddperf.batches import BenchImages
from pytest_ddperf.catalog import Network
from pytest_ddperf.errors import (
    AnswerError,
    ConfigurationError,
    RequestRefusedError,
    ServerUnreachableError,
    ServiceNotFoundError,
)
from pytest_ddperf.targets import (
    ServerOptions,
    Target,
    checked_url,
    load_images,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def quiet(_: str) -> None:
    """Nobody waits."""


def is_open(target: Target) -> bool:
    return target.is_open


def opened(server: ScriptedDeepDetect, names: str, **options: str) -> Target:
    target = Target(ServerOptions(server.url, data_dir="/srv", bench_files=names, **options), quiet)  # type: ignore[arg-type]
    target.open()
    return target


def test_a_url_or_the_word_embedded_is_taken() -> None:
    assert checked_url("embedded") == "embedded"
    assert checked_url("http://h:1/x") == "http://h:1/x"


def test_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match="or embedded"):
        checked_url("embeded")


def test_images_are_named_as_the_server_sees_them(names: str) -> None:
    images = load_images(ServerOptions("http://h:1", data_dir="/srv/", bench_files=names))
    assert images == BenchImages("path", ("/srv/a.jpg", "/srv/b.jpg"))
    assert images.batch(1) == (("/srv/a.jpg",), ("/srv/a.jpg",))


def test_a_folder_that_is_here_too_is_its_own_list(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    images = load_images(ServerOptions("http://h:1", data_dir=str(tmp_path)))
    assert images.data == (f"{tmp_path}/a.JPG", f"{tmp_path}/b.png")


def generated(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let the generated images be two tiny ones."""
    for name in ("img_000.jpg", "img_001.jpg"):
        (folder / name).write_bytes(b"jpeg")
    monkeypatch.setattr(bench_images, "ensure_bench_images", lambda: folder)


def test_without_a_data_dir_the_generated_images_are_sent_inline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generated(monkeypatch, tmp_path)
    images = load_images(ServerOptions("http://h:1"))
    assert images == BenchImages("inline", ("anBlZw==", "anBlZw=="))
    assert list(images.batch(2)[1]) == ["0", "1"]


def test_the_embedded_server_reads_the_generated_images_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generated(monkeypatch, tmp_path)
    images = load_images(ServerOptions("embedded"))
    assert images == BenchImages("path", (f"{tmp_path}/img_000.jpg", f"{tmp_path}/img_001.jpg"))


def test_a_batch_larger_than_the_images_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"A batch of 3 images was asked for and there are 2.*=2"):
        BenchImages("path", ("a", "b")).batch(3)


@pytest.mark.parametrize(
    ("data_dir", "files", "said"),
    [
        ("/srv", "none.txt", "none.txt cannot be read"),
        ("/srv/not/here", None, "--ddperf-bench-files=FILE"),
        ("EMPTY", None, "names no images"),
    ],
)
def test_images_that_are_not_known_are_refused(tmp_path: Path, data_dir: str, files: str | None, said: str) -> None:
    where = str(tmp_path) if data_dir == "EMPTY" else data_dir
    with pytest.raises(ConfigurationError, match=said):
        load_images(ServerOptions("http://h:1", data_dir=where, bench_files=files))


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_images(ServerOptions("http://h:1", data_dir="/srv", bench_files=str(tmp_path / "names.txt")))


def test_an_open_target_knows_its_server(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names)
    assert is_open(target)
    assert target.open().version == "v0.28.0"
    assert len(server.asked("GET", "/info")) == 1
    target.close()
    assert not is_open(target)
    target.close()


def test_a_target_that_is_not_open_says_so() -> None:
    target = Target(ServerOptions("http://h:1"), quiet)
    with pytest.raises(ServerUnreachableError, match="not open"):
        _ = target.client
    with pytest.raises(ServerUnreachableError, match="not open"):
        _ = target.images


def test_a_target_that_could_not_be_opened_holds_nothing(server: ScriptedDeepDetect) -> None:
    target = Target(ServerOptions(server.url, data_dir="/not/here"), quiet)
    with pytest.raises(ConfigurationError):
        target.open()
    again = Target(ServerOptions(server.url, data_dir="/not/here"), quiet)
    with pytest.raises(ConfigurationError):
        again.open()


def test_a_service_that_is_there_is_used_with_its_own_size(names: str) -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", width=300, height=200, gpu=False)]) as server:
        target = opened(server, names)
        service = target.service_for(RESNET)
        assert (service.created, service.width, service.height, service.gpu) == (False, 300, 200, False)
        target.close()
        assert server.services == ["resnet50"]


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


def test_a_template_names_the_service(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names, repository="/models/{model}", service="Caffe_{model}")
    assert target.service_for(VGG).name == "caffe_vgg16"
    target.close()


def test_without_a_repository_a_missing_service_says_what_to_do(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names)
    with pytest.raises(ServiceNotFoundError, match=r"There is no service for vgg16.*--ddperf-repository"):
        target.service_for(VGG)
    target.close()


def test_a_repository_that_the_server_refuses_is_told(names: str) -> None:
    with ScriptedDeepDetect(accepts=lambda _: False) as server:
        target = opened(server, names, repository="/models/{model}")
        with pytest.raises(RequestRefusedError, match="model directory does not exist: /models/vgg16"):
            target.service_for(VGG)
        target.close()


def test_a_service_that_somebody_created_meanwhile_is_used(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names, repository="/models/{model}")
    answer = server.respond
    hidden = [Reply(404, {"status": {"code": 404, "msg": "NotFound", "dd_code": 1002, "dd_msg": "Service Not Found"}})]
    server.respond = lambda request: (
        hidden.pop() if hidden and request.method == "GET" and "resnet50" in request.path else answer(request)
    )
    assert not target.service_for(RESNET).created
    target.close()
    assert server.services == ["resnet50"]


def test_a_service_that_cannot_be_deleted_is_said_and_no_more(server: ScriptedDeepDetect, names: str) -> None:
    said: list[str] = []
    options = ServerOptions(server.url, data_dir="/srv", bench_files=names, repository="/models/{model}")
    target = Target(options, said.append)
    target.open()
    target.service_for(VGG)
    answer = server.respond
    server.respond = lambda request: Reply(500) if request.method == "DELETE" else answer(request)
    target.close()
    assert len(said) == 1
    assert said[0].startswith("ddperf: the service vgg16 could not be deleted: ")


def test_a_batch_is_predicted_and_checked(server: ScriptedDeepDetect, names: str) -> None:
    target = opened(server, names)
    batch = target.batch(target.service_for(RESNET), 2)
    assert batch.predict().client_ms > 0
    server.wrong = lambda _, answered: answered[1:]
    with pytest.raises(AnswerError):
        batch.predict()
    target.close()
