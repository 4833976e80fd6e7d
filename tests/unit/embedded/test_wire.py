from __future__ import annotations

from typing import Any

import pytest
from every_row import every_row

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.wire import (
    MLLIBS,
    ImageSettings,
    OutputSettings,
    parse_output,
    parse_parameters,
    parse_predict,
    parse_service,
)

PLAIN = ImageSettings()


def service(**changes: object) -> dict[str, Any]:
    document = {
        "mllib": "onnxruntime",
        "description": "a network",
        "type": "supervised",
        "parameters": {"input": {"connector": "image"}, "mllib": {}, "output": {}},
        "model": {"repository": "vgg16"},
    }
    return {key: value for key, value in (document | changes).items() if value is not ...}


def refused(call: Any, *arguments: object) -> tuple[int, int | None]:  # noqa: ANN401 - any of the functions
    with pytest.raises(ApiError) as caught:
        call(*arguments)
    return caught.value.status, caught.value.dd_code


def input_settings(**given: object) -> ImageSettings:
    return parse_parameters({"input": given}, PLAIN)[0]


def test_an_error_without_a_code_has_none_in_its_body() -> None:
    assert ApiError(400, "BadRequest").body() == {"status": {"code": 400, "msg": "BadRequest"}}


def test_an_error_with_a_code_has_it_in_its_body() -> None:
    expected = {"status": {"code": 404, "msg": "NotFound", "dd_code": 1002, "dd_msg": "Service Not Found"}}
    assert ApiError(404, "NotFound", 1002, "Service Not Found").body() == expected


def test_what_dd_bench_creates_is_taken() -> None:
    given = {
        "connector": "image",
        "width": 224,
        "height": 224,
        "bw": False,
        "rgb": False,
        "histogram_equalization": False,
        "scale": 1.0,
    }
    mllib = {"nclasses": 1000, "datatype": "fp32", "readEngine": True, "maxBatchSize": 128, "gpu": True, "gpuid": 0}
    request = parse_service(service(parameters={"input": given, "mllib": mllib, "output": {}}))
    assert request.settings == ImageSettings(width=224, height=224)
    assert request.repository == "vgg16"
    assert request.parameters["mllib"] == mllib


@every_row("mllib", sorted(MLLIBS))
def test_the_libraries_that_deepdetect_knows_are_taken(mllib: str) -> None:
    assert parse_service(service(mllib=mllib)).description == "a network"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], (400, 400)),
        (None, (400, 400)),
        (service(mllib=...), (400, 400)),
        (service(mllib=3), (400, 400)),
        (service(parameters=...), (400, 400)),
        (service(parameters=[]), (400, 400)),
        (service(parameters={"input": {}}), (400, 400)),
        (service(mllib="nosuchlib"), (404, 1000)),
        (service(parameters={"input": {"connector": "csv"}}), (404, 1004)),
        (service(parameters={"input": {"connector": "image", "scale": 1}}), (400, 1005)),
        (service(parameters={"input": {"connector": "image", "width": "224"}}), (500, 1007)),
        (service(parameters={"input": [], "mllib": {}}), (500, 1007)),
        (service(type="unsupervised"), (400, 1006)),
        (service(model=3), (500, 1007)),
    ],
)
def test_a_service_that_cannot_be_created_so_is_refused(document: object, expected: tuple[int, int]) -> None:
    assert refused(parse_service, document) == expected


def test_a_service_needs_neither_type_nor_description() -> None:
    assert parse_service(service(type=..., description=...)).description == ""


@pytest.mark.parametrize("model", [..., None, {}, {"repository": None}])
def test_a_service_without_a_repository_has_an_empty_one(model: object) -> None:
    assert parse_service(service(model=model)).repository == ""


def test_the_service_of_a_prediction_is_lower_case() -> None:
    assert parse_predict({"service": "VGG16", "data": ["a"]}).service == "vgg16"


@every_row("document", [None, [], "x", {}, {"service": 3, "data": []}])
def test_a_prediction_without_a_service_is_refused_without_a_code(document: object) -> None:
    assert refused(parse_predict, document) == (400, None)


@every_row("data", ["a.jpg", [1], [None], {"a": 1}, 3])
def test_data_that_is_no_list_of_strings_is_a_failure_inside(data: object) -> None:
    assert refused(parse_predict, {"service": "a", "data": data}) == (500, 1007)


@pytest.mark.parametrize("data", [{}, {"data": None}, {"data": []}])
def test_no_data_is_left_to_the_prediction_to_refuse(data: dict[str, object]) -> None:
    assert parse_predict({"service": "a", **data}).data == ()


@pytest.mark.parametrize(
    "parameters", [None, {}, {"input": None}, {"input": {}, "output": {}}, {"mllib": {"gpu": True}}]
)
def test_without_parameters_the_services_settings_stand(parameters: object) -> None:
    settings = ImageSettings(width=3, scale=0.5)
    assert parse_parameters(parameters, settings) == (settings, OutputSettings())


def test_parameters_change_what_they_name_only() -> None:
    settings = ImageSettings(width=3, height=4, mean=(1.0,))
    changed, _ = parse_parameters({"input": {"height": 5, "rgb": True, "interp": None}}, settings)
    assert changed == ImageSettings(width=3, height=5, rgb=True, mean=(1.0,))


def test_the_outputs_parameters_are_read() -> None:
    _, output = parse_parameters({"output": {"best": 3, "confidence_threshold": 1, "measure": ["acc"]}}, PLAIN)
    assert output == OutputSettings(best=3, confidence_threshold=1, measure=True)


@every_row(
    "parameters",
    [
        [],
        {"output": {"best": "3"}},
        {"output": {"best": 3.5}},
        {"output": {"best": True}},
        {"output": {"confidence_threshold": "high"}},
        {"output": {"measure": "acc"}},
        {"output": []},
        {"input": {"bw": 1}},
        {"input": {"mean": 104}},
        {"input": {"mean": ["104"]}},
        {"input": {"interp": 2}},
    ],
)
def test_a_wrong_json_type_is_a_failure_inside(parameters: object) -> None:
    assert refused(parse_parameters, parameters, PLAIN) == (500, 1007)


@every_row(
    "given",
    [{"width": 0}, {"height": -1}, {"width": 10**9}, {"mean": [1, 2]}, {"std": [0]}, {"scale": 2}, {"scale": "1"}],
)
def test_a_value_that_the_connector_cannot_use_is_refused(given: dict[str, object]) -> None:
    assert refused(parse_parameters, {"input": given}, PLAIN) == (400, 1005)


def test_what_the_tasks_ask_for_is_read() -> None:
    output = parse_output(
        {
            "bbox": True,
            "best_bbox": 3,
            "nms_threshold": 0.3,
            "rois": "rois",
            "multibox_rois": True,
            "search": True,
            "search_nn": 5,
            "regression": True,
            "ctc": True,
            "blank_label": 0,
        }
    )
    assert (output.best_bbox, output.nms_threshold, output.rois, output.search_nn, output.blank_label) == (
        3,
        0.3,
        "rois",
        5,
        0,
    )
    assert output.asks_for == {"bbox", "rois", "multibox_rois", "search", "regression", "ctc"}


def test_null_and_nothing_ask_for_nothing() -> None:
    assert parse_output({}) == parse_output({"bbox": None, "rois": None, "search_nn": None}) == OutputSettings()
    assert OutputSettings().asks_for == frozenset()


@pytest.mark.parametrize("output", [{"bbox": 1}, {"rois": True}, {"search_nn": 2.5}, {"nms_threshold": "0.3"}])
def test_a_wrong_type_of_what_a_task_asks_for_is_a_failure_inside(output: dict[str, object]) -> None:
    with pytest.raises(ApiError) as caught:
        parse_output(output)
    assert (caught.value.status, caught.value.dd_code) == (500, 1007)
