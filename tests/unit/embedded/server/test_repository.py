from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from every_row import every_row

pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.server.repository import Repository
from pytest_ddperf.embedded.wire import TorchService

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = np.zeros((1, 3, 224, 224), np.float32)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders far from each other, with a network each; a third lies beside the first."""
    one, other, beside = tmp_path / "a" / "one", tmp_path / "b" / "other", tmp_path / "a" / "beside"
    for folder in (one, other, beside):
        folder.mkdir(parents=True)
        (folder / "net.onnx").write_bytes(b"")
    return one, other


def test_a_folder_itself_and_those_below_it_are_found(folders: tuple[Path, Path]) -> None:
    one, other = folders
    repository = Repository(model_dirs=(one, other.parent))
    for name in (str(one), "other", str(other)):
        assert callable(repository.find(name))


def test_nothing_beside_them_is_found(folders: tuple[Path, Path]) -> None:
    one, other = folders
    repository = Repository(model_dirs=(one, other))
    for name in (str(one.parent / "beside"), "../beside", "/", "", "a\0b", "x" * 5000):
        with pytest.raises(ApiError):
            repository.find(name)


def test_a_link_that_leads_out_is_not_followed(folders: tuple[Path, Path]) -> None:
    one, other = folders
    (one / "out").symlink_to(other)
    with pytest.raises(ApiError):
        Repository(model_dirs=(one,)).find("out")


def test_without_folders_there_are_the_built_in_networks_alone(folders: tuple[Path, Path]) -> None:
    with pytest.raises(ApiError):
        Repository().find(str(folders[0]))
    assert callable(Repository().find("squeezenet_v1.1"))


def refuse(folder: Path, template: str) -> tuple[int, int | None]:
    with pytest.raises(ApiError) as caught:
        Repository(model_dirs=(folder,)).find(str(folder), TorchService(template))
    return caught.value.status, caught.value.dd_code


def test_a_template_needs_a_folder_without_a_model(tmp_path: Path) -> None:
    assert callable(Repository(model_dirs=(tmp_path,)).find(str(tmp_path), TorchService("resnet18")))
    (tmp_path / "config.json").write_text("{}")
    assert callable(Repository(model_dirs=(tmp_path,)).find(str(tmp_path), TorchService("resnet18")))
    for name in ("net.onnx", "net.pt"):
        (tmp_path / name).write_bytes(b"")
        assert refuse(tmp_path, "resnet18") == (500, 500)
        (tmp_path / name).unlink()


@every_row("template", ["", "vit", "ResNet18", "resnet180", "mobilevit_s", "alexnet"])
def test_a_folder_without_a_model_needs_a_known_template(tmp_path: Path, template: str) -> None:
    with pytest.raises(ApiError, match="needs either: traced net, protofile or native template") as caught:
        Repository(model_dirs=(tmp_path,)).find(str(tmp_path), TorchService(template))
    assert (caught.value.status, caught.value.dd_code) == (500, 500)


def test_a_folder_that_does_not_exist_has_no_template(tmp_path: Path) -> None:
    assert refuse(tmp_path / "nothing", "resnet18") == (400, 1006)


def test_models_in_the_format_of_torch_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "net.pt").write_bytes(b"")
    assert refuse(tmp_path, "") == (500, 1007)
    (tmp_path / "net.pt").rename(tmp_path / "net.npt")
    assert refuse(tmp_path, "resnet18") == (500, 1007)


def test_a_torch_service_runs_an_onnx_file_in_place_of_a_traced_model(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    for template in ("", "yolox"):  # DeepDetect, too, creates a traced model with the template of its task
        assert callable(Repository(model_dirs=(tmp_path,)).find(str(tmp_path), TorchService(template)))


def test_a_delayed_template_reports_its_classes_and_parameters() -> None:
    engine = Repository(delay_s=0.0).find("resnet50", TorchService("resnet50"))()
    assert (engine.run(IMAGE).shape[1], engine.parameters) == (1000, 25_557_032)


def test_the_name_of_a_built_in_network_is_a_model_or_with_a_template_an_empty_folder() -> None:
    engines = [Repository(threads=1).find("shufflenet", torch)() for torch in (None, TorchService())]
    engines.append(Repository(threads=1).find("shufflenet", TorchService("resnet18", 9))())
    assert [(engine.parameters > 10**7, engine.run(IMAGE).shape[1]) for engine in engines] == [
        (False, 1000),
        (False, 1000),
        (True, 9),
    ]
    for engine in engines:
        engine.close()
    with pytest.raises(ApiError, match="native template"):
        Repository().find("shufflenet", TorchService("vit"))
