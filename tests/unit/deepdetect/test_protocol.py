from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from messages import assert_names
from replay import RECORDINGS, load

from pytest_ddperf.core.service_parameters import DD_BENCH_DEFAULTS, ServiceParameters
from pytest_ddperf.deepdetect.predictions import Class, Prediction
from pytest_ddperf.deepdetect.protocol import (
    Answer,
    ServiceStats,
    build_predict_body,
    build_service_body,
    check_predictions,
    parse_info,
    parse_prediction,
    parse_service,
)
from pytest_ddperf.deepdetect.status import raise_for_status
from pytest_ddperf.errors import AnswerError, DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

PARSERS: list[Callable[[object], object]] = [
    parse_info,
    parse_service,
    parse_prediction,
    lambda answer: raise_for_status(200, answer),
    lambda answer: raise_for_status(500, answer, service="s"),
]


def prediction_answer(**changes: object) -> dict[str, Any]:
    one = {"uri": "a.jpg", "classes": [{"prob": 0.5, "cat": "n01 cat", "last": True}], "images": []}
    return {
        "status": {"code": 200, "msg": "OK"},
        "head": {"method": "/predict", "service": "s", "time": 104.0},
        "body": {"predictions": [one]},
    } | changes


def answer_of(*uris: str, probability: float = 0.5) -> Answer:
    return Answer(1.0, tuple(Prediction(uri, (Class("n01 cat", probability),)) for uri in uris))


# --- bodies


def test_a_service_is_created_with_the_body_of_dd_bench() -> None:
    assert build_service_body("/srv/models/resnet50") == {
        "description": "image classification service",
        "mllib": "caffe",
        "type": "supervised",
        "parameters": {
            "input": {
                "connector": "image",
                "width": 224,
                "height": 224,
                "bw": False,
                "rgb": False,
                "histogram_equalization": False,
                "scale": 1.0,
            },
            "mllib": {
                "nclasses": 1000,
                "datatype": "fp32",
                "readEngine": True,
                "writeEngine": True,
                "maxBatchSize": 256,
                "maxWorkspaceSize": 1024,
                "gpu": False,
                "gpuid": 0,
            },
            "output": {},
        },
        "model": {"repository": "/srv/models/resnet50"},
    }


def test_scale_is_a_json_float_even_where_a_whole_number_is_asked() -> None:
    assert '"scale": 1.0' in json.dumps(build_service_body("/m", ServiceParameters(scale=1)))


def test_dla_is_a_core_number_and_absent_otherwise() -> None:
    parameters: Any = build_service_body("/m", ServiceParameters(mllib="tensorrt", dla=True))["parameters"]
    assert parameters["mllib"]["dla"] == 0


def test_a_prediction_is_asked_with_the_body_of_dd_bench_without_its_interp_null() -> None:
    assert build_predict_body("resnet50", ["/srv/a.jpg", "/srv/b.jpg"], replace(DD_BENCH_DEFAULTS, gpu=True)) == {
        "service": "resnet50",
        "parameters": {
            "input": {"width": 224, "height": 224},
            "mllib": {"gpu": True, "gpuid": 0},
            "output": {},
        },
        "data": ["/srv/a.jpg", "/srv/b.jpg"],
    }


def test_size_interpolation_cuda_and_output_are_sent_where_they_are_given() -> None:
    body: Any = build_predict_body(
        "s", [], ServiceParameters(image_interp="cubic", gpu_resize=True), output={"best": 1}
    )
    assert body["parameters"]["input"] == {"interp": "cubic", "cuda": True}
    assert body["parameters"]["output"] == {"best": 1}


# --- answers


def test_info_tells_the_build_and_every_service_with_its_totals() -> None:
    recorded = next(one for one in load("caffe-v0.28") if one.name == "info_two_services")
    info = parse_info(recorded.answer)
    assert (info.version, info.build_type, info.branch) == ("v0.28.0", "release", "HEAD")
    assert info.compile_flags.endswith("USE_HTTP_SERVER=OFF")
    assert [one.name for one in info.services] == ["squeezenet2", "squeezenet"]
    assert info.services[1].stats == ServiceStats(57, 22453.619752000002, 928.825102)


def test_a_service_tells_backend_size_gpu_datatype_and_folder() -> None:
    recorded = next(one for one in load("ncnn-v0.29") if one.name == "get_service_final")
    service = parse_service(recorded.answer)
    assert (service.name, service.mllib, service.width, service.height) == ("squeezenet", "ncnn", 227, 227)
    assert (service.gpu, service.datatype, service.repository) == (False, "fp32", "/srv/models/ncnn/squeezenet")


def test_a_service_of_an_older_server_has_no_stats() -> None:
    assert parse_service({"body": {"name": "s"}}).stats is None


def test_totals_that_a_server_leaves_out_are_none() -> None:
    assert parse_service({"body": {"name": "s", "service_stats": {"predict_count": 3.0}}}).stats == ServiceStats(3)


def test_the_size_may_stand_in_the_input_parameters_only() -> None:
    service = parse_service({"body": {"name": "s", "parameters": {"input": {"width": 300, "height": 200}}}})
    assert (service.width, service.height) == (300, 200)


@pytest.mark.parametrize(
    "optional",
    [
        {"parameters": 3},
        {"parameters": {"input": [], "mllib": "caffe"}},
        {"width": "224", "height": None},
        {"extra": 1},
    ],
)
def test_a_wrong_type_of_an_optional_value_counts_as_absent(optional: dict[str, object]) -> None:
    service = parse_service({"body": {"name": "s", **optional}})
    assert (service.width, service.height, service.gpu, service.datatype) == (None, None, None, "")


@every_row("head", [None, 3, "x", [], True])
def test_a_head_that_is_no_object_has_no_time(head: object) -> None:
    assert parse_prediction(prediction_answer(head=head)).head_ms is None


@pytest.mark.parametrize("gpuid", [0, [0], [0, 1], None])
def test_gpuid_may_be_a_number_or_a_list(gpuid: object) -> None:
    answer = {"body": {"name": "s", "parameters": {"mllib": {"gpu": True, "gpuid": gpuid}}}}
    assert parse_service(answer).gpu is True


@pytest.mark.parametrize("recording", ["ncnn-v0.29", "caffe-v0.28"])
def test_with_a_measure_the_time_stands_in_the_body(recording: str) -> None:
    recorded = next(one for one in load(recording) if one.name == "predict_measure")
    assert parse_prediction(recorded.answer).head_ms == recorded.answer["body"]["time"]


def test_a_time_of_zero_is_a_time_and_an_absent_one_is_none() -> None:
    assert parse_prediction(prediction_answer(head={"time": 0.0})).head_ms == 0.0
    assert parse_prediction(prediction_answer(head={})).head_ms is None


@every_row("time", [float("nan"), float("inf"), -1.0, "12", True, None, [], 10**400])
def test_an_invalid_time_is_refused_and_its_place_is_named(time: object) -> None:
    with pytest.raises(AnswerError, match=r"`\$\.head\.time`"):
        parse_prediction(prediction_answer(head={"time": time}))


@pytest.mark.parametrize(
    ("body", "facts"),
    [
        ({}, ("`predictions`", "`$.body`")),
        ({"predictions": [3]}, ("`int`", "`$.body.predictions[0]`")),
        ({"predictions": [{"classes": []}]}, ("`uri`", "`$.body.predictions[0]`")),
        ({"predictions": [{"uri": "a"}]}, ("`classes`", "`$.body.predictions[0]`")),
        ({"predictions": [{"uri": "a", "classes": None}]}, ("`null`", "`$.body.predictions[0].classes`")),
        ({"predictions": [{"uri": "a", "classes": [{"cat": "c"}]}]}, ("`prob`", "`$.body.predictions[0].classes[0]`")),
        ({"predictions": [{"uri": "a", "classes": [{"prob": float("nan"), "cat": "c"}]}]}, ("classes[0].prob`",)),
        ({"predictions": [{"uri": "a", "classes": [{"prob": "0.5", "cat": "c"}]}]}, ("classes[0].prob`",)),
        ({"predictions": [{"uri": "a", "classes": [{"prob": 0.5}]}]}, ("`cat`", "`$.body.predictions[0].classes[0]`")),
        ({"predictions": [{"uri": "a", "classes": ["...[1000 items]"]}]}, ("`$.body.predictions[0].classes[0]`",)),
        ({"predictions": ["\ud800"]}, ("DeepDetect",)),
    ],
)
def test_a_wrong_prediction_is_refused_by_its_place(body: object, facts: tuple[str, ...]) -> None:
    with pytest.raises(AnswerError) as caught:
        parse_prediction(prediction_answer(body=body), url="http://h", service="resnet50")
    assert_names(caught, "resnet50", *facts)


@every_row(
    "stats",
    [3, *({"predict_count": one} for one in (-1, 1.5, "1", True, None, 10**400)), {"total_predict_duration_ms": "1"}],
)
def test_wrong_totals_are_refused(stats: object) -> None:
    with pytest.raises(AnswerError, match="service_stats"):
        parse_service({"body": {"name": "s", "service_stats": stats}})


@given(st.sampled_from(PARSERS), JSON)
def test_any_json_gives_a_value_or_an_error_of_ours(parse: Callable[[object], object], answer: object) -> None:
    try:
        parse(answer)
    except DdperfError as error:
        assert len(str(error)) < 500  # noqa: PT017 - whether it raises is up to the input


@given(st.sampled_from(PARSERS), st.sampled_from(("head", "body", "status")), st.text(max_size=4), JSON)
def test_any_json_inside_an_answer_gives_a_value_or_an_error_of_ours(
    parse: Callable[[object], object], place: str, key: str, value: object
) -> None:
    keys = [key, "services", "predictions", "time", "code", "name", "service_stats", "parameters", "width"]
    for one in keys:
        for answer in ({place: {one: value}}, {place: {"name": "s", "predictions": [], one: [value]}}):
            try:
                parse(answer)
            except DdperfError:
                continue


# --- predictions


def test_predictions_may_come_in_any_order() -> None:
    check_predictions(answer_of("b.jpg", "a.jpg"), ["a.jpg", "b.jpg"])


def test_a_wrong_uri_is_refused() -> None:
    with pytest.raises(AnswerError) as caught:
        check_predictions(answer_of("b.jpg"), ["a.jpg"])
    assert_names(caught, "1 of 1 predictions", "missing: a.jpg", "not requested: b.jpg")


def test_missing_predictions_are_counted_and_named() -> None:
    asked = [f"{number}.jpg" for number in range(8)]
    with pytest.raises(AnswerError) as caught:
        check_predictions(answer_of(*asked[:3]), asked, url="http://h", service="s")
    assert_names(caught, "5 of 8 predictions", "missing: 3.jpg, 4.jpg, 5.jpg", "2 more")


def test_a_prediction_that_comes_twice_is_refused() -> None:
    with pytest.raises(AnswerError) as caught:
        check_predictions(answer_of("a.jpg", "a.jpg"), ["a.jpg"])
    assert_names(caught, "a.jpg", "more than once")


@pytest.mark.parametrize("probability", [float("nan"), float("inf"), -0.01, 1.01])
def test_a_probability_that_is_none_is_refused(probability: float) -> None:
    with pytest.raises(AnswerError) as caught:
        check_predictions(answer_of("a.jpg", probability=probability), ["a.jpg"])
    assert_names(caught, "1 probabilities", "between 0 and 1")


def test_a_softmax_may_exceed_one_by_rounding() -> None:
    check_predictions(answer_of("a.jpg", probability=1.0000001), ["a.jpg"])


def test_a_prediction_without_a_class_is_refused() -> None:
    with pytest.raises(AnswerError) as caught:
        check_predictions(Answer(1.0, (Prediction("a.jpg", ()),)), ["a.jpg"])
    assert_names(caught, "no class", "1 of 1 images", "a.jpg")


@pytest.mark.parametrize("recording", RECORDINGS)
def test_recorded_batches_pass(recording: str) -> None:
    batches = [one for one in load(recording) if one.name.startswith("predict_batch_")]
    for recorded in batches:
        check_predictions(parse_prediction(recorded.answer), recorded.body["data"])
    assert {len(one.body["data"]) for one in batches} >= {1, 2, 4, 8}


def test_fewer_predictions_than_images_are_refused_however_fast_they_came() -> None:
    """Torch answers 200 after 9 ms, without a prediction, if the request has a batch size of 0."""
    recorded = next(one for one in load("torch-v0.29") if one.name == "predict_test_batch_size_0")
    answer = parse_prediction(recorded.answer)
    assert answer.head_ms == 9.0
    with pytest.raises(AnswerError) as caught:
        check_predictions(answer, recorded.body["data"])
    assert_names(caught, "2 of 2 predictions", "missing")


def test_classes_read_past_the_tensor_are_refused() -> None:
    """Torch answers 200 with numbers from elsewhere in its memory if `best` is above the number of classes."""
    found = [one for one in load("torch-v0.29") if one.name.startswith(("predict_best_huge", "predict_best_2000"))]
    for recorded in found:
        with pytest.raises(AnswerError) as caught:
            check_predictions(parse_prediction(recorded.reply().body), recorded.body["data"])
        assert_names(caught, "probabilities", "between 0 and 1")
    assert len(found) == 3


def test_probabilities_that_sum_up_to_more_than_one_are_wrong() -> None:
    answer = Answer(1.0, (Prediction("0", tuple(Class(f"c{number}", 1.0) for number in range(7))),))
    with pytest.raises(AnswerError) as caught:
        check_predictions(answer, ["0"])
    assert_names(caught, "probabilities", "1 images", "0 (7)")


def test_rounding_may_lift_the_sum_of_a_thousand_probabilities_a_little() -> None:
    answer = Answer(1.0, (Prediction("0", tuple(Class(f"c{number}", 0.001005) for number in range(1000))),))
    check_predictions(answer, ["0"])


def test_the_parameters_of_a_network_and_its_batch_size_are_read_where_a_server_reports_them() -> None:
    described = {"model_stats": {"params": 11689512}, "parameters": {"mllib": {"maxBatchSize": 8}}}
    service = parse_service({"body": {"name": "s", **described}})
    assert (service.model_stats.params, service.max_batch_size) == (11689512, 8)


@pytest.mark.parametrize("stats", [None, {}, [], "x", {"params": "many"}, {"params": True}])
def test_model_stats_without_parameters_are_accepted(stats: object) -> None:
    assert parse_service({"body": {"name": "s", "model_stats": stats}}).model_stats.params is None


def test_a_torch_server_reports_the_parameters_of_a_template() -> None:
    recorded = {one.name: one.answer for one in load("torch-v0.29")}
    assert parse_service(recorded["template_get_resnet18"]).model_stats.params == 11689512
