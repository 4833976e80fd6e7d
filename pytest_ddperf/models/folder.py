"""The files of a user's model folder that DeepDetect would load, and the backend that reads them.

DeepDetect matches parts of file names. Of several weights files it loads the newest.

A folder that cannot be read raises `ConfigurationError`, an invalid file `ModelFileError`, which names the line.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError, ModelFileError

if TYPE_CHECKING:
    from pytest_ddperf.core.networks import Network

LARGEST_TEXT = 64 * 2**20
"""Maximum size of a network description, in bytes; the largest in practice are a few hundred kilobytes."""


_CLASS_NUMBER = re.compile(r"\s*[+-]?[0-9]")
"""Start of a label line; DeepDetect reads the number with std::stoi, which ignores the text after it."""


class Kind(StrEnum):
    """File format of a network."""

    CAFFE = "Caffe"
    ONNX = "ONNX"
    NCNN = "NCNN"
    TORCH = "Torch"


READERS: dict[str, tuple[Kind, ...]] = {
    "caffe": (Kind.CAFFE,),
    "ncnn": (Kind.NCNN, Kind.CAFFE),
    "tensorrt": (Kind.ONNX, Kind.CAFFE),
    "torch": (Kind.TORCH,),
    "onnxruntime": (Kind.ONNX,),
}
"""Formats that each backend reads. NCNN and TensorRT convert Caffe files; onnxruntime is the embedded server's."""

OWN_BACKEND = {Kind.CAFFE: "caffe", Kind.ONNX: "tensorrt", Kind.NCNN: "ncnn", Kind.TORCH: "torch"}
"""DeepDetect's default backend for each format."""


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The files of a folder that DeepDetect looks at; None or empty if there is no such file.

    Args:
        other_prototxts: descriptions that DeepDetect does not load, such as those for training.
    """

    deploy: Path | None = None
    other_prototxts: tuple[Path, ...] = ()
    caffemodel: Path | None = None
    onnx: tuple[Path, ...] = ()
    param: Path | None = None
    bin: Path | None = None
    torch: tuple[Path, ...] = ()
    labels: Path | None = None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Formats of which at least one file is present."""
        caffe = self.deploy or self.caffemodel or self.other_prototxts
        parts = {Kind.CAFFE: caffe, Kind.ONNX: self.onnx, Kind.NCNN: self.param or self.bin, Kind.TORCH: self.torch}
        return tuple(kind for kind, found in parts.items() if found)

    @property
    def whole_kinds(self) -> tuple[Kind, ...]:
        """Formats of which all files are present."""
        complete = {Kind.CAFFE: self.deploy and self.caffemodel, Kind.NCNN: self.param and self.bin}
        return tuple(kind for kind in self.kinds if complete.get(kind, True))

    def backend(self, preferred: str) -> str:
        """Return the backend that reads this folder.

        This is `preferred` if it reads a format in the folder, if it is unknown, or if the folder has no model files.
        """
        kinds = self.whole_kinds or self.kinds
        if preferred not in READERS or not kinds or set(READERS[preferred]) & set(kinds):
            return preferred
        return OWN_BACKEND[kinds[0]]


def find_model_files(path: Path) -> ModelFolder:
    """Find the model files in a folder by their names.

    Raises:
        ConfigurationError: the path is not a folder or cannot be read.
    """
    try:
        files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        why = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"{path} cannot be read as a model folder ({why}); expected a folder with the files of one network."
        ) from error
    prototxts = [one for one in files if ".prototxt" in one.name and "~" not in one.name]
    return ModelFolder(
        deploy=_newest([one for one in prototxts if "deploy.prototxt" in one.name]),
        other_prototxts=tuple(one for one in prototxts if "deploy.prototxt" not in one.name),
        caffemodel=_newest([one for one in files if ".caffemodel" in one.name]),
        onnx=tuple(one for one in files if one.suffix == ".onnx"),
        param=_newest([one for one in files if ".param" in one.name]),
        bin=_newest([one for one in files if ".bin" in one.name and ".binaryproto" not in one.name]),
        torch=tuple(one for one in files if one.suffix == ".pt"),
        labels=_newest([one for one in files if "corresp" in one.name]),
    )


def digests(path: Path) -> dict[str, str]:
    """Map the name of each file of a network to a digest of its content; empty if a file cannot be read.

    Every file is read completely; 500 MB of weights take about a second. Modification times and locations do not
    matter: a checkout or a copy of the project has the same digests.
    """
    try:
        folder = find_model_files(path)
        parts = (folder.deploy, folder.caffemodel, *folder.onnx, folder.param, folder.bin, *folder.torch)
        # external weights of an .onnx file: model.onnx.data, model.onnx_data
        beside = [one for one in path.glob("[!.]*.onnx?*") if one.is_file()]
        return {one.name: _digest(one) for one in sorted({*filter(None, parts), *beside})}
    except (OSError, ConfigurationError):
        return {}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def find_backend(model: Network, preferred: str) -> str:
    """Return the backend that reads a user's network, see `ModelFolder.backend`; for other networks `preferred`."""
    return preferred if model.path is None else find_model_files(Path(model.path)).backend(preferred)


def is_runnable_embedded(model: Network) -> bool:
    """Whether the embedded server can run a user's network: a local folder with exactly one .onnx file."""
    return model.path is not None and len(find_model_files(Path(model.path)).onnx) == 1


def check_embedded(model: Network) -> None:
    """Reject a user's network that the embedded server cannot run.

    Raises:
        ConfigurationError: the embedded server cannot run the network, or its folder cannot be read.
    """
    if not is_runnable_embedded(model):
        there = "is not on this machine" if model.path is None else "does not contain exactly one .onnx file"
        raise ConfigurationError(
            f"The embedded server cannot run the model {model.id}: its folder {model.path or model.repository} "
            f"{there}. Export the network to ONNX, or name a DeepDetect server with --ddperf-url."
        )


def count_labels(path: Path) -> int:
    """Count the classes in a label file, whose lines are a number, a space and a name.

    Raises:
        ModelFileError: a line does not start with a number, so that DeepDetect cannot read it.
    """
    found = 0
    for line, text in enumerate(read_text(path, "labels").split("\n"), start=1):
        if not text.strip():
            continue
        if not _CLASS_NUMBER.match(text):
            raise ModelFileError(path, line, repr(text[:40]), "a class and its name, such as `0 tench`")
        found += 1
    return found


def _newest(files: list[Path]) -> Path | None:
    return max(files, key=lambda one: (one.stat().st_mtime, one.name), default=None)


def read_text(path: Path, what: str) -> str:
    """Read a text file. The programs that use it accept any bytes: those that are not UTF-8 become escapes.

    Raises:
        ModelFileError: the file cannot be read or is too large; `what` is expected in it.
    """
    try:
        if path.stat().st_size > LARGEST_TEXT:
            raise ModelFileError(
                path, None, f"{path.stat().st_size:,} bytes", f"{what} of at most {LARGEST_TEXT:,} bytes"
            )
        content = path.read_bytes()
    except OSError as error:
        raise ModelFileError(path, None, f"it cannot be read ({error.strerror or error})", what) from error
    return content.decode("utf-8-sig", errors="backslashreplace")
