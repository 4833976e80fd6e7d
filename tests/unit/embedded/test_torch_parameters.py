"""What a Torch service reads at its creation, and what it reads with each prediction instead."""

from __future__ import annotations

import pytest

from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.wire import MAX_CLASSES, TorchService, parse_service, parse_test_batch_size


def parse(given: dict[str, object], mllib: str = "torch") -> TorchService | None:
    parameters = {"input": {"connector": "image"}, "mllib": given}
    return parse_service({"mllib": mllib, "parameters": parameters}).torch


def refuse(given: dict[str, object]) -> tuple[int, int | None]:
    with pytest.raises(ApiError) as caught:
        parse(given)
    return caught.value.status, caught.value.dd_code


def test_only_torch_services_are_parsed_as_such() -> None:
    assert parse({"template": "resnet18", "nclasses": 7}) == TorchService("resnet18", 7)
    assert [parse({"gpu": True, "datatype": "int8"}, mllib) for mllib in ("onnxruntime", "caffe", "ncnn")] == [None] * 3


def test_null_and_what_other_backends_read_are_ignored() -> None:
    ignored: dict[str, object] = {"maxBatchSize": 32, "calibration": True, "inputBlob": "data", "nosuch": 1}
    absent = dict.fromkeys(("template", "datatype", "nclasses", "gpu", "gpuid"))
    assert parse({**ignored, **absent}) == TorchService()


def test_every_datatype_of_torch_is_accepted_at_creation_even_fp16() -> None:
    assert [parse({"datatype": datatype}) for datatype in ("fp16", "fp32", "fp64")] == [TorchService()] * 3


def test_what_the_backend_cannot_do_is_refused_at_creation() -> None:
    rows: list[tuple[dict[str, object], tuple[int, int]]] = [
        ({"gpu": True}, (400, 1006)),
        ({"gpu": True, "gpuid": [0, 1]}, (400, 1006)),
        ({"datatype": "int8"}, (400, 1006)),
        ({"datatype": "bf16"}, (400, 1006)),
        ({"datatype": "FP32"}, (400, 1006)),
        ({"datatype": ""}, (400, 1006)),
        ({"ntargets": 1}, (400, 1006)),
        ({"nclasses": MAX_CLASSES + 1}, (400, 1006)),
        ({"nclasses": -5}, (500, 1007)),
        ({"nclasses": "1000"}, (500, 1007)),
        ({"nclasses": 1000.0}, (500, 1007)),
        ({"gpu": "true"}, (500, 1007)),
        ({"gpuid": "0"}, (500, 1007)),
        ({"gpuid": ["0"]}, (500, 1007)),
        ({"template": 50}, (500, 1007)),
        ({"datatype": 16}, (500, 1007)),
    ]
    assert [(given, refuse(given)) for given, _ in rows] == rows


def test_the_batch_size_of_a_prediction_is_one_unless_it_says_otherwise() -> None:
    rows: list[tuple[object, int]] = [
        (None, 1),
        ({}, 1),
        ({"mllib": None}, 1),
        ({"mllib": {"net": None}}, 1),
        ({"mllib": {"net": {"test_batch_size": None}}}, 1),
        ({"mllib": {"net": {"batch_size": 8}}}, 1),
        ({"mllib": {"test_batch_size": 8}}, 1),
        ({"mllib": {"net": {"test_batch_size": 8}}}, 8),
        ({"mllib": {"net": {"test_batch_size": 0}}}, 0),
        ({"mllib": {"net": {"test_batch_size": -1}}}, -1),
        ({"mllib": {"datatype": "fp64", "gpu": True, "gpuid": [0, 1], "template": "nosuch"}}, 1),
    ]
    assert [(given, parse_test_batch_size(given)) for given, _ in rows] == rows  # type: ignore[arg-type]


def test_what_the_backend_cannot_do_is_refused_with_each_prediction() -> None:
    rows: list[tuple[dict[str, object], tuple[int, int]]] = [
        ({"datatype": "fp16"}, (400, 1006)),
        ({"datatype": "int8"}, (400, 1006)),
        ({"extract_layer": "last"}, (400, 1006)),
        ({"datatype": 16}, (500, 1007)),
        ({"net": 8}, (500, 1007)),
        ({"net": {"test_batch_size": "8"}}, (500, 1007)),
        ({"net": {"test_batch_size": 8.0}}, (500, 1007)),
    ]
    refused = []
    for given, _ in rows:
        with pytest.raises(ApiError) as caught:
            parse_test_batch_size({"mllib": given})
        refused.append((given, (caught.value.status, caught.value.dd_code)))
    assert refused == rows
