from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from scripted_server import Reply, ScriptedServer

from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.errors import ServerGoneError, ServerUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

INFO: dict[str, object] = {"head": {"services": []}}


@pytest.fixture
def stage() -> Iterator[ScriptedServer]:
    """Answers `/info`."""
    with ScriptedServer(lambda _: Reply(200, INFO)) as server:
        yield server


def test_an_answer_that_comes_byte_by_byte_has_the_time_limit_of_a_whole_one(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(200, INFO, trickle_s=0.02)
    with (
        Client(stage.url, timeout_s=0.2, connect_timeout_s=0.1) as client,
        pytest.raises(ServerUnreachableError) as caught,
    ):
        client.info()
    assert_names(caught, "not complete", "0.2 s")
    assert not isinstance(caught.value, ServerGoneError)


def test_a_slow_answer_within_the_limit_is_taken(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(200, INFO, trickle_s=0.001)
    with Client(stage.url, timeout_s=20) as client:
        assert client.info().services == ()


def test_the_next_answer_has_a_limit_of_its_own(stage: ScriptedServer) -> None:
    replies = [Reply(200, INFO, trickle_s=0.02), Reply(200, INFO)]
    stage.respond = lambda _: replies.pop(0) if len(replies) > 1 else replies[0]
    with Client(stage.url, timeout_s=0.2, connect_timeout_s=0.1) as client:
        with pytest.raises(ServerUnreachableError):
            client.info()
        assert client.info().services == ()


def test_a_client_that_is_closed_leaves_no_thread(stage: ScriptedServer) -> None:
    before = {*threading.enumerate()}  # some may be of clients of other tests
    client = Client(stage.url)
    client.info()
    (own,) = (one for one in {*threading.enumerate()} - before if one.name == "ddperf-deadline")
    client.close()
    assert not own.is_alive()


def test_a_question_over_a_connection_that_was_closed_meanwhile_is_put_again(stage: ScriptedServer) -> None:
    replies = [Reply(200, INFO), Reply(drop=True), Reply(200, INFO)]
    stage.respond = lambda _: replies.pop(0)
    with Client(stage.url) as client:
        client.info()
        client.info()
    assert len(stage.requests) == 3


def test_a_question_over_a_new_connection_that_is_cut_is_not_put_again(stage: ScriptedServer) -> None:
    stage.respond = lambda _: Reply(drop=True)
    with Client(stage.url) as client, pytest.raises(ServerGoneError):
        client.info()
    assert len(stage.requests) == 1
