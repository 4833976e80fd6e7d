"""What a server was built with, from `compile_flags` and `deps_version` of its `/info`. Pure.

Both are words `NAME=VALUE`. DeepDetect copies the values from cmake: ON, OFF, 1, TRUE, or nothing.
"""

from __future__ import annotations

from typing import Final

from pytest_ddperf.core.service_parameters import AUTO, CAFFE, NCNN, ONNXRUNTIME, TENSORRT, TORCH

BACKENDS: Final = (TENSORRT, TORCH, NCNN, CAFFE, ONNXRUNTIME)
"""The backends that are chosen where the user names none, in order of preference."""

_FLAGS: Final = {name: f"USE_{name.upper()}" for name in (*BACKENDS, "caffe2", "tf", "dlib")}
"""The build flag of each backend."""

_SPELLINGS: Final = {"tensorRT": TENSORRT, "TensorRT": TENSORRT, "tensorflow": "tf"}
"""Other names that a server accepts for a backend."""

_WITHOUT_FLAG: Final = frozenset({"xgboost", "tsne", "pytorch"})
"""Backends that no server lists among its build flags."""

_ON: Final = frozenset({"ON", "1", "TRUE", "YES", "Y"})

_PRECISION_IGNORED_FROM: Final = (10, 12)
"""The first version of TensorRT with which a server builds the same engine for every datatype."""


def read_words(text: str) -> dict[str, str]:
    """Read the words `NAME=VALUE` of a text; other words are ignored."""
    return {name: value for word in text.split() for name, equals, value in (word.partition("="),) if equals}


def is_built(compile_flags: str, backend: str) -> bool | None:
    """Return whether a server has a backend; None if its build flags do not show it.

    Args:
        compile_flags: the server's build flags; without any, nothing is known.
        backend: the backend as in a request; DeepDetect distinguishes upper and lower case.
    """
    flags = {name: value for name, value in read_words(compile_flags).items() if name.startswith("USE_")}
    if not flags or backend in _WITHOUT_FLAG:
        return None
    value = flags.get(_FLAGS.get(_SPELLINGS.get(backend, backend), ""), "OFF")
    return value.upper() in _ON if value else None


def list_built(compile_flags: str) -> list[str]:
    """List the backends that a server was certainly built with, in the order of its build flags."""
    names = {flag: name for name, flag in _FLAGS.items()}
    words = read_words(compile_flags)
    return [names[flag] for flag, value in words.items() if flag in names and value.upper() in _ON]


def list_candidates(compile_flags: str, preferred: str) -> list[str]:
    """List the backends with which to create services, best first, where the user names none.

    Args:
        compile_flags: the server's build flags. A backend that they do not show is a candidate: its creation decides.
        preferred: the platform's backend, `auto` for none.
    """
    names = dict.fromkeys((preferred, *BACKENDS))
    return [name for name in names if name != AUTO and is_built(compile_flags, name) is not False]


def has_cuda(deps_version: str) -> bool | None:
    """Return whether a server was built for a GPU; None if it does not report its CUDA version."""
    version = read_words(deps_version).get("CUDA_VERSION")
    return None if version is None else bool(version)


def ignores_precision(deps_version: str) -> bool:
    """Return whether the server's TensorRT is one with which the datatype of a service changes nothing."""
    numbers = read_words(deps_version).get("TENSORRT_VERSION", "").split(".")[:2]
    return all(one.isdecimal() for one in numbers) and tuple(map(int, numbers)) >= _PRECISION_IGNORED_FROM
