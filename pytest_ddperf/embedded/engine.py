"""One network, loaded and ready to run on ONNX Runtime, on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


class ModelLoadError(DdperfError):
    """A model cannot be loaded: what it is, what is wrong with it and what to do, in one paragraph."""


class Engine:
    """A loaded network.

    Attributes:
        name: the network's id, or the file it was read from.
        classes: how many classes it tells apart.
        input_size: (width, height) in pixels; None where the model takes any.
        parameters: how many weights it has, as the report counts them.
    """

    name: str
    classes: int
    input_size: tuple[int, int] | None
    parameters: int

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities [N, classes] of a batch [N, 3, height, width]."""
        raise NotImplementedError

    def close(self) -> None:
        """Give the memory back; the engine cannot run any more. Closing twice does nothing."""
        raise NotImplementedError


def load_builtin(name: str, *, seed: int = 0, threads: int = 0, slow_factor: float = 1.0) -> Engine:
    """One of the 13 networks, its weights drawn from `seed`."""
    raise NotImplementedError


def load_file(path: Path, *, threads: int = 0) -> Engine:
    """The user's own network, from an .onnx file."""
    raise NotImplementedError
