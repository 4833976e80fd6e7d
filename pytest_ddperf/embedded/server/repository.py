"""Resolution of a service's `model.repository`: a built-in network, or a folder with a network of the user's."""

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
    """A network that is ready to run, implemented in `pytest_ddperf.embedded.runtime.engine`."""

    @property
    def head(self) -> Head:
        """Converts the network's output to predictions."""
        ...

    @property
    def classes(self) -> int:
        """Number of classes."""
        ...

    @property
    def input_size(self) -> tuple[int, int] | None:
        """Width and height in pixels; None if the network accepts any."""
        ...

    @property
    def parameters(self) -> int:
        """Number of weights."""
        ...

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a row of numbers for each image of a batch [N, 3, height, width]; probabilities if it classifies."""
        ...

    def close(self) -> None:
        """Free the memory."""
        ...


@dataclass(frozen=True, slots=True)
class Repository:
    """The networks that services can use.

    Args:
        model_dirs: a folder with an .onnx file must be one of these or below one of them.
        seed: seed of the built-in networks' random weights.
        threads: threads of each network; 0 for one per core.
        slow: slowdown factors of built-in networks, by id.
        delay_s: seconds to sleep for each prediction instead of running a built-in network; None to run it.
    """

    model_dirs: tuple[Path, ...] = ()
    seed: int = 0
    threads: int = 0
    slow: Mapping[str, float] = field(default_factory=dict)
    delay_s: float | None = None

    def find(self, name: str) -> Callable[[], Engine]:
        """Return a function that loads the network. Nothing is loaded before it is called.

        Args:
            name: the id of a built-in network, else a folder in `model_dirs` that contains exactly one .onnx file.

        Raises:
            ApiError: 400/1006 if there is no such network.
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
        """Return whether a file is below one of `model_dirs` after links are resolved."""
        return any(resolve_below(Path(os.path.realpath(root)), str(file)) is not None for root in self.model_dirs)

    def _load_builtin(self, name: str) -> Engine:
        if self.delay_s is not None:
            from pytest_ddperf.embedded.runtime.delay import DelayedEngine  # noqa: PLC0415 - only for tests

            return DelayedEngine(self.delay_s)
        from pytest_ddperf.embedded.runtime.engine import load_builtin  # noqa: PLC0415 - ONNX Runtime is imported with the first network

        return load_builtin(name, seed=self.seed, threads=self.threads, slow_factor=self.slow.get(name, 1.0))

    def _load_file(self, path: Path) -> Engine:
        from pytest_ddperf.embedded.runtime.engine import load_file  # noqa: PLC0415 - likewise

        return load_file(path, threads=self.threads)


def _below(root: Path, name: str) -> Path | None:
    """Return the folder `name` if it exists and is `root` or below it, else None."""
    folder = resolve_below(Path(os.path.realpath(root)), name)
    return folder if folder is not None and folder.is_dir() else None
