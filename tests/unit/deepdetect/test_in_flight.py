"""Which predictions a server may still be at work on, by what it counts."""

from __future__ import annotations

import threading

import pytest

from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
from pytest_ddperf.deepdetect.protocol import Info, ServiceInfo, ServiceStats
from pytest_ddperf.errors import (
    AnswerError,
    GatewayError,
    NoConnectionError,
    RequestRefusedError,
    ServerBusyError,
    ServerError,
    ServerFailedError,
    ServerGoneError,
    ServerUnreachableError,
    ServiceExistsError,
    ServiceNotFoundError,
)

SILENT = ServerUnreachableError("The server was silent")
GATEWAY_TIMEOUT = GatewayError("A proxy got no answer", http_status=504)


def reported(**counts: int | None) -> Info:
    stats = {name: ServiceStats(predict_count=count) for name, count in counts.items()}
    return Info(services=tuple(ServiceInfo(name, stats=one) for name, one in stats.items()))


def predict(in_flight: RequestsInFlight, error: BaseException | None = None, service: str = "resnet50") -> None:
    """One prediction that ends so."""

    def send() -> None:
        if error is not None:
            raise error

    if error is None:
        with in_flight.track_prediction(service):
            send()
        return
    with pytest.raises(type(error)), in_flight.track_prediction(service):
        send()


@pytest.fixture
def in_flight() -> RequestsInFlight:
    """Of a server that has counted ten predictions."""
    one = RequestsInFlight()
    one.record_counts(reported(resnet50=10, vgg16=3))
    return one


def test_predictions_that_were_answered_leave_nothing_open(in_flight: RequestsInFlight) -> None:
    predict(in_flight)
    assert not in_flight.is_open
    in_flight.record_counts(reported(resnet50=11, vgg16=3))
    assert in_flight.running == ()


@pytest.mark.parametrize("error", [SILENT, GATEWAY_TIMEOUT], ids=["silent", "504"])
def test_one_that_was_given_up_runs_until_it_is_counted(in_flight: RequestsInFlight, error: ServerError) -> None:
    predict(in_flight)
    predict(in_flight, error)
    assert in_flight.is_open
    for _ in range(2):
        in_flight.record_counts(reported(resnet50=11, vgg16=3))
        assert in_flight.running == ("resnet50",)
    in_flight.record_counts(reported(resnet50=12, vgg16=3))
    assert not in_flight.is_open


def test_one_that_is_counted_when_the_server_is_asked_first_has_ended(in_flight: RequestsInFlight) -> None:
    predict(in_flight, SILENT)
    in_flight.record_counts(reported(resnet50=11, vgg16=3))
    assert not in_flight.is_open


def test_names_of_services_are_compared_as_servers_keep_them(in_flight: RequestsInFlight) -> None:
    predict(in_flight, SILENT, service="ResNet50")
    assert in_flight._asked["resnet50"] == 1
    in_flight.record_counts(reported(resnet50=10))
    assert in_flight.running == ("resnet50",)


@pytest.mark.parametrize("after", [{"resnet50": 9}, {"vgg16": 3}, {"resnet50": None}], ids=["fell", "gone", "absent"])
def test_a_service_that_began_anew_or_is_gone_or_does_not_tell_is_not_waited_for(
    in_flight: RequestsInFlight, after: dict[str, int | None]
) -> None:
    predict(in_flight, SILENT)
    in_flight.record_counts(reported(resnet50=10))
    in_flight.record_counts(reported(**after))
    assert not in_flight.is_open


def test_an_older_server_without_counts_is_not_waited_for() -> None:
    in_flight = RequestsInFlight()
    in_flight.record_counts(Info(services=(ServiceInfo("resnet50"),)))
    predict(in_flight, SILENT)
    in_flight.record_counts(Info(services=(ServiceInfo("resnet50"),)))
    assert not in_flight.is_open


def test_nothing_is_known_of_a_server_that_never_reported_its_counts() -> None:
    in_flight = RequestsInFlight()
    predict(in_flight, SILENT)
    in_flight.record_counts(reported(resnet50=0))
    assert not in_flight.is_open


def test_a_service_that_was_created_since_has_counted_nothing(in_flight: RequestsInFlight) -> None:
    predict(in_flight, SILENT, service="googlenet")
    in_flight.record_counts(reported(resnet50=10, googlenet=0))
    assert in_flight.running == ("googlenet",)


CREATIONS: list[tuple[ServerError, bool]] = [
    # (how the creation ended, whether it may still be running)
    (SILENT, True),
    (GATEWAY_TIMEOUT, True),
    (NoConnectionError("refused"), False),
    (ServerGoneError("cut"), False),
    (RequestRefusedError("400"), False),
]


def test_a_creation_that_may_still_be_running_is_not_repeated() -> None:
    for error, is_running in CREATIONS:
        in_flight = RequestsInFlight()
        with pytest.raises(type(error)), in_flight.track_creation("resnet50"):
            raise error
        if is_running:
            with pytest.raises(ServerBusyError), in_flight.track_creation("ResNet50"):
                pass
        in_flight.record_counts(reported(resnet50=0) if is_running else reported())  # it has been created
        with in_flight.track_creation("resnet50"):
            pass


def test_a_service_may_exist_unless_its_creation_is_known_to_have_failed() -> None:
    ends: list[tuple[BaseException, bool]] = [
        (SILENT, True),
        (GATEWAY_TIMEOUT, True),
        (GatewayError("bad gateway", http_status=502), True),
        (ServerGoneError("cut"), True),
        (AnswerError("not JSON", http_status=201), True),
        (KeyboardInterrupt(), True),
        (NoConnectionError("refused"), False),
        (RequestRefusedError("400"), False),
        (ServerFailedError("500"), False),
        (ServiceExistsError("409"), False),
    ]
    for error, may_exist in ends:
        in_flight = RequestsInFlight()
        with pytest.raises(type(error)), in_flight.track_creation("ResNet50"):
            raise error
        assert in_flight.created == ({"resnet50"} if may_exist else set()), error


def test_a_service_that_was_created_anew_counts_from_nothing(in_flight: RequestsInFlight) -> None:
    predict(in_flight)
    in_flight.reset_service("ResNet50")
    predict(in_flight, SILENT)
    in_flight.record_counts(reported(resnet50=0))
    assert in_flight.running == ("resnet50",)
    in_flight.record_counts(reported(resnet50=1))
    assert not in_flight.is_open


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
    def test_the_server_is_asked_and_not_waited_for(self, in_flight: RequestsInFlight, error: ServerError) -> None:
        predict(in_flight, error)
        assert in_flight.is_open
        in_flight.record_counts(reported(resnet50=10))
        assert not in_flight.is_open

    def test_what_was_given_up_beside_them_is_not_waited_for_in_vain(
        self, in_flight: RequestsInFlight, error: ServerError
    ) -> None:
        predict(in_flight, error)
        predict(in_flight, SILENT)
        in_flight.record_counts(reported(resnet50=10))
        assert in_flight.running == ("resnet50",)
        in_flight.record_counts(reported(resnet50=11))
        assert not in_flight.is_open


def test_a_prediction_that_was_not_sent_is_none(in_flight: RequestsInFlight) -> None:
    predict(in_flight, NoConnectionError("Nobody listens"))
    assert not in_flight.is_open
    assert in_flight._asked["resnet50"] == 0


def test_several_that_were_given_up_side_by_side_are_all_waited_for(in_flight: RequestsInFlight) -> None:
    for error in (SILENT, None, SILENT):
        predict(in_flight, error)
    in_flight.record_counts(reported(resnet50=11))
    predict(in_flight, SILENT)
    for count in (11, 13):
        in_flight.record_counts(reported(resnet50=count))
        assert in_flight.running == ("resnet50",)
    in_flight.record_counts(reported(resnet50=14))
    assert not in_flight.is_open


def test_a_server_that_is_gone_is_at_work_on_nothing(in_flight: RequestsInFlight) -> None:
    predict(in_flight, SILENT)
    in_flight.record_counts(reported(resnet50=10))
    in_flight.clear()
    in_flight.record_counts(reported(resnet50=10))
    assert not in_flight.is_open


def test_threads_count_together(in_flight: RequestsInFlight) -> None:
    def work() -> None:
        for _ in range(500):
            predict(in_flight)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert in_flight._asked["resnet50"] == 2000


@pytest.mark.parametrize("error", [pytest.fail.Exception("Timeout"), KeyboardInterrupt(), RuntimeError("no")], ids=repr)
def test_one_that_something_else_ended_runs_until_it_is_counted(
    in_flight: RequestsInFlight, error: BaseException
) -> None:
    predict(in_flight, error)
    in_flight.record_counts(reported(resnet50=10, vgg16=3))
    assert in_flight.running == ("resnet50",)
    in_flight.record_counts(reported(resnet50=11, vgg16=3))
    assert not in_flight.is_open
