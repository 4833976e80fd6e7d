"""What a service's `model.repository` stands for: a network that is built in, or a folder with one of the user's."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pytest_ddperf.embedded.api_errors import bad_service
from pytest_ddperf.embedded.confined_files import resolve_below
from pytest_ddperf.embedded.networks.networks import NETWORK_IDS
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from pytest_ddperf.embedded.heads.heads import Head


class Engine(Protocol):
    """A network that is ready to run; `pytest_ddperf.embedded.runtime.engine` has the real ones."""

    @property
    def head(self) -> Head:
        """What makes predictions of what it says."""
        ...

    @property
    def classes(self) -> int:
        """How many classes it tells apart."""
        ...

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height in pixels; None where it takes any."""
        ...

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        ...

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """A row of numbers for each image of a batch [N, 3, height, width]; probabilities where it classifies."""
        ...

    def close(self) -> None:
        """Give the memory back."""
        ...


@dataclass(frozen=True, slots=True)
class Repository:
    """Where networks come from.

    Args:
        model_dirs: folders with an .onnx file are these, or lie below them; there are no others.
        seed: what the weights of the 13 networks are drawn from.
        threads: of each network; 0 for one per core.
        slow: factors by which networks are made slower, by id.
        delay_s: seconds that a prediction takes instead of any inference; None for real ones.
    """

    model_dirs: tuple[Path, ...] = ()
    seed: int = 0
    threads: int = 0
    slow: Mapping[str, float] = field(default_factory=dict)
    delay_s: float | None = None

    def find(self, name: str) -> Callable[[], Engine]:
        """What loads the network that `name` stands for; finding it costs nothing, loading it is left to its first use.

        Args:
            name: the id of one that is built in, else a folder in `model_dirs` that holds exactly one .onnx file.

        Raises:
            ApiError: 400/1006, there is none.
        """
        if name in NETWORK_IDS or name in TASK_MODELS:
            return lambda: self._load_builtin(name)
        folder = self._folder(name)
        if folder is None:
            raise bad_service(f"destination model directory {name} is not writable or does not exist.")
        files = [file for file in sorted(folder.glob("*.onnx")) if self._is_below(file)]
        if len(files) != 1:
            found = ", ".join(file.name for file in files)
            raise bad_service(f"could not load one .onnx file [{found}] from repo [{name}]")
        return lambda: self._load_file(files[0])

    def _folder(self, name: str) -> Path | None:
        if not name or "\0" in name:
            return None
        return next((found for root in self.model_dirs if (found := _below(root, name)) is not None), None)

    def _is_below(self, file: Path) -> bool:
        """Whether a file is below a folder of models wherever links lead."""
        return any(resolve_below(Path(os.path.realpath(root)), str(file)) is not None for root in self.model_dirs)

    def _load_builtin(self, name: str) -> Engine:
        if self.delay_s is not None:
            from pytest_ddperf.embedded.runtime.delay import DelayedEngine  # noqa: PLC0415 - for tests

            return DelayedEngine(self.delay_s)
        from pytest_ddperf.embedded.runtime.engine import load_builtin  # noqa: PLC0415 - ONNX Runtime loads with the first network

        return load_builtin(name, seed=self.seed, threads=self.threads, slow_factor=self.slow.get(name, 1.0))

    def _load_file(self, path: Path) -> Engine:
        from pytest_ddperf.embedded.runtime.engine import load_file  # noqa: PLC0415 - likewise

        return load_file(path, threads=self.threads)


def _below(root: Path, name: str) -> Path | None:
    """The folder of that name below another one, or that one itself; None where there is none."""
    folder = resolve_below(Path(os.path.realpath(root)), name)
    return folder if folder is not None and folder.is_dir() else None
