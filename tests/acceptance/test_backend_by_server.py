"""The backend of created services by what the server has: a DeepDetect of today has no Caffe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from scripted_deepdetect import Prediction, ServiceSetup
from scripted_server import Reply
from workers import plain_and_xdist

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = "--ddperf-repository=/opt/models/{model}"
TORCH_BUILD = "USE_NCNN=OFF USE_TORCH=ON USE_TENSORRT=OFF USE_DLIB=OFF USE_HTTP_SERVER=OFF "
NCNN_BUILD = "USE_NCNN=ON USE_TORCH=OFF USE_TENSORRT=OFF USE_DLIB=OFF USE_HTTP_SERVER=OFF "
NO_BUILD = "USE_NCNN=OFF USE_TORCH=OFF USE_TENSORRT=OFF USE_DLIB=ON USE_HTTP_SERVER=OFF "


def v029(build_flags: str, **scripted: Any) -> TableServer:  # noqa: ANN401 - those of the scripted server
    """A v0.29 without Caffe, as fast as the TK1 table says, without services."""
    return TableServer("tk1", **{"services": [], "version": "v0.29.0", "build_flags": build_flags, **scripted})


def created_with(server: TableServer) -> set[str]:
    """The backends of all requests to create a service."""
    bodies: list[Any] = [one.json() for one in server.asked("PUT")]
    return {body["mllib"] for body in bodies}


@pytest.mark.parametrize(
    ("flags", "backend"),
    [
        (TORCH_BUILD, "torch"),
        (NCNN_BUILD, "ncnn"),
        ("USE_TORCH=TRUE USE_TENSORRT=1 USE_NCNN=ON", "tensorrt"),
        ("USE_CAFFE=ON USE_TORCH=ON", "caffe"),
        ("USE_ONNXRUNTIME=ON", "onnxruntime"),
    ],
)
def test_a_run_chooses_a_backend_that_the_server_has(pytester: pytest.Pytester, flags: str, backend: str) -> None:
    with v029(flags) as server:
        project = BenchProject(pytester, server)
        project.run(*SQUEEZENET, REPOSITORY).assert_outcomes(passed=2)
        assert created_with(server) == {backend}
    assert {one.measurement.conditions.backend for one in project.records() if one.measurement} == {backend}


def test_the_choice_is_one_note_for_the_platform(pytester: pytest.Pytester) -> None:
    with v029(TORCH_BUILD) as server:
        project = BenchProject(pytester, server)
        result = project.run("--ddperf-batch-sizes=1,256", REPOSITORY)
    (note,) = {note for record in project.records() for note in record.notes}
    assert note.startswith("the backend torch was chosen")
    assert "caffe" in note
    assert str(result.stdout).count("the backend torch was chosen") == 1
    assert "the table was measured with" not in str(result.stdout)


def test_the_platform_s_backend_is_used_without_a_note(tk1: BenchProject) -> None:
    tk1.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1", REPOSITORY, "--ddperf-service=new_{model}")
    assert created_with(tk1.server) == {"caffe"}
    assert [record.notes for record in tk1.records()] == [()]


def test_an_existing_service_keeps_its_backend(pytester: pytest.Pytester) -> None:
    services = [ServiceSetup("squeezenet_v1.1", mllib="ncnn")]
    with v029("USE_TORCH=ON USE_NCNN=ON", services=services) as server:
        project = BenchProject(pytester, server)
        project.run(*SQUEEZENET, REPOSITORY).assert_outcomes(passed=2)
        assert created_with(server) == set()
    assert {one.measurement.conditions.backend for one in project.records() if one.measurement} == {"ncnn"}


def test_auto_may_be_named(pytester: pytest.Pytester) -> None:
    with v029(NCNN_BUILD) as server:
        BenchProject(pytester, server).run(*SQUEEZENET, REPOSITORY, "--ddperf-mllib=auto").assert_outcomes(passed=2)
        assert created_with(server) == {"ncnn"}


@plain_and_xdist
def test_without_a_usable_backend_one_paragraph_says_so_before_the_first_test(
    pytester: pytest.Pytester, how: tuple[str, ...]
) -> None:
    with v029(NO_BUILD) as server:
        result = BenchProject(pytester, server).run(*SQUEEZENET, REPOSITORY, *how)
        assert server.asked("PUT") == server.asked("POST") == []
    text = f"{result.stdout}{result.stderr}"
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text.count("has none of the backends") == 1
    for fact in (server.url, "v0.29.0", "built with dlib", "--ddperf-url=URL", "--ddperf-mllib=dlib"):
        assert fact in text


@pytest.mark.parametrize("backend", ["caffe", "Torch", "onnx", "tensorrt"])
def test_a_backend_that_is_named_and_not_there_is_one_paragraph_before_the_first_test(
    pytester: pytest.Pytester, backend: str
) -> None:
    with v029(TORCH_BUILD) as server:
        result = BenchProject(pytester, server).run(*SQUEEZENET, REPOSITORY, f"--ddperf-mllib={backend}")
        assert server.asked("PUT") == server.asked("POST") == []
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    for fact in (f"The backend {backend} ", "built with torch", "--ddperf-mllib=torch"):
        assert fact in str(result.stderr)
    assert str(result.stderr).count("built with torch") == 1


def test_a_backend_of_ddperf_toml_that_is_not_there_is_one_paragraph(pytester: pytest.Pytester) -> None:
    with v029(TORCH_BUILD) as server:
        project = BenchProject(pytester, server)
        (project.path / "ddperf.toml").write_text('[platforms.tk1]\nmllib = "caffe"\n', encoding="utf-8")
        result = project.run(*SQUEEZENET, REPOSITORY)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "mllib in ddperf.toml" in str(result.stderr)


def test_with_unknown_flags_the_creation_decides(pytester: pytest.Pytester) -> None:
    with v029("USE_TORCH= USE_NCNN=") as server:
        answer = server.respond
        unknown = Reply(404, {"status": {"code": 404, "msg": "NotFound", "dd_code": 1000, "dd_msg": "Unknown Library"}})

        def respond(request: Any) -> Reply:  # noqa: ANN401 - a request
            is_torch = request.method == "PUT" and request.json()["mllib"] == "torch"
            return unknown if is_torch else answer(request)

        server.respond = respond
        BenchProject(pytester, server).run(*SQUEEZENET, REPOSITORY).assert_outcomes(passed=2)
        assert created_with(server) == {"torch", "ncnn"}


def test_a_backend_that_only_the_creation_refuses_is_one_cause(pytester: pytest.Pytester) -> None:
    refused = Reply(404, {"status": {"code": 404, "msg": "NotFound", "dd_code": 1000, "dd_msg": "Unknown Library"}})
    with v029("") as server:
        answer = server.respond
        server.respond = lambda request: refused if request.method == "PUT" else answer(request)
        project = BenchProject(pytester, server)
        project.run("--ddperf-models=googlenet,vgg16", "--ddperf-batch-sizes=1", REPOSITORY, "--ddperf-mllib=ncnn")
    (cause,) = {record.cause for record in project.records()}
    assert "backend ncnn" in cause


# --- what the server says of the network


def test_what_a_server_reports_of_a_network_is_recorded(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", params=lambda _: 1_231_552) as server:
        project = BenchProject(pytester, server)
        project.run(*SQUEEZENET)
    assert {one.measurement.model_stats.params for one in project.records() if one.measurement} == {1_231_552}
    assert [record.notes for record in project.records()] == [(), ()]
    assert {one.server.compile_flags.split()[0] for one in project.records() if one.server} == {"USE_CAFFE=ON"}


def test_another_network_under_that_name_is_a_note(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", params=lambda _: 86_567_656) as server:
        project = BenchProject(pytester, server)
        project.run(*SQUEEZENET).assert_outcomes(passed=2)
    for record in project.records():
        assert "86.57 million parameters for squeezenet_v1.1, which has 1.23" in record.notes[0]


# --- folders without a network

NO_NETWORK = {
    "caffe": (400, 1006, "Service Bad Request Error: no deploy file in /opt/models/x for initializing the net"),
    "tensorrt": (500, 1007, "No model to parse for conversion to TensorRT"),
}


def failing(code: int, dd_code: int, dd_msg: str) -> Callable[[Prediction], Reply]:
    """Predictions that are answered with an error."""
    msg = "BadRequest" if code == 400 else "InternalError"
    return lambda _: Reply(code, {"status": {"code": code, "msg": msg, "dd_code": dd_code, "dd_msg": dd_msg}})


@pytest.mark.parametrize("backend", NO_NETWORK)
def test_a_folder_whose_missing_network_shows_with_the_first_prediction_may_be_skipped(
    pytester: pytest.Pytester, backend: str
) -> None:
    with TableServer("tk1", services=[], fault=failing(*NO_NETWORK[backend])) as server:
        project = BenchProject(pytester, server)
        options = (*SQUEEZENET, REPOSITORY, f"--ddperf-mllib={backend}")
        project.run(*options, "--ddperf-missing-service=skip").assert_outcomes(skipped=2)
        project.run(*options).assert_outcomes(failed=2)
        assert server.services == []
    assert {record.outcome for record in project.records()} == {"error"}
    (cause,) = {record.cause for record in project.records()}
    assert "finds no network in the model folder /opt/models/{model}" in cause


def test_a_torch_folder_without_a_network_may_be_skipped(pytester: pytest.Pytester) -> None:
    words = "Use of libtorch backend needs either: traced net, protofile or native template"
    refused = Reply(500, {"status": {"code": 500, "msg": "InternalError", "dd_code": 500, "dd_msg": words}})
    with v029(TORCH_BUILD) as server:
        answer = server.respond
        server.respond = lambda request: refused if request.method == "PUT" else answer(request)
        project = BenchProject(pytester, server)
        project.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1", REPOSITORY, "--ddperf-missing-service=skip")
        project.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1", REPOSITORY)
    assert "finds no network" in project.records()[0].cause


# --- networks that require another image size


def of_227(server: TableServer) -> Callable[[Any], Reply]:
    """Answers as Caffe does whose network has images of 227x227."""
    answer = server.respond
    words = "src/caffe/data_transformer.cpp:198 / Check failed (custom): (height) <= (datum_height)"
    refused = Reply(500, {"status": {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": words}})

    def respond(request: Any) -> Reply:  # noqa: ANN401 - a request
        if request.path == "/predict" and request.json()["parameters"]["input"]["width"] != 227:
            return refused
        return answer(request)

    return respond


def test_a_network_that_refuses_224_is_measured_at_227_and_not_compared(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=[]) as server:
        server.respond = of_227(server)
        project = BenchProject(pytester, server)
        project.run(*SQUEEZENET, REPOSITORY).assert_outcomes(passed=2)
        bodies: list[Any] = [one.json() for one in server.asked("PUT")]
        assert [body["parameters"]["input"]["width"] for body in bodies] == [224, 227]
    for record in project.records():
        assert (record.outcome, record.baseline) == ("new", None)
        assert record.measurement is not None
        assert (record.measurement.conditions.width, record.measurement.conditions.height) == (227, 227)
        (note,) = record.notes
        assert "227x227" in note
        assert "224x224" in note


def test_an_existing_service_of_another_size_is_not_compared_with_the_table(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=[ServiceSetup("squeezenet_v1.1", width=227, height=227)]) as server:
        project = BenchProject(pytester, server)
        project.run(*SQUEEZENET).assert_outcomes(passed=2)
    assert {(record.outcome, record.baseline) for record in project.records()} == {("new", None)}


@pytest.mark.parametrize("options", [("--ddperf-img-width=224", "--ddperf-img-height=224"), ()])
def test_a_network_without_a_known_other_size_fails(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    model = "squeezenet_v1.1" if options else "googlenet"
    with TableServer("tk1", services=[]) as server:
        server.respond = of_227(server)
        project = BenchProject(pytester, server)
        project.run(f"--ddperf-models={model}", "--ddperf-batch-sizes=1", REPOSITORY, *options)
    assert [record.outcome for record in project.records()] == ["error"]
    assert "--ddperf-img-width" in project.records()[0].cause


# --- servers built for the CPU


@pytest.mark.parametrize(
    ("deps", "gpu"), [("CUDA_VERSION= CUDNN_VERSION=", False), ("CUDA_VERSION=12.6", True), ("", True)]
)
def test_a_server_built_for_the_cpu_is_not_asked_for_a_gpu(pytester: pytest.Pytester, deps: str, gpu: bool) -> None:
    with v029(TORCH_BUILD, deps=deps) as server:
        project = BenchProject(pytester, server)
        project.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1", REPOSITORY).assert_outcomes(passed=1)
        (body,) = (one.json() for one in server.asked("PUT"))
    created: Any = body
    assert created["parameters"]["mllib"]["gpu"] is gpu
    (record,) = project.records()
    assert any("this service runs on a CPU" in note for note in record.notes) is not gpu


def test_a_gpu_that_is_named_is_asked_for(pytester: pytest.Pytester) -> None:
    with v029(TORCH_BUILD, deps="CUDA_VERSION=") as server:
        project = BenchProject(pytester, server)
        project.run("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1", REPOSITORY, "--ddperf-gpu")
        (body,) = (one.json() for one in server.asked("PUT"))
    created: Any = body
    assert created["parameters"]["mllib"]["gpu"] is True
