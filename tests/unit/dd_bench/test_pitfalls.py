"""What misleads on which backend, and the pytest command to use instead."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.dd_bench.pitfalls import build_pytest_command, describe_pitfalls
from pytest_ddperf.deepdetect.protocol import ServiceInfo

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = BenchOptions(service="imageserv", remote_bench_data_dir="/srv/bench", max_batch_size=8)


def with_parameters(options: BenchOptions, **parameters: Any) -> BenchOptions:  # noqa: ANN401 - of all types
    return replace(options, parameters=replace(options.parameters, **parameters))


CREATED = with_parameters(replace(OPTIONS, create="/srv/models/res50"), mllib="torch")
TORCH = ServiceInfo("imageserv", "torch", datatype="fp32", gpu=False)
TENSORRT = ServiceInfo("imageserv", "tensorrt", datatype="fp32", gpu=True)


@pytest.fixture(autouse=True)
def _no_list_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("options", "service", "named"),
    [
        (CREATED, TORCH, "test_batch_size"),
        (CREATED, TORCH, "best"),
        (CREATED, replace(TORCH, datatype="fp16"), "in fp32, not fp16"),
        (with_parameters(OPTIONS, gpu=True), TORCH, "on the CPU"),
        (OPTIONS, replace(TORCH, gpu=True), "on the GPU"),
        (with_parameters(OPTIONS, gpuid=1), TORCH, "--gpuid"),
        (CREATED, TENSORRT, "fixed batch size"),
        (CREATED, replace(TENSORRT, mllib="TensorRT"), "fixed batch size"),
        (with_parameters(CREATED, recreate=True), TENSORRT, "--recreate"),
        (CREATED, replace(TENSORRT, datatype="int8"), "10.12 or newer ignores int8"),
        (CREATED, replace(TENSORRT, datatype="int8"), "int8 is not calibrated"),
        (CREATED, replace(TENSORRT, datatype="bf16"), "bf16 and runs fp32"),
        (with_parameters(OPTIONS, gpuid=1), TENSORRT, "GPU 1"),
        (CREATED, replace(TORCH, mllib="ncnn", datatype="int8"), "int8 runs as fp16"),
    ],
)
def test_what_misleads_is_named(options: BenchOptions, service: ServiceInfo, named: str) -> None:
    assert named in describe_pitfalls(options, service).partition(". Use instead: ")[0]


@pytest.mark.parametrize(
    ("options", "service", "unnamed"),
    [
        (replace(CREATED, max_batch_size=1), TORCH, "test_batch_size"),
        (replace(CREATED, detection=True), TORCH, "send best"),
        (CREATED, TORCH, "in fp32"),
        (CREATED, TORCH, "for which the service was created"),
        (with_parameters(CREATED, gpuid=1), TORCH, "--gpuid"),
        (CREATED, TENSORRT, "--gpuid"),
        (CREATED, TENSORRT, "10.12"),
        (CREATED, TENSORRT, "--recreate"),
        (CREATED, replace(TENSORRT, datatype="bf16"), "10.12"),
    ],
)
def test_what_does_not_apply_to_the_run_is_not_named(options: BenchOptions, service: ServiceInfo, unnamed: str) -> None:
    warning = describe_pitfalls(options, service)
    assert unnamed not in warning.partition(". Use instead: ")[0]


@pytest.mark.parametrize("mllib", ["caffe", "ncnn", "dlib", "pytorch", ""])
def test_other_backends_need_no_warning(mllib: str) -> None:
    assert describe_pitfalls(OPTIONS, replace(TORCH, mllib=mllib)) == ""


def test_a_run_that_nothing_misleads_needs_no_warning() -> None:
    assert describe_pitfalls(replace(CREATED, max_batch_size=1), TENSORRT) == ""


def test_the_warning_ends_with_the_pytest_command_and_the_page() -> None:
    warning = describe_pitfalls(CREATED, TORCH)
    assert warning.endswith(f"{build_pytest_command(CREATED)} (docs/dd-bench.md)")
    assert "\n" not in warning


def test_the_command_has_a_counterpart_of_each_option_that_is_not_the_default() -> None:
    options = with_parameters(
        replace(CREATED, npasses=7, timer="head", timeout_s=9, auto_kill=True, csv_output="out.csv", json_output="out"),
        gpu=True, gpuid=1, scale=0.5, rgb=True, image_interp="nearest", recreate=True, datatype="fp16",
    )  # fmt: skip
    words = shlex.split(build_pytest_command(options))
    assert words[:2] == ["pytest", "benchmarks"]
    assert set(words[2:]) == {
        "--platform=PLATFORM", "--ddperf-url=http://localhost:8080", "--ddperf-service=imageserv",
        "--ddperf-models=resnet50", "--ddperf-repository=/srv/models/res50", "--ddperf-mllib=torch",
        "--ddperf-data-dir=/srv/bench", "--ddperf-max-batch-size=8", "--ddperf-batch-schedule=dd_bench", "--ddperf-gpu",
        "--ddperf-gpuid=1", "--ddperf-scale=0.5", "--ddperf-rgb", "--ddperf-image-interp=nearest",
        "--ddperf-npasses=7", "--ddperf-timer=head", "--ddperf-timeout=9", "--ddperf-recreate",
        "--ddperf-delete-services", "--ddperf-report=out.csv", "--ddperf-report=out.json", "--ddperf-datatype=fp16",
    }  # fmt: skip


def test_the_command_omits_what_the_backend_ignores() -> None:
    options = with_parameters(CREATED, mllib="ncnn", gpu=True, gpuid=1, datatype="fp16")
    words = shlex.split(build_pytest_command(options, "ncnn"))
    assert [one for one in words if one.startswith(("--ddperf-gpu", "--ddperf-datatype"))] == ["--ddperf-datatype=fp16"]


def test_the_command_names_the_list_of_images_that_the_run_uses(tmp_path: Path) -> None:
    (tmp_path / "list_bench_files.txt").write_text("1.jpg\n", encoding="utf-8")
    assert "--ddperf-bench-files=list_bench_files.txt" in shlex.split(build_pytest_command(OPTIONS))


@pytest.mark.parametrize(
    ("create", "service", "network"),
    [
        ("/srv/models/squeezenet_v1.1/", "imageserv", "squeezenet_v1.1"),
        (None, "ResNet-50", "resnet50"),
        ("/srv/models/mine", "imageserv", "NETWORK"),
    ],
)
def test_the_network_is_known_from_the_folder_or_the_service(create: str | None, service: str, network: str) -> None:
    options = replace(OPTIONS, create=create, service=service)
    assert f"--ddperf-models={network}" in shlex.split(build_pytest_command(options))


def test_credentials_of_the_url_are_not_shown() -> None:
    assert "secret" not in build_pytest_command(replace(OPTIONS, host="http://me:secret@tk1.lan:8080"))
