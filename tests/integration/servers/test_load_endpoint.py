from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import pytest
from scripted_deepdetect import ScriptedDeepDetect, internal_error, never_ends
from targets import make_target
from turned_clock import TurnedClock

from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.networks import REPORT_NETWORKS
from pytest_ddperf.core.scenarios import Scenario
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.errors import AnswerError, ServerFailedError, ServerUnreachableError
from pytest_ddperf.servers.batches import Batch, build_batch
from pytest_ddperf.servers.load_endpoint import MOST_CONNECTIONS, LoadEndpoint, ThreadClientPool
from pytest_ddperf.servers.request_images import BenchImages
from pytest_ddperf.servers.services import open_service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from scripted_server import Reply, Request

TOGETHER_S = 10.0
"""How long a test waits for what has to come together, at the most."""


class Meeting(ScriptedDeepDetect):
    """Answers predictions only when so many are under way at the same time: fewer would never be answered."""

    def __init__(self, clients: int) -> None:
        self._meeting = threading.Barrier(clients)
        super().__init__(services=["mobilenet"])

    def _respond(self, request: Request) -> Reply:
        if request.method == "POST":
            self._meeting.wait(TOGETHER_S)
        return super()._respond(request)


@pytest.fixture
def client() -> Iterator[Client]:
    with ScriptedDeepDetect(services=["mobilenet"]) as server, Client(server.url) as made:
        yield made


def batch(client: Client) -> Batch:
    options = ServerOptions(client.display_url)
    service = open_service(client, options, REPORT_NETWORKS[0], 1)
    return build_batch(client, options, BenchImages("path", ("/srv/one.jpg",)), service, 1)


def endpoint(
    server: ScriptedDeepDetect, client: Client, scenario: Scenario, requests: int = 5
) -> contextlib.closing[LoadEndpoint]:
    return contextlib.closing(
        LoadEndpoint(batch(client), scenario, requests, lambda: Client(server.url), patience_s=TOGETHER_S)
    )


# the pool


def test_work_is_done_side_by_side() -> None:
    pool, meeting = ThreadClientPool(3), threading.Barrier(3)
    for _ in range(3):
        pool.submit(lambda: meeting.wait(TOGETHER_S))
    pool.finish()
    assert not pool.failed


def test_more_work_than_threads_waits_its_turn() -> None:
    pool, done = ThreadClientPool(2), []
    for number in range(50):
        pool.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    pool.finish()
    assert sorted(done) == list(range(50))


def test_a_failure_is_raised_where_it_is_waited_for_and_nothing_is_begun_after_it() -> None:
    pool, done = ThreadClientPool(1), []

    def fail() -> None:
        raise ServerFailedError("The server failed")

    pool.submit(fail)
    pool.submit(lambda: done.append(1))
    with pytest.raises(ServerFailedError):
        pool.finish()
    assert done == []
    assert not pool.failed  # the failure was raised; the pool can be used again
    pool.submit(lambda: done.append(2))
    pool.finish()
    assert done == [2]


def test_the_threads_end_with_the_pool() -> None:
    pool = ThreadClientPool(2)
    meeting = threading.Barrier(2)
    for _ in range(2):
        pool.submit(lambda: meeting.wait(TOGETHER_S))
    pool.finish()
    pool.close()
    for thread in pool._threads:
        thread.join(TOGETHER_S)
        assert not thread.is_alive()


# the endpoint


def test_so_many_clients_are_at_the_server_at_once() -> None:
    with Meeting(4) as server, Client(server.url) as client:
        with endpoint(server, client, Scenario(clients=4)) as loaded:
            timed = loaded.predict()
        assert timed.load is not None
        assert timed.requests == len(timed.load.latencies_ms) == 20
        assert server.most_concurrent == 4
        assert timed.client_ms == pytest.approx(timed.load.took_s * 1000 / 20)


def test_the_connections_are_kept_from_pass_to_pass() -> None:
    with Meeting(4) as server, Client(server.url) as client, endpoint(server, client, Scenario(clients=4)) as loaded:
        for _ in range(3):
            loaded.predict()
        assert server.connections == 5  # four clients, and the one that asks for the totals


def test_at_a_rate_a_request_does_not_wait_for_the_one_before_it() -> None:
    with Meeting(8) as server, Client(server.url) as client:
        with endpoint(server, client, Scenario(rate=1000.0), requests=8) as loaded:
            timed = loaded.predict()
        assert server.most_concurrent == 8
        assert timed.load is not None
        assert timed.load.outstanding == 8
        assert timed.load.due_s is not None


@pytest.mark.parametrize(("scenario", "counted"), [(Scenario(rate=10.0), True), (Scenario(clients=2), False)], ids=str)
def test_the_time_to_make_a_client_counts_from_the_intended_start_alone(scenario: Scenario, counted: bool) -> None:
    clock = TurnedClock()

    def connect() -> Client:
        clock.sleep(3.0)
        return Client(server.url)

    with ScriptedDeepDetect(services=["mobilenet"]) as server, Client(server.url) as client:
        loaded = LoadEndpoint(batch(client), scenario, 1, connect, patience_s=1000.0, now=clock.now, sleep=clock.sleep)
        with contextlib.closing(loaded):
            made = loaded.predict().load
    assert made is not None
    assert all((ms >= 3000) is counted for ms in made.latencies_ms)


def test_connections_at_a_rate_are_bounded() -> None:
    count = MOST_CONNECTIONS + 20
    with ScriptedDeepDetect(services=["mobilenet"], delay_s=0.2) as server, Client(server.url) as client:
        with endpoint(server, client, Scenario(rate=100_000.0), requests=count) as loaded:
            timed = loaded.predict()
        assert server.most_concurrent <= MOST_CONNECTIONS
        assert server.connections <= MOST_CONNECTIONS + 1
        assert timed.requests == count


def test_passes_have_schedules_of_their_own_the_same_in_every_round() -> None:
    waits: list[list[float]] = []
    with ScriptedDeepDetect(services=["mobilenet"]) as server, Client(server.url) as client:
        for _ in range(2):
            waits.append([])
            loaded = LoadEndpoint(
                batch(client),
                Scenario(rate=10.0),
                5,
                lambda: Client(server.url),
                patience_s=TOGETHER_S,
                now=lambda: 0.0,
                sleep=waits[-1].append,
            )
            with contextlib.closing(loaded):
                loaded.predict()
                loaded.predict()
    assert waits[0] == waits[1]
    assert waits[0][:5] != waits[0][5:]


def test_a_request_that_fails_under_load_is_raised() -> None:
    def fault(prediction: object) -> Reply | None:
        return internal_error() if getattr(prediction, "number", 0) == 7 else None

    with (
        ScriptedDeepDetect(services=["mobilenet"], fault=fault) as server,
        Client(server.url) as client,
        endpoint(server, client, Scenario(clients=2)) as loaded,
        pytest.raises(ServerFailedError),
    ):
        loaded.predict()


def test_the_predictions_of_all_clients_are_counted_together_and_cleared_with_the_totals(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("1.jpg\n", encoding="utf-8")
    with ScriptedDeepDetect(services=["mobilenet"], works_s=never_ends(7)) as server:
        options = ServerOptions(server.url, data_dir="/srv", bench_files=str(tmp_path / "names.txt"), timeout_s=0.5)
        target = make_target(options)
        target.open()
        prepared = target.batch(target.service_for(REPORT_NETWORKS[0]), 1)
        in_flight = target.client.in_flight
        added = target.connection.add_client
        with contextlib.closing(LoadEndpoint(prepared, Scenario(clients=2), 2, added, patience_s=0.5)) as loaded:
            loaded.predict()
            assert in_flight._asked["mobilenet"] == 4
            loaded.totals()
            assert in_flight._asked["mobilenet"] == 0
            with pytest.raises(ServerUnreachableError):
                loaded.predict()
        target.client.info()
        assert in_flight.running == ("mobilenet",)
        server.use_elsewhere("mobilenet")
        target.client.info()
        assert not in_flight.is_open
        target.close()


def test_every_answer_is_checked() -> None:
    def wrong(prediction: object, predictions: list[dict[str, object]]) -> list[dict[str, object]]:
        return [] if getattr(prediction, "number", 0) == 7 else predictions

    with (
        ScriptedDeepDetect(services=["mobilenet"], wrong=wrong) as server,
        Client(server.url) as client,
        endpoint(server, client, Scenario(clients=2)) as loaded,
        pytest.raises(AnswerError),
    ):
        loaded.predict()


def test_the_totals_are_those_of_the_service(client: Client) -> None:
    loaded = LoadEndpoint(batch(client), Scenario(clients=2), 5, lambda: Client(client.display_url), patience_s=1.0)
    with contextlib.closing(loaded):
        loaded.predict()
        totals = loaded.totals()
    assert totals is not None
    assert totals.own.predict_count == 10
