"""The backend of created services: the user's, else the platform's, else one that the server has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from messages import assert_names
from model_folders import caffe_folder, ncnn_folder

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.deepdetect.protocol import Info, ServiceInfo
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.servers.backends import choose_device, describe_choice, list_backends, require_backend

if TYPE_CHECKING:
    from pathlib import Path

RESNET = Network("resnet50", "ResNet-50")
URL = "http://board:8080"
TORCH_AND_NCNN = Info(version="v0.29.0", compile_flags="USE_TORCH=ON USE_NCNN=ON USE_TENSORRT=OFF")
TYPED = frozenset({"mllib"})


def options(mllib: str = "auto", url: str = URL, platform: str = "caffe", **parameters: Any) -> ServerOptions:  # noqa: ANN401 - any
    return ServerOptions(url, parameters=ServiceParameters(mllib=mllib, **parameters), platform_mllib=platform)


def own(folder: Path, mllib: str | None = None) -> Network:
    return Network("mine", "Mine", repository="/opt/mine", path=str(folder), mllib=mllib)


def test_the_embedded_server_that_we_start_uses_its_own() -> None:
    assert list_backends(options("torch", "embedded", named=TYPED), RESNET, Info()) == ["onnxruntime"]
    require_backend(options("torch", "embedded"), Info(compile_flags="USE_TORCH=OFF"))


@pytest.mark.parametrize(("platform", "backends"), [("caffe", ["torch", "ncnn"]), ("ncnn", ["ncnn", "torch"])])
def test_the_platform_s_is_preferred_where_the_server_has_it(platform: str, backends: list[str]) -> None:
    assert list_backends(options(platform=platform), RESNET, TORCH_AND_NCNN) == backends


def test_only_the_user_s_is_tried() -> None:
    assert list_backends(options("ncnn"), RESNET, TORCH_AND_NCNN) == ["ncnn"]


@pytest.mark.parametrize(
    ("asked", "model_mllib", "backend"),
    [
        (options(), None, "ncnn"),
        (options("torch"), None, "ncnn"),
        (options("torch", named=TYPED), None, "torch"),
        (options(), "torch", "torch"),
        (options("ncnn", named=TYPED), "torch", "ncnn"),
        (options("auto", named=TYPED), "torch", "torch"),
        (options(), "auto", "ncnn"),
    ],
)
def test_a_network_of_ones_own_has_the_one_named_for_it_else_one_that_reads_its_files(
    tmp_path: Path, asked: ServerOptions, model_mllib: str | None, backend: str
) -> None:
    model = own(ncnn_folder(tmp_path / "a"), model_mllib)
    assert list_backends(asked, model, TORCH_AND_NCNN)[0] == backend


def test_files_that_no_backend_of_the_server_reads_keep_their_own(tmp_path: Path) -> None:
    info = Info(compile_flags="USE_TORCH=ON")
    assert list_backends(options(), own(caffe_folder(tmp_path / "a")), info) == ["caffe"]


@pytest.mark.parametrize("named", [frozenset[str](), TYPED])
def test_a_named_one_that_is_not_there_says_what_is(named: frozenset[str]) -> None:
    for refuse in (
        lambda: require_backend(options("caffe", named=named), TORCH_AND_NCNN),
        lambda: list_backends(options("caffe", named=named), RESNET, TORCH_AND_NCNN),
    ):
        with pytest.raises(ConfigurationError) as raised:
            refuse()
        assert_names(raised, "caffe", URL, "v0.29.0", "torch, ncnn", "--ddperf-mllib=torch")


def test_a_server_without_a_usable_one_is_measured_if_it_has_services() -> None:
    info = Info(version="", compile_flags="USE_TORCH=OFF", services=(ServiceInfo("resnet50"),))
    require_backend(options(), info)
    with pytest.raises(ConfigurationError) as caught:
        require_backend(options(), Info(version="", compile_flags="USE_TORCH=OFF"))
    assert_names(caught, URL, "version unknown")


@pytest.mark.parametrize(
    ("asked", "backend", "words"),
    [
        (options(), "caffe", ""),
        (options("torch"), "torch", ""),
        (options(), "torch", "the server does not have caffe"),
        (options(platform="auto"), "torch", "chosen from the server's: torch, ncnn"),
        (options(url="embedded"), "onnxruntime", ""),
    ],
)
def test_only_a_choice_is_described(asked: ServerOptions, backend: str, words: str) -> None:
    text = describe_choice(asked, backend, TORCH_AND_NCNN)
    assert words in text
    assert bool(text) is bool(words)


@pytest.mark.parametrize(
    ("deps", "named", "gpu"),
    [
        ("CUDA_VERSION=", frozenset[str](), False),
        ("CUDA_VERSION=", frozenset({"gpu"}), True),
        ("CUDA_VERSION=12.6", frozenset[str](), True),
        ("", frozenset[str](), True),
    ],
)
def test_a_gpu_is_not_used_on_a_build_for_the_cpu_unless_it_is_named(
    deps: str, named: frozenset[str], gpu: bool
) -> None:
    assert choose_device(options(gpu=True, named=named), Info(deps_version=deps)) is gpu
    assert not choose_device(options(gpu=False, named=named), Info(deps_version=deps))
