from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from messages import assert_names
from model_folders import caffe_folder
from replay import load
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup
from scripted_server import Reply, Request

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.protocol import ServiceInfo
from pytest_ddperf.errors import (
    AnswerError,
    ConfigurationError,
    RequestRefusedError,
    ServerBusyError,
    ServerFailedError,
    ServerUnreachableError,
    ServiceNotFoundError,
)
from pytest_ddperf.servers.batches import build_batch
from pytest_ddperf.servers.request_images import BenchImages
from pytest_ddperf.servers.services import OpenService, find_fixed_batch, open_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RESNET, VGG = Network("resnet50", "ResNet-50"), Network("vgg16", "VGG-16")
IMAGES = BenchImages("path", ("/srv/a.jpg", "/srv/b.jpg"))


@pytest.fixture
def server() -> Iterator[ScriptedDeepDetect]:
    with ScriptedDeepDetect(services=["resnet50"]) as running:
        yield running


@pytest.fixture
def client(server: ScriptedDeepDetect) -> Iterator[Client]:
    made = Client(server.url)
    made.info()
    yield made
    made.close()


def service_of(client: Client, model: Network, batch_size: int = 1, **options: Any) -> OpenService:  # noqa: ANN401 - any
    return open_service(client, ServerOptions(client.display_url, platform_mllib="caffe", **options), model, batch_size)


def created(server: ScriptedDeepDetect) -> Any:  # noqa: ANN401 - JSON
    """The body that the only service was created with."""
    (asked,) = server.asked("PUT", "/services/")
    return asked.json()


def own(folder: Path | None = None, **caught: Any) -> Network:  # noqa: ANN401 - any field
    """A network of the user's, of which only its files say anything."""
    path = None if folder is None else str(folder)
    fields: dict[str, Any] = {"width": None, "height": None, "nclasses": None, **caught}
    return Network("mine", "Mine", repository="/opt/mine", path=path, **fields)


def test_one_that_is_there_is_used_with_its_own_size() -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", width=300, height=200, gpu=False)]) as server:
        client = Client(server.url)
        service = service_of(client, RESNET)
        client.close()
    assert (service.created, service.width, service.height, service.gpu) == (False, 300, 200, False)


def test_one_that_is_not_there_is_created(server: ScriptedDeepDetect, client: Client) -> None:
    service = service_of(client, VGG, repository="/models/{model}")
    assert (service.created, service.name, service.width, service.mllib) == (True, "vgg16", 224, "caffe")
    assert service.create_ms is not None
    assert created(server)["model"] == {"repository": "/models/vgg16"}
    assert created(server)["parameters"]["mllib"]["nclasses"] == 1000


def test_a_template_names_it(client: Client) -> None:
    assert service_of(client, VGG, repository="/models/{model}", service="Caffe_{model}").name == "caffe_vgg16"


def test_without_a_repository_a_missing_one_says_what_to_do(client: Client) -> None:
    with pytest.raises(ServiceNotFoundError) as caught:
        service_of(client, VGG)
    assert_names(caught, "vgg16", "--ddperf-repository")


NOT_CREATED = (  # as recorded from real servers
    "Service Bad Request Error: destination model directory /models/vgg16 is not writable or does not exist.",
    "Service Bad Request Error: could not load ncnn params [] from repo [/models/vgg16]",
)


def refused(words: str) -> Reply:
    return Reply(400, {"status": {"code": 400, "msg": "BadRequest", "dd_code": 1006, "dd_msg": words}})


@pytest.mark.parametrize("words", NOT_CREATED)
def test_one_whose_model_folder_holds_nothing_is_missing(
    server: ScriptedDeepDetect, client: Client, words: str
) -> None:
    answer = server.respond
    server.respond = lambda request: refused(words) if request.method == "PUT" else answer(request)
    with pytest.raises(ServiceNotFoundError) as caught:
        service_of(client, VGG, repository="/models/{model}")
    assert_names(caught, "/models/vgg16", "--ddperf-repository")
    assert caught.value.dd_msg == words


def test_a_repository_that_the_server_refuses_for_another_reason_is_reported(
    server: ScriptedDeepDetect, client: Client
) -> None:
    answer, words = server.respond, "Service Bad Request Error: number of classes is unknown (nclasses == 0)"
    server.respond = lambda request: refused(words) if request.method == "PUT" else answer(request)
    with pytest.raises(RequestRefusedError, match="number of classes"):
        service_of(client, VGG, repository="/models/{model}")


def test_one_that_somebody_created_meanwhile_is_used(server: ScriptedDeepDetect, client: Client) -> None:
    answer = server.respond
    hidden = [Reply(404, {"status": {"code": 404, "msg": "NotFound", "dd_code": 1002, "dd_msg": "Service Not Found"}})]
    server.respond = lambda request: (
        hidden.pop() if hidden and request.method == "GET" and "resnet50" in request.path else answer(request)
    )
    assert not service_of(client, RESNET, repository="/models/{model}").created
    assert server.services == ["resnet50"]


def test_one_whose_creation_timed_out_is_not_created_a_second_time_meanwhile(
    server: ScriptedDeepDetect, client: Client
) -> None:
    answer = server.respond
    server.respond = lambda request: Reply(delay_s=math.inf) if request.method == "PUT" else answer(request)
    with pytest.raises(ServerUnreachableError):
        service_of(client, VGG, repository="/models/{model}", cold_start_timeout_s=0.2)
    with pytest.raises(ServerBusyError) as caught:
        service_of(client, VGG, repository="/models/{model}")
    assert_names(caught, "--ddperf-cold-start-timeout")
    assert len(server.asked("PUT")) == 1
    server.respond = answer
    client.in_flight.clear()  # as after a restart of the server
    assert service_of(client, VGG, repository="/models/{model}").created


def test_one_whose_creation_was_refused_may_be_created_again(server: ScriptedDeepDetect, client: Client) -> None:
    answer = server.respond
    server.respond = lambda request: refused("busy") if request.method == "PUT" else answer(request)
    with pytest.raises(RequestRefusedError):
        service_of(client, VGG, repository="/models/{model}")
    server.respond = answer
    assert service_of(client, VGG, repository="/models/{model}").created


# --- networks of the user's own


def test_one_of_ones_own_is_created_as_its_files_say(
    server: ScriptedDeepDetect, client: Client, tmp_path: Path
) -> None:
    service = service_of(client, own(caffe_folder(tmp_path / "a", side=64, classes=7)), repository="/models/{model}")
    assert (service.mllib, service.width, service.height) == ("caffe", 64, 64)
    assert created(server)["model"] == {"repository": "/opt/mine"}
    assert created(server)["parameters"]["mllib"]["nclasses"] == 7


def test_its_folder_on_the_server_is_taken_literally(server: ScriptedDeepDetect, client: Client) -> None:
    service_of(client, Network("mine", "Mine", repository="/opt/{model}/x"))
    assert created(server)["model"] == {"repository": "/opt/{model}/x"}


def test_knobs_win_over_its_files(server: ScriptedDeepDetect, client: Client, tmp_path: Path) -> None:
    folder = caffe_folder(tmp_path / "a", side=64, classes=7)
    service = service_of(client, own(folder), parameters=ServiceParameters(img_width=320, nclasses=9))
    assert (service.width, service.height) == (320, 64)
    assert created(server)["parameters"]["mllib"]["nclasses"] == 9


def test_an_engine_is_built_for_the_batch_size_where_its_files_are_tensorrts(
    server: ScriptedDeepDetect, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    service = service_of(client, own(tmp_path), 16, parameters=ServiceParameters(mllib="caffe"))
    assert (service.mllib, service.engine, service.choice) == ("tensorrt", 16, "")
    assert created(server)["parameters"]["mllib"]["maxBatchSize"] == 16


def test_a_folder_that_is_gone_is_said(client: Client, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        service_of(client, own(tmp_path / "gone"))
    assert_names(caught, tmp_path / "gone")


def test_the_embedded_server_takes_the_folder_here_and_its_own_backend(
    server: ScriptedDeepDetect, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "net.onnx").write_bytes(b"")
    service = open_service(
        client, ServerOptions("embedded", parameters=ServiceParameters(mllib="tensorrt")), own(tmp_path), 16
    )
    assert (service.mllib, service.engine) == ("onnxruntime", None)
    assert created(server)["model"] == {"repository": str(tmp_path)}


@pytest.mark.parametrize(
    ("task", "output"),
    [
        (Task.CLASSIFICATION, {"best": 1}),
        (Task.DETECTION, {"confidence_threshold": 0.1, "bbox": True}),
        (Task.REGRESSION, {"regression": True}),
    ],
)
def test_its_task_shapes_the_request(
    server: ScriptedDeepDetect, client: Client, task: Task, output: dict[str, object]
) -> None:
    options = ServerOptions(server.url)
    service = open_service(client, options, own(task=task), 2)
    build_batch(client, options, IMAGES, service, 2).predict()
    (asked,) = server.asked("POST", "/predict")
    body: Any = asked.json()
    assert body["parameters"]["output"] == output
    assert created(server)["parameters"]["input"].get("regression") == (True if task is Task.REGRESSION else None)


# --- batches


def test_a_batch_is_predicted_and_checked(server: ScriptedDeepDetect, client: Client) -> None:
    options = ServerOptions(server.url)
    batch = build_batch(client, options, IMAGES, open_service(client, options, RESNET, 2), 2)
    assert batch.predict().client_ms > 0
    server.wrong = lambda _, answered: answered[1:]
    with pytest.raises(AnswerError):
        batch.predict()


# --- templates of the Torch backend

TENSORRT = ServiceParameters(mllib="tensorrt")


def without_models(server: ScriptedDeepDetect, params: object = None) -> None:
    """Let a server have empty model folders, and report the parameters of what it creates from a template."""
    answer = server.respond
    (needs_model,) = (one.reply() for one in load("torch-v0.29") if one.name == "put_no_template_empty_repo")

    def respond(request: Request) -> Reply:
        if request.method == "PUT" and "template" not in request.json()["parameters"]["mllib"]:  # type: ignore[index]
            return needs_model
        reply = answer(request)
        if request.method == "GET" and reply.status == 200 and isinstance(reply.body, dict) and "body" in reply.body:
            reply.body["body"]["model_stats"] = {"params": params}
        return reply

    server.respond = respond


def templates_sent(server: ScriptedDeepDetect) -> list[object]:
    bodies: list[Any] = [one.json() for one in server.asked("PUT", "/services/")]
    return [body["parameters"]["mllib"].get("template") for body in bodies]


def torch_service(client: Client, model: Network, **parameters: Any) -> OpenService:  # noqa: ANN401 - any parameter
    asked = ServiceParameters(mllib="torch", **parameters)
    return service_of(client, model, service="torch_{model}", repository="/models/{model}", parameters=asked)


def test_a_network_without_a_model_is_created_from_its_template(server: ScriptedDeepDetect, client: Client) -> None:
    without_models(server, 25557032)
    service = torch_service(client, RESNET)
    assert (service.template, service.created) == ("resnet50", True)
    assert templates_sent(server) == [None, "resnet50"]


def test_a_service_that_another_client_creates_before_its_template_is_sent_is_used(
    server: ScriptedDeepDetect, client: Client
) -> None:
    without_models(server)
    answer = server.respond

    def respond(request: Request) -> Reply:
        if request.method == "PUT":
            answer(request)
        return answer(request)

    server.respond = respond
    service = torch_service(client, RESNET)
    assert (service.name, service.created) == ("torch_resnet50", False)
    assert templates_sent(server) == [None, "resnet50"]


def test_a_network_with_a_model_is_created_from_it(server: ScriptedDeepDetect, client: Client) -> None:
    assert torch_service(client, RESNET).template == ""
    assert templates_sent(server) == [None]


def test_a_template_asked_for_is_sent_at_once(server: ScriptedDeepDetect, client: Client) -> None:
    without_models(server)
    assert torch_service(client, RESNET, template="resnet50").template == "resnet50"
    assert templates_sent(server) == ["resnet50"]


def test_another_failure_of_the_creation_does_not_ask_for_a_template(
    server: ScriptedDeepDetect, client: Client
) -> None:
    answer, why = server.respond, "torch/csrc/jit/serialization/import.cpp:1: broken archive"
    failed = Reply(500, {"status": {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": why}})
    server.respond = lambda request: failed if request.method == "PUT" else answer(request)
    with pytest.raises(ServerFailedError, match="broken archive"):
        torch_service(client, RESNET)
    assert templates_sent(server) == [None]


@pytest.mark.parametrize("model", [VGG, Network("mobilevit_s", "MobileViT")])
def test_a_network_without_model_and_template_is_missing(
    server: ScriptedDeepDetect, client: Client, model: Network
) -> None:
    without_models(server)
    with pytest.raises(ServiceNotFoundError, match="--ddperf-repository"):
        torch_service(client, model)
    assert templates_sent(server) == [None]


def test_another_network_than_the_template_s_is_deleted_and_not_measured(
    server: ScriptedDeepDetect, client: Client
) -> None:
    without_models(server, 86567656)  # a ViT
    with pytest.raises(AnswerError) as caught:
        torch_service(client, RESNET)
    assert_names(caught, "86,567,656", "25,557,032")
    assert "torch_resnet50" not in server.services


@pytest.mark.parametrize(("nclasses", "params"), [(None, 25557032), (10, 23528522), (10, None), (10, "many")])
def test_a_template_s_network_is_recognised_by_its_parameters(
    server: ScriptedDeepDetect, client: Client, nclasses: int | None, params: object
) -> None:
    without_models(server, params)
    assert torch_service(client, RESNET, nclasses=nclasses).template == "resnet50"


def test_the_template_of_an_existing_service_is_that_which_it_reports() -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", mllib="torch")]) as server:
        answer = server.respond

        def respond(request: Request) -> Reply:
            reply = answer(request)
            if request.path == "/services/resnet50" and isinstance(reply.body, dict):
                reply.body["body"]["parameters"]["mllib"]["template"] = "resnet50"
            return reply

        server.respond = respond
        client = Client(server.url)
        assert service_of(client, RESNET).template == "resnet50"
        client.close()


# --- TensorRT


def with_versions(server: ScriptedDeepDetect, deps_version: str) -> None:
    answer = server.respond

    def respond(request: Request) -> Reply:
        reply = answer(request)
        if request.path == "/info" and isinstance(reply.body, dict):
            reply.body["head"]["deps_version"] = deps_version
        return reply

    server.respond = respond


@pytest.mark.parametrize(
    ("mllib", "datatype", "version", "actual"),
    [
        ("tensorrt", "fp16", "10.12.0.36", "fp32"),
        ("tensorrt", "int8", "10.13", "fp32"),
        ("TensorRT", "fp16", "11.0.1", "fp32"),
        ("tensorrt", "fp16", "10.11.0.33", "fp16"),
        ("tensorrt", "fp16", "10.9", "fp16"),
        ("tensorrt", "fp16", "8.6.1", "fp16"),
        ("tensorrt", "fp16", "", "fp16"),
        ("tensorrt", "fp16", "unknown", "fp16"),
        ("tensorrt", "fp32", "10.12.0.36", "fp32"),
        ("ncnn", "fp16", "10.12.0.36", "fp16"),
    ],
)
@pytest.mark.parametrize("is_there", [True, False])
def test_the_precision_of_a_service_is_the_one_in_which_it_runs(
    mllib: str, datatype: str, version: str, actual: str, is_there: bool
) -> None:
    there = [ServiceSetup("resnet50", mllib=mllib, datatype=datatype)] if is_there else []
    with ScriptedDeepDetect(services=there) as server:
        with_versions(server, f"OPENCV_VERSION=4.6.0 CUDA_VERSION= TENSORRT_VERSION={version}")
        client = Client(server.url)
        client.info()
        parameters = ServiceParameters(mllib=mllib, datatype=datatype)
        service = service_of(client, RESNET, repository="/models/{model}", parameters=parameters)
        client.close()
    assert service.datatype == actual
    assert [f"{datatype} has no effect" in note and version in note for note in service.notes] == [True] * (
        actual != datatype
    )


@pytest.mark.parametrize(("mllib", "gpu"), [("tensorrt", True), ("TensorRT", True), ("ncnn", False), ("torch", False)])
def test_the_device_of_a_service_is_the_one_on_which_its_backend_runs(mllib: str, gpu: bool) -> None:
    """TensorRT and NCNN do not read `gpu`."""
    there = [ServiceSetup("resnet50", mllib=mllib, gpu=mllib == "ncnn")]
    for services in (there, []):
        with ScriptedDeepDetect(services=services) as server:
            client = Client(server.url)
            parameters = ServiceParameters(mllib=mllib, gpu=mllib == "ncnn")
            service = service_of(client, RESNET, repository="/models/{model}", parameters=parameters)
            client.close()
        assert (service.created, service.gpu) == (not services, gpu)


@pytest.mark.parametrize(
    ("mllib", "typed", "noted"),
    [
        ("torch", {"mllib": "ncnn"}, "--ddperf-mllib=ncnn has"),
        ("torch", {"mllib": "torch", "gpu": True}, ""),  # which it has
        ("TensorRT", {"mllib": "tensorrt", "gpu": True}, ""),
        ("torch", {"gpuid": 1, "rgb": True}, "--ddperf-rgb, --ddperf-gpuid=1 have"),
        ("tensorrt", {"gpuid": 1}, ""),  # it reads that with each prediction
        ("tensorrt", {"datatype": "fp16"}, "--ddperf-datatype=fp16 has"),
        ("torch", {"datatype": "fp16", "image_interp": "cubic", "img_width": 300}, ""),
    ],
)
def test_an_option_that_an_existing_service_does_not_read_is_noted(
    mllib: str, typed: dict[str, Any], noted: str
) -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", mllib=mllib)]) as server:
        client = Client(server.url)
        service = service_of(client, RESNET, parameters=ServiceParameters(**typed, typed=frozenset(typed)))
        client.close()
    assert service.mllib == mllib
    assert [note.startswith(noted) and mllib in note for note in service.notes] == [True] * bool(noted)


@pytest.mark.parametrize(
    ("asked", "platform", "backend"),
    [("auto", "auto", "unknown"), ("auto", "caffe", "caffe"), ("ncnn", "caffe", "ncnn")],
)
def test_auto_is_never_the_backend_of_a_service_that_reports_none(asked: str, platform: str, backend: str) -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", mllib="")]) as server:
        client = Client(server.url)
        options = ServerOptions(server.url, parameters=ServiceParameters(mllib=asked), platform_mllib=platform)
        assert open_service(client, options, RESNET, 1).mllib == backend
        client.close()


@pytest.mark.parametrize(("asked", "is_noted"), [("torch", True), ("onnxruntime", False), ("auto", False)])
def test_a_backend_that_the_embedded_server_of_a_run_does_not_use_is_noted(
    client: Client, asked: str, is_noted: bool
) -> None:
    parameters = ServiceParameters(mllib=asked, typed=frozenset({"mllib"}))
    service = open_service(client, ServerOptions("embedded", parameters=parameters), VGG, 1)
    assert service.mllib == "onnxruntime"
    assert ["--ddperf-mllib=torch" in note for note in service.notes] == [True] * is_noted


def test_the_engine_of_each_batch_size_has_a_file_of_its_own(server: ScriptedDeepDetect, client: Client) -> None:
    for size in (1, 16):
        options = {"service": f"{{model}}_{size}", "repository": "/models/{model}", "parameters": TENSORRT}
        service_of(client, VGG, size, **options)
    bodies: list[Any] = [one.json() for one in server.asked("PUT", "/services/")]
    files = [body["parameters"]["mllib"]["tensorRTEngineFile"] for body in bodies]
    assert [f"{one}_arch87_fp32" in f"{files[1]}_arch87_fp32_bs16" for one in files] == [False, True]
    assert files[0] not in files[1]  # older servers search for the name alone
    assert all(one.startswith("TRTengine") for one in files)  # a server deletes only files of that name


def test_no_other_backend_has_an_engine(server: ScriptedDeepDetect, client: Client) -> None:
    service_of(client, VGG, repository="/models/{model}")
    assert "tensorRTEngineFile" not in created(server)["parameters"]["mllib"]


@pytest.mark.parametrize(("mllib", "is_cold"), [("tensorrt", True), ("caffe", False)])
def test_a_tensorrt_service_builds_its_engine_with_the_first_prediction(mllib: str, is_cold: bool) -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", mllib=mllib)]) as server:
        client = Client(server.url)
        assert service_of(client, RESNET).is_cold is is_cold
        server.use_elsewhere("resnet50")
        assert not service_of(client, RESNET).is_cold
        client.close()


@pytest.mark.parametrize(
    ("mllib", "created_", "engine", "reported", "fixed"),
    [
        ("onnxruntime", True, None, 4, 4),
        ("onnxruntime", False, None, 4, 4),
        ("onnxruntime", True, None, None, None),
        ("tensorrt", True, 8, 8, None),
        ("tensorrt", True, 8, 4, 4),
        ("tensorrt", False, None, 48, None),
        ("torch", True, None, 256, None),
        ("torch", True, None, 4, 4),
        ("torch", True, None, None, None),
        ("torch", True, None, -1, None),
        ("onnxruntime", False, None, 0, None),
    ],
)
def test_a_reported_batch_size_is_the_network_s_unless_it_was_asked_for(
    mllib: str, created_: bool, engine: int | None, reported: int | None, fixed: int | None
) -> None:
    service = OpenService("s", mllib, created_, None, 224, 224, True, "fp32", engine=engine)
    assert find_fixed_batch(service, ServiceInfo("s", mllib, max_batch_size=reported)) == fixed
