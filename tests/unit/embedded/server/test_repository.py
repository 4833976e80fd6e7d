from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.server.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path


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
