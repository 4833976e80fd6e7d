"""Resolution of a service's `model.repository`: a built-in network, or a folder with a network of the user's."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pytest_ddperf.embedded.api_errors import ApiError, bad_service, internal
from pytest_ddperf.embedded.confined_files import resolve_below
from pytest_ddperf.embedded.networks.networks import CLASSES, NETWORK_IDS
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.networks.templates import TEMPLATE_NAMES, build_template, count_torch_parameters
from pytest_ddperf.embedded.runtime.delay import DelayedEngine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ddperf.embedded.runtime import engine
    from pytest_ddperf.embedded.wire import TorchService

    Engine: TypeAlias = engine.Engine | DelayedEngine


@dataclass(frozen=True, slots=True)
class Repository:
    """The networks that services can use.

    Args:
        model_dirs: a folder with an .onnx file must be one of these or below one of them.
        delay_s: seconds to sleep for each prediction instead of running a built-in network; None to run it.
    """

    model_dirs: tuple[Path, ...] = ()
    seed: int = 0
    threads: int = 0
    slow: Mapping[str, float] = field(default_factory=dict)
    delay_s: float | None = None

    def find(self, name: str, torch: TorchService | None = None) -> Callable[[], Engine]:
        """Return a function that loads the network. Nothing is loaded before it is called.

        Args:
            name: the id of a built-in network, else a folder in `model_dirs` that contains exactly one .onnx file. With
                a template, the folder must contain no model, and the id of a built-in network counts as such a folder.
            torch: parameters of a Torch service; None for a service of another backend.

        Raises:
            ApiError: 400/1006 if there is no such network; 500/500 or 500/1007 if a Torch service has neither a model
                nor a known template, has both, or has a model in Torch's own format.
        """
        if name in NETWORK_IDS or name in TASK_MODELS:
            return self._find_template(torch) if torch and torch.template else lambda: self._load_builtin(name)
        folder = next((one for one in self._resolve(name) if one.is_dir()), None)
        if folder is None:
            raise bad_service(f"destination model directory {name} is not writable or does not exist.")
        files = self._files(folder, ".onnx")
        if torch is not None:
            traced = self._files(folder, ".pt")
            if not files and not traced:
                return self._find_template(torch, self._files(folder, ".npt"))
            if torch.template in TEMPLATE_NAMES:
                raise _torch_error("Only one of these must be provided: traced net, protofile or native template")
            if not files:
                raise _unreadable(traced[0])
        if len(files) != 1:
            found = ", ".join(file.name for file in files)
            raise bad_service(f"could not load one .onnx file [{found}] from repo [{name}]")
        return lambda: self._load_file(files[0])

    def _find_template(self, torch: TorchService, weights: Sequence[Path] = ()) -> Callable[[], Engine]:
        if torch.template not in TEMPLATE_NAMES:
            raise _torch_error("Use of libtorch backend needs either: traced net, protofile or native template")
        if weights:
            raise _unreadable(weights[0])
        seed = secrets.randbits(32)  # the weights differ with each creation, whatever the server's seed
        return lambda: self._load_template(torch.template, torch.classes or CLASSES, seed)

    def _files(self, folder: Path, suffix: str) -> list[Path]:
        return [file for file in sorted(folder.glob(f"*{suffix}")) if self._resolve(str(file))]

    def _resolve(self, name: str) -> list[Path]:
        """Return a file or folder, with links resolved, for each of `model_dirs` that it is below."""
        found = (resolve_below(Path(os.path.realpath(root)), name) for root in self.model_dirs)
        return [path for path in found if path is not None]

    def _load_builtin(self, name: str) -> Engine:
        if self.delay_s is not None:
            return DelayedEngine(self.delay_s)
        from pytest_ddperf.embedded.runtime.engine import load_builtin  # noqa: PLC0415 - loads ONNX Runtime

        return load_builtin(name, seed=self.seed, threads=self.threads, slow_factor=self.slow.get(name, 1.0))

    def _load_template(self, name: str, classes: int, seed: int) -> Engine:
        if self.delay_s is not None:
            parameters = count_torch_parameters(build_template(name, classes))
            return DelayedEngine(self.delay_s, classes=classes, parameters=parameters)
        from pytest_ddperf.embedded.runtime.engine import load_template  # noqa: PLC0415 - loads ONNX Runtime

        factor = self.slow.get(name, 1.0)
        return load_template(name, classes=classes, seed=seed, threads=self.threads, slow_factor=factor)

    def _load_file(self, path: Path) -> Engine:
        from pytest_ddperf.embedded.runtime.engine import load_file  # noqa: PLC0415 - loads ONNX Runtime

        return load_file(path, threads=self.threads)


def _torch_error(what: str) -> ApiError:
    return ApiError(500, "InternalError", 500, what)


def _unreadable(file: Path) -> ApiError:
    return internal(f"{file.name} cannot be read: this server runs ONNX models, not those of Torch")
