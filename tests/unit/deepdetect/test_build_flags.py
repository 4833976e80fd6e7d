"""What a server was built with, from the words of its /info."""

from __future__ import annotations

import pytest
from replay import load

from pytest_ddperf.deepdetect.build_flags import has_cuda, ignores_precision, is_built, list_candidates
from pytest_ddperf.deepdetect.protocol import parse_info

TORCH_BUILD = "USE_NCNN=OFF USE_TORCH=ON USE_TENSORRT=OFF USE_DLIB=OFF USE_HTTP_SERVER=OFF "


@pytest.mark.parametrize(
    ("value", "built"),
    [("ON", True), ("1", True), ("TRUE", True), ("true", True), ("OFF", False), ("0", False), ("FALSE", False)],
)
def test_a_flag_has_the_values_of_cmake(value: str, built: bool) -> None:
    assert is_built(f"USE_TORCH={value} USE_NCNN=OFF", "torch") is built


def test_an_absent_flag_means_not_built() -> None:
    assert is_built(TORCH_BUILD, "caffe") is False


@pytest.mark.parametrize("flags", ["USE_TORCH= USE_NCNN=ON", "", "-O3"])
def test_an_empty_flag_and_no_flags_at_all_mean_unknown(flags: str) -> None:
    assert is_built(flags, "torch") is None


@pytest.mark.parametrize("backend", ["xgboost", "tsne", "pytorch"])
def test_a_backend_that_is_never_listed_is_unknown(backend: str) -> None:
    assert is_built(TORCH_BUILD, backend) is None


@pytest.mark.parametrize(
    ("backend", "built"),
    [("tensorrt", True), ("tensorRT", True), ("TensorRT", True), ("Torch", False), ("onnx", False), ("nosuch", False)],
)
def test_a_backend_has_the_names_that_a_server_accepts(backend: str, built: bool) -> None:
    assert is_built("USE_TENSORRT=ON USE_TORCH=ON USE_TENSORRT_OSS=OFF", backend) is built


@pytest.mark.parametrize(
    ("recording", "built"),
    [("torch-v0.29", ["torch"]), ("ncnn-v0.29", ["ncnn"]), ("caffe-v0.28", ["ncnn", "caffe"])],
)
def test_the_recorded_servers_have_their_backends(recording: str, built: list[str]) -> None:
    answer = next(one.answer for one in load(recording) if one.name == "info_empty")
    info = parse_info(answer)
    assert info.backends == built
    assert has_cuda(info.deps_version) is False
    assert not ignores_precision(info.deps_version)


@pytest.mark.parametrize(
    ("flags", "preferred", "candidates"),
    [
        ("USE_CAFFE=ON USE_TORCH=ON", "caffe", ["caffe", "torch"]),
        (TORCH_BUILD, "caffe", ["torch"]),
        ("USE_NCNN=1 USE_TORCH=TRUE USE_TENSORRT=ON", "caffe", ["tensorrt", "torch", "ncnn"]),
        ("USE_TORCH= USE_NCNN=ON", "caffe", ["torch", "ncnn"]),
        ("USE_DLIB=ON", "caffe", []),
        ("", "caffe", ["caffe", "tensorrt", "torch", "ncnn", "onnxruntime"]),
        ("USE_NCNN=ON USE_TORCH=ON", "auto", ["torch", "ncnn"]),
    ],
)
def test_the_platform_s_backend_comes_first_where_it_may_be_there(
    flags: str, preferred: str, candidates: list[str]
) -> None:
    assert list_candidates(flags, preferred) == candidates


@pytest.mark.parametrize(("deps", "has"), [("CUDA_VERSION=12.6", True), ("CUDA_VERSION= X=1", False), ("", None)])
def test_an_empty_cuda_version_is_a_build_for_the_cpu(deps: str, has: bool | None) -> None:
    assert has_cuda(deps) is has


@pytest.mark.parametrize(
    ("version", "ignores"),
    [("10.12.0", True), ("10.12", True), ("11.0.1", True), ("10.3.0", False), ("8.6.1", False), ("", False)],
)
def test_tensorrt_ignores_the_datatype_from_10_12(version: str, ignores: bool) -> None:
    assert ignores_precision(f"CUDA_VERSION=12.6 TENSORRT_VERSION={version}") is ignores
