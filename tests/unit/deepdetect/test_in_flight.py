"""Which predictions a server may still be at work on, by what it counts."""

from __future__ import annotations

import threading

import pytest

from pytest_ddperf.deepdetect.in_flight import Ledger
from pytest_ddperf.deepdetect.protocol import Info, ServiceInfo, ServiceStats
from pytest_ddperf.errors import (
    GatewayError,
    NoConnectionError,
    RequestRefusedError,
    ServerError,
    ServerFailedError,
    ServerGoneError,
    ServerUnreachableError,
    ServiceNotFoundError,
)

SILENT = ServerUnreachableError("The server was silent")
GATEWAY_TIMEOUT = GatewayError("A proxy got no answer", http_status=504)


def told(**counts: int | None) -> Info:
    stats = {name: ServiceStats(predict_count=count) for name, count in counts.items()}
    return Info(services=tuple(ServiceInfo(name, stats=one) for name, one in stats.items()))


def predict(ledger: Ledger, error: BaseException | None = None, service: str = "resnet50") -> None:
    """One prediction that ends so."""

    def send() -> None:
        if error is not None:
            raise error

    if error is None:
        with ledger.prediction(service):
            send()
        return
    with pytest.raises(type(error)), ledger.prediction(service):
        send()


@pytest.fixture
def ledger() -> Ledger:
    """Of a server that has counted ten predictions."""
    one = Ledger()
    one.told(told(resnet50=10, vgg16=3))
    return one


def test_predictions_that_were_answered_leave_nothing_open(ledger: Ledger) -> None:
    predict(ledger)
    assert not ledger.is_open
    ledger.told(told(resnet50=11, vgg16=3))
    assert ledger.running == ()


@pytest.mark.parametrize("error", [SILENT, GATEWAY_TIMEOUT], ids=["silent", "504"])
def test_one_that_was_given_up_runs_until_it_is_counted(ledger: Ledger, error: ServerError) -> None:
    predict(ledger)
    predict(ledger, error)
    assert ledger.is_open
    for _ in range(2):
        ledger.told(told(resnet50=11, vgg16=3))
        assert ledger.running == ("resnet50",)
    ledger.told(told(resnet50=12, vgg16=3))
    assert not ledger.is_open


def test_one_that_is_counted_when_the_server_is_asked_first_has_ended(ledger: Ledger) -> None:
    predict(ledger, SILENT)
    ledger.told(told(resnet50=11, vgg16=3))
    assert not ledger.is_open


def test_names_of_services_are_compared_as_servers_keep_them(ledger: Ledger) -> None:
    predict(ledger, SILENT, service="ResNet50")
    assert ledger.asked("RESNET50") == 1
    ledger.told(told(resnet50=10))
    assert ledger.running == ("resnet50",)


@pytest.mark.parametrize("after", [{"resnet50": 9}, {"vgg16": 3}, {"resnet50": None}], ids=["fell", "gone", "untold"])
def test_a_service_that_began_anew_or_is_gone_or_does_not_tell_is_not_waited_for(
    ledger: Ledger, after: dict[str, int | None]
) -> None:
    predict(ledger, SILENT)
    ledger.told(told(resnet50=10))
    ledger.told(told(**after))
    assert not ledger.is_open


def test_an_older_server_without_counts_is_not_waited_for() -> None:
    ledger = Ledger()
    ledger.told(Info(services=(ServiceInfo("resnet50"),)))
    predict(ledger, SILENT)
    ledger.told(Info(services=(ServiceInfo("resnet50"),)))
    assert not ledger.is_open


def test_nothing_is_known_of_a_server_that_never_told_its_counts() -> None:
    ledger = Ledger()
    predict(ledger, SILENT)
    ledger.told(told(resnet50=0))
    assert not ledger.is_open


def test_a_service_that_was_created_since_has_counted_nothing(ledger: Ledger) -> None:
    predict(ledger, SILENT, service="googlenet")
    ledger.told(told(resnet50=10, googlenet=0))
    assert ledger.running == ("googlenet",)


def test_a_service_that_was_created_anew_counts_from_nothing(ledger: Ledger) -> None:
    predict(ledger)
    ledger.began("ResNet50")
    predict(ledger, SILENT)
    ledger.told(told(resnet50=0))
    assert ledger.running == ("resnet50",)
    ledger.told(told(resnet50=1))
    assert not ledger.is_open


@pytest.mark.parametrize(
    "error",
    [
        RequestRefusedError("429", http_status=429),
        ServerFailedError("500", http_status=500),
        ServiceNotFoundError("404", http_status=404),
        GatewayError("502", http_status=502),
        ServerGoneError("The connection was cut"),
    ],
    ids=lambda error: type(error).__name__,
)
class TestFailuresThatMayBeCountedOrNot:
    def test_the_server_is_asked_and_not_waited_for(self, ledger: Ledger, error: ServerError) -> None:
        predict(ledger, error)
        assert ledger.is_open
        ledger.told(told(resnet50=10))
        assert not ledger.is_open

    def test_what_was_given_up_beside_them_is_not_waited_for_in_vain(self, ledger: Ledger, error: ServerError) -> None:
        predict(ledger, error)
        predict(ledger, SILENT)
        ledger.told(told(resnet50=10))
        assert ledger.running == ("resnet50",)
        ledger.told(told(resnet50=11))
        assert not ledger.is_open


def test_a_prediction_that_was_not_sent_is_none(ledger: Ledger) -> None:
    predict(ledger, NoConnectionError("Nobody listens"))
    assert not ledger.is_open
    assert ledger.asked("resnet50") == 0


def test_several_that_were_given_up_side_by_side_are_all_waited_for(ledger: Ledger) -> None:
    for error in (SILENT, None, SILENT):
        predict(ledger, error)
    ledger.told(told(resnet50=11))
    predict(ledger, SILENT)
    for count in (11, 13):
        ledger.told(told(resnet50=count))
        assert ledger.running == ("resnet50",)
    ledger.told(told(resnet50=14))
    assert not ledger.is_open


def test_a_server_that_is_gone_is_at_work_on_nothing(ledger: Ledger) -> None:
    predict(ledger, SILENT)
    ledger.told(told(resnet50=10))
    ledger.clear()
    ledger.told(told(resnet50=10))
    assert not ledger.is_open


def test_threads_count_together(ledger: Ledger) -> None:
    def work() -> None:
        for _ in range(500):
            predict(ledger)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert ledger.asked("resnet50") == 2000


@pytest.mark.parametrize("error", [pytest.fail.Exception("Timeout"), KeyboardInterrupt(), RuntimeError("no")], ids=repr)
def test_one_that_something_else_ended_runs_until_it_is_counted(ledger: Ledger, error: BaseException) -> None:
    predict(ledger, error)
    ledger.told(told(resnet50=10, vgg16=3))
    assert ledger.running == ("resnet50",)
    ledger.told(told(resnet50=11, vgg16=3))
    assert not ledger.is_open
