"""The scripted server is what the acceptance tests believe: it must behave as the recorded ones do."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from replay import load
from scripted_deepdetect import Prediction, ScriptedDeepDetect, ServiceSetup, out_of_memory
from scripted_server import Request
from targets import predict_body

from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.deepdetect.json_reader import find
from pytest_ddperf.deepdetect.protocol import build_predict_body, build_service_body, check_predictions
from pytest_ddperf.errors import RequestRefusedError, ServerFailedError, ServiceNotFoundError

if TYPE_CHECKING:
    from scripted_server import Reply


def body(*images: str, service: str = "resnet50") -> dict[str, object]:
    return build_predict_body(service, images, output={"best": 1})


def test_it_answers_with_the_keys_of_a_recorded_server() -> None:
    recorded = {one.name: one for one in load("caffe-v0.28")}
    with ScriptedDeepDetect(services=["squeezenet"]) as server, Client(server.url) as client:
        for name in ("info_one_service", "get_service_after_batches", "predict_batch_2", "predict_unknown_service"):
            exchange = recorded[name]
            reply = server.respond(Request(exchange.method, exchange.path, {}, exchange.content or b""))
            assert reply.status == exchange.status
            assert _keys(reply.body) <= _keys(exchange.answer), name
        assert client.service("squeezenet").stats is not None


def _keys(value: object, place: str = "") -> set[str]:
    if isinstance(value, dict):
        return {found for key, inner in value.items() for found in {f"{place}.{key}"} | _keys(inner, f"{place}.{key}")}
    if isinstance(value, list):
        return {found for inner in value for found in _keys(inner, f"{place}[]")}
    return set()


def test_predictions_come_in_another_order_than_the_images() -> None:
    with ScriptedDeepDetect(services=["resnet50"]) as server, Client(server.url) as client:
        answer = predict_body(client, body("/b/1.jpg", "/b/2.jpg")).answer
    assert [one.uri for one in answer.predictions] == ["/b/2.jpg", "/b/1.jpg"]
    check_predictions(answer, ["/b/1.jpg", "/b/2.jpg"])


def test_inline_images_come_back_under_their_numbers_and_a_path_twice_once() -> None:
    with ScriptedDeepDetect(services=["resnet50"]) as server, Client(server.url) as client:
        inline = predict_body(client, body("/9j/4AAQ", "/9j/4AAR")).answer
        twice = predict_body(client, body("/b/1.jpg", "/b/1.jpg")).answer
        assert [one.batch for one in server.predictions] == [2, 2]
    assert {one.uri for one in inline.predictions} == {"0", "1"}
    assert len(twice.predictions) == 1


def test_the_same_image_has_the_same_classes_each_time() -> None:
    with ScriptedDeepDetect(services=["resnet50"]) as server, Client(server.url) as client:
        assert predict_body(client, body("/b/1.jpg")).answer == predict_body(client, body("/b/1.jpg")).answer


@pytest.mark.parametrize(
    ("totals", "counted", "timed"),
    [("all", True, True), ("counts", True, False), ("durations", False, True)],
)
def test_it_tells_what_the_script_lets_it_tell(totals: str, *, counted: bool, timed: bool) -> None:
    with ScriptedDeepDetect(services=["resnet50"], totals=totals) as server, Client(server.url) as client:
        stats = client.service("resnet50").stats
    assert stats is not None
    assert (stats.predict_count is not None, stats.total_predict_duration_ms is not None) == (counted, timed)


def test_head_time_is_cut_to_whole_milliseconds_and_may_be_left_out() -> None:
    with ScriptedDeepDetect(lambda _, batch: 10.9 * batch, ["resnet50"]) as server, Client(server.url) as client:
        assert predict_body(client, body("/b/1.jpg")).answer.head_ms == 10.0
    with ScriptedDeepDetect(services=["resnet50"], head_ms=lambda _: None) as server, Client(server.url) as client:
        assert predict_body(client, body("/b/1.jpg")).answer.head_ms is None


def test_a_fault_is_answered_and_counted_as_a_failure() -> None:
    def fault(prediction: Prediction) -> Reply | None:
        return out_of_memory() if prediction.batch > 1 else None

    with ScriptedDeepDetect(services=["resnet50"], fault=fault) as server, Client(server.url) as client:
        predict_body(client, body("/b/1.jpg"))
        with pytest.raises(ServerFailedError, match="cudaSuccess"):
            predict_body(client, body("/b/1.jpg", "/b/2.jpg"))
        answer, _ = client.request("GET", "/services/resnet50")
    stats = find(answer, dict, "body", "service_stats") or {}
    assert (stats["predict_count"], stats["predict_success"], stats["predict_failure"]) == (2, 1, 1)
    assert stats["total_predict_duration_ms"] == 10.0


def test_a_restart_begins_the_totals_anew() -> None:
    with ScriptedDeepDetect(services=[ServiceSetup("resnet50", mllib="ncnn")]) as server, Client(server.url) as client:
        predict_body(client, body("/b/1.jpg"))
        server.restart()
        service = client.service("resnet50")
    assert service.mllib == "ncnn"
    assert service.stats is not None
    assert service.stats.predict_count == 0


def test_a_model_folder_or_an_image_may_be_refused() -> None:
    with (
        ScriptedDeepDetect(
            services=["vgg16"], accepts=lambda folder: "resnet" in folder, readable=lambda image: "nope" not in image
        ) as server,
        Client(server.url) as client,
    ):
        client.create_service("resnet50", build_service_body("/m/resnet50"))
        with pytest.raises(RequestRefusedError, match=r"1006.*/m/shufflenet"):
            client.create_service("shufflenet", build_service_body("/m/shufflenet"))
        with pytest.raises(RequestRefusedError, match=r"1005.*nope\.jpg"):
            predict_body(client, body("/b/nope.jpg", service="vgg16"))
        with pytest.raises(ServiceNotFoundError):
            predict_body(client, body("/b/1.jpg", service="shufflenet"))
        assert server.services == ["vgg16", "resnet50"]


def test_requests_at_the_same_time_are_seen() -> None:
    with ScriptedDeepDetect(services=["resnet50"], delay_s=0.2) as server:

        def one_client() -> None:
            with Client(server.url) as client:
                predict_body(client, body("/b/1.jpg"))

        threads = [threading.Thread(target=one_client) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (server.most_concurrent > 1, server.connections) == (True, 3)
