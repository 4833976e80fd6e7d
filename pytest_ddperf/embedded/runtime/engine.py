"""One network, loaded and ready to run on ONNX Runtime, on the CPU.

The settings were measured with ONNX Runtime 1.32 on two cores. The memory arena stays enabled: without it, SqueezeNet
v1.1 takes 1.7 times as long at batch size 8, because the memory of every result is paged in again. The arena is freed
as a whole with the session, unless an output that lies in it is still referenced; outputs are therefore copied. The C
library keeps freed memory, which is returned to the system after loading (ResNet-152: from 970 MB to 320 MB) and after
closing.
"""

from __future__ import annotations

import ctypes
import functools
import gc
import threading
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, external_data_helper, helper, numpy_helper

from pytest_ddperf.embedded.confined_files import resolve_below
from pytest_ddperf.embedded.heads.heads import ClassHead, build_task_head
from pytest_ddperf.embedded.networks.cost import count_parameters
from pytest_ddperf.embedded.networks.networks import build
from pytest_ddperf.embedded.networks.onnx_files import first_line
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.networks.task_networks import build_task
from pytest_ddperf.embedded.networks.templates import build_template, count_torch_parameters
from pytest_ddperf.embedded.networks.weights import draw_weights
from pytest_ddperf.embedded.runtime.slowdown import ExtraWork
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from pytest_ddperf.embedded.heads.heads import Head
    from pytest_ddperf.embedded.networks.graph import NetworkGraph

IMAGES_AT_ONCE = 16
"""Larger batches run in slices of this many images, to bound memory: VGG-16 takes 43 MB per image."""

_PIXELS_AT_ONCE = IMAGES_AT_ONCE * 256 * 256
"""Most pixels of a slice; slices of larger images have fewer images. VGG-16 takes 3.6 GB for one image of 2048x2048."""

_ASSUMED_SIDE = 224
"""Width and height of the trial image, in pixels, for a network that accepts any size."""

_ERRORS_ONLY = 3
"""ONNX Runtime's log severity level for errors only."""


class ModelLoadError(DdperfError):
    """A model cannot be loaded. The message says which one, what is wrong and what to do, in one paragraph."""


class ModelRunError(DdperfError):
    """A loaded model failed to run: out of memory, or a batch of the wrong shape."""


class Engine:
    """A loaded network, created by `load_builtin` or `load_file`. `run` may be called from several threads.

    Args:
        slowdown: makes runs artificially slower; None for full speed.

    Attributes:
        head: converts the network's output to predictions.
        input_size: (width, height) in pixels; None if the network accepts any.
        fixed_batch: the batch size that the network was exported with; 0 if it accepts any. Batches then run in pieces
            of this size, the last one filled up, so that a smaller batch takes as long as a whole one.

    Raises:
        ModelLoadError: the network's input is not one batch of RGB images.
    """

    def __init__(
        self,
        name: str,
        session: ort.InferenceSession,
        *,
        parameters: int,
        slowdown: ExtraWork | None = None,
    ) -> None:
        self.name = name
        self.head: Head = ClassHead()
        self.parameters = parameters
        self._session = session
        self._slowdown = slowdown
        self._slow_lock = threading.Lock()
        self._input, self.fixed_batch, self.input_size = _image_input(name, session)
        self._output: str = session.get_outputs()[0].name

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Run the network on images [N, 3, height, width]; return a row of numbers, usually probabilities, for each.

        Raises:
            ModelRunError: ONNX Runtime failed, or the batch does not have the network's input shape.
        """
        if self._slowdown is None:
            return self._run_all(batch)
        rows: list[NDArray[np.float32]] = []
        with self._slow_lock:
            self._slowdown.run(lambda: rows.append(self._run_all(batch)))
        return rows[0]

    def close(self) -> None:
        """Free the memory. The engine cannot run afterwards.

        If another thread is running the network, that run completes, and the memory is freed when it ends.
        """
        del self._session
        _return_freed_memory()

    def _run_all(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            at_once = max(1, min(IMAGES_AT_ONCE, _PIXELS_AT_ONCE // (images.shape[2] * images.shape[3])))
            step = self.fixed_batch or at_once
            rows = [self._run_slice(images[start : start + step]) for start in range(0, len(images), step)]
        except Exception as error:  # ONNX Runtime's exceptions have no narrower base
            shape = "x".join(str(size) for size in images.shape)
            raise ModelRunError(f"{self.name} failed on a batch of {shape}: {first_line(error)}") from error
        return np.concatenate(rows)

    def _run_slice(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        count = len(images)
        if count < self.fixed_batch:
            filling = np.zeros((self.fixed_batch - count, *images.shape[1:]), np.float32)
            images = np.concatenate([images, filling])
        output: NDArray[np.float32] = self._session.run([self._output], {self._input: images})[0]
        # Copy the output: it lies in the session's arena, and a reference to it would keep the whole arena in memory.
        return output.reshape(len(images), -1)[:count].astype(np.float32, copy=True)


def load_builtin(name: str, *, seed: int = 0, threads: int = 0, slow_factor: float = 1.0) -> Engine:
    """Load one of `NETWORK_IDS` or `TASK_MODELS`, with random weights; `threads` is 0 for one per core.

    With a `slow_factor`, each run takes that many times as long, because of additional convolutions.

    Raises:
        ModelLoadError: there is not enough memory for it.
    """
    task = TASK_MODELS.get(name)
    graph = build(name) if task is None else build_task(name)
    engine = Engine(
        name,
        _drawn_session(graph, seed, threads),
        parameters=count_parameters(graph.model),
        slowdown=_ballast(slow_factor),
    )
    if task is not None:
        engine.head = build_task_head(name, engine.run, seed)
    return engine


def load_template(name: str, *, classes: int, seed: int, threads: int = 0, slow_factor: float = 1.0) -> Engine:
    """Load a network of DeepDetect's Torch backend from its template, one of `TEMPLATE_NAMES`; see `load_builtin`."""
    graph = build_template(name, classes)
    return Engine(
        name,
        _drawn_session(graph, seed, threads),
        parameters=count_torch_parameters(graph),
        slowdown=_ballast(slow_factor),
    )


def load_file(path: Path, *, threads: int = 0) -> Engine:
    """Load a network from the user's .onnx file; external weights must be in its folder or below.

    Raises:
        ModelLoadError: the file does not exist, is not an ONNX model, its input is not a batch of RGB images, or it
            does not run on one.
    """
    if not path.is_file():
        raise ModelLoadError(f"There is no model at {path}: no such file. Name an .onnx file that the server can read.")
    try:
        model = onnx.load(path, load_external_data=False)
        parameters = count_parameters(model)
    except Exception as error:  # protobuf's and onnx's exceptions have no narrower base
        raise _not_loadable(str(path), error) from error
    _check_weights_lie_beside(path, model)
    session = _session(str(path), str(path), _session_options(threads))
    _return_freed_memory()
    engine = Engine(str(path), session, parameters=parameters)
    width, height = engine.input_size or (_ASSUMED_SIDE, _ASSUMED_SIDE)
    try:
        engine.run(np.zeros((1, 3, height, width), np.float32))
    except ModelRunError as error:
        raise ModelLoadError(f"{path} loads, but does not run: {error}") from error
    return engine


def _check_weights_lie_beside(path: Path, model: onnx.ModelProto) -> None:
    """Check that all files with external weights are in the model's folder or below.

    A model may come from an untrusted source and must not make the server read the user's other files.

    Raises:
        ModelLoadError: a file with weights does not exist, or is neither in the model's folder nor below it.
    """
    folder = path.parent.resolve()
    for tensor in external_data_helper._get_all_tensors(model):  # noqa: SLF001 - onnx has no public function for this
        if external_data_helper.uses_external_data(tensor):
            location = external_data_helper.ExternalDataInfo(tensor).location
            if resolve_below(folder, location) is None:
                raise ModelLoadError(
                    f"{path} keeps its weights in {location!r}, which is not a file in its folder. Put that file "
                    "there, and export the model so that it names the file without a folder."
                )


def _drawn_session(graph: NetworkGraph, seed: int, threads: int) -> ort.InferenceSession:
    options = _session_options(threads)
    drawn = draw_weights(graph, seed)
    # ONNX Runtime copies these while it creates the session, and does not use them afterwards.
    files = [values.reshape(-1).view(np.uint8) for values in drawn.values()]
    options.add_external_initializers_from_files_in_memory(list(drawn), files, [one.size for one in files])
    session = _session(graph.name, graph.model.SerializeToString(), options)
    del options, files, drawn
    _return_freed_memory()
    return session


def _session_options(threads: int) -> ort.SessionOptions:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # ONNX Runtime's threads spin between the operators of a run, which makes it fast. By default they also spin for a
    # while after it, and take the cores that decode the next request. With this entry, a whole request takes 1.26 times
    # as long as its inference, without it 1.34 times.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _session(name: str, model: str | bytes, options: ort.SessionOptions) -> ort.InferenceSession:
    try:
        session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's exceptions have no narrower base
        raise _not_loadable(name, error) from error
    session.disable_fallback()  # the fallback would recreate the session from weights that have been freed
    return session


def _image_input(name: str, session: ort.InferenceSession) -> tuple[str, int, tuple[int, int] | None]:
    """Return the input's name, its batch size (0 if free), and (width, height) (None unless both are fixed)."""
    inputs = session.get_inputs()
    shown = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
    expected = f"{name} takes {shown or 'no input'}; expected one input, float32 [N, 3, height, width]"
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
        raise ModelLoadError(f"{expected}. Export it with the images as its only input, channels first.")
    images, channels, height, width = (size if isinstance(size, int) else 0 for size in inputs[0].shape)
    if channels not in {0, 3}:
        raise ModelLoadError(f"{expected}. Export it with 3 channels, before height and width.")
    return inputs[0].name, images, (width, height) if width and height else None


def _ballast(factor: float) -> ExtraWork | None:
    """Create the slowdown: convolutions of about 0.1 ms each; None for a factor of 1.

    They run on one thread, because the idle threads of a second pool would spin and slow down the network itself.
    """
    if factor == 1:
        return None
    weight = numpy_helper.from_array(np.full((32, 32, 3, 3), 0.01, np.float32), "weight")
    shape = [1, 32, 28, 28]
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"], pads=[1, 1, 1, 1])],
        "ballast",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = _session("the slowdown", model.SerializeToString(), _session_options(threads=1))
    piece = functools.partial(session.run, None, {"x": np.ones(shape, np.float32)})
    piece()  # the first run is slower than all others
    return ExtraWork(factor, piece)


def _not_loadable(name: str, error: Exception) -> ModelLoadError:
    return ModelLoadError(
        f"{name} cannot be loaded: {first_line(error)}. Check that it is a complete ONNX model, "
        f"with operators that ONNX Runtime {ort.__version__} supports."
    )


def _return_freed_memory() -> None:
    """Return freed memory that the C library keeps to the system, if the library supports it (`malloc_trim`)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
