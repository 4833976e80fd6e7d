"""Whatever a server answers, it is a value that can be counted on, or an error of this project's own."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fuzzing import ANSWERS, DAMAGE, as_json, counted, damaged_bytes, damaged_json, refused_so_far, tried
from hypothesis import given
from hypothesis import strategies as st
from replay import RECORDINGS, load
from targets import predict_body

from pytest_ddperf.core.records import ServerFacts
from pytest_ddperf.deepdetect.client import Client, encode, extract_server_facts
from pytest_ddperf.deepdetect.protocol import build_predict_body, check_predictions
from pytest_ddperf.errors import DdperfError
from pytest_ddperf.servers.batches import Batch
from pytest_ddperf.text import remove_control_characters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fuzzing import Damage

STATUSES = (200, 200, 200, 200, 201, 204, 301, 304, 400, 401, 404, 409, 413, 429, 500, 502, 504, 100, 999)
INFO = [exchange.answer for name in RECORDINGS for exchange in load(name) if exchange.path.startswith("/info")]
SERVICES = [
    exchange.answer
    for name in RECORDINGS
    for exchange in load(name)
    if exchange.method == "GET" and exchange.path.startswith("/services") and exchange.status == 200
]
PREDICTIONS = [
    exchange.answer
    for name in RECORDINGS
    for exchange in load(name)
    if exchange.path.startswith("/predict") and exchange.status == 200
]
ERRORS = [
    exchange.answer
    for name in RECORDINGS
    for exchange in load(name)
    if (exchange.status or 0) >= 400 and exchange.answer
]


@dataclass(slots=True)
class Answered:
    """An answer as urllib3 hands it over, read to its end."""

    status: int
    data: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Pool:
    """In the connection's place: what the server is to say."""

    answer = Answered(200, b"")

    def urlopen(self, *_: object, **__: object) -> Answered:
        return self.answer


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool()


@pytest.fixture(scope="module")
def client(pool: Pool) -> Client:
    one = Client("http://me:s3cr3t@127.0.0.1:1")
    one._pool = pool  # type: ignore[assignment] # all that is asked of one
    return one


def spoiled(answers: Sequence[Any], which: int, damage: Sequence[Damage], torn: Sequence[Damage]) -> bytes:
    return damaged_bytes(as_json(damaged_json(answers[which % len(answers)], damage)), torn)


def answers(*kinds: Sequence[Any]) -> st.SearchStrategy[Answered]:
    """Real answers, damaged: mostly as JSON, sometimes as bytes."""
    known = [answer for kind in kinds for answer in kind]
    return st.builds(
        lambda status, which, damage, torn, rarely: Answered(
            STATUSES[status], spoiled(known, which, damage, torn[:1] if rarely else [])
        ),
        st.integers(0, len(STATUSES) - 1),
        st.integers(0, len(known) - 1),
        DAMAGE,
        DAMAGE,
        st.integers(0, 4).map(lambda number: number == 4),
    )


def assert_plain(text: str) -> None:
    assert text == remove_control_characters(text)
    assert len(text) < 20_000


def refused(error: DdperfError) -> None:
    """An error is one paragraph that can be shown and stored as it is."""
    refused_so_far[ANSWERS] += 1
    assert_plain(str(error))
    assert str(error).strip()
    assert "s3cr3t" not in str(error)
    str(error).encode()


@tried(0.35)
@given(answer=answers(INFO, ERRORS))
@counted(ANSWERS)
def test_info(client: Client, pool: Pool, answer: Answered) -> None:
    pool.answer = answer
    try:
        info = client.info()
        facts = extract_server_facts(info, client.display_url)
    except DdperfError as error:
        refused(error)
        return
    stored = json.loads(json.dumps(msgspec.to_builtins(facts)))
    assert msgspec.convert(stored, ServerFacts) == facts
    for text in stored.values():
        assert_plain(text)
    for service in info.services:
        assert service.name
        assert_plain(service.mllib + service.datatype + service.repository)


@tried(0.25)
@given(answer=answers(SERVICES, INFO, ERRORS))
@counted(ANSWERS)
def test_a_service(client: Client, pool: Pool, answer: Answered) -> None:
    pool.answer = answer
    try:
        service = client.service("resnet50")
        totals = Batch(client, "resnet50", encode(build_predict_body("resnet50", ["a.jpg"])), lambda _: None).totals()
    except DdperfError as error:
        refused(error)
        return
    assert service.name
    for side in (service.width, service.height):
        assert side is None or isinstance(side, int)
    if totals is not None:
        for value in msgspec.to_builtins(totals.own).values():
            assert value is None or (0 <= value < math.inf)


@tried(0.4)
@given(answer=answers(PREDICTIONS, PREDICTIONS, ERRORS))
@counted(ANSWERS)
def test_a_prediction(client: Client, pool: Pool, answer: Answered) -> None:
    pool.answer = answer
    try:
        timed = predict_body(client, build_predict_body("resnet50", ["a.jpg"]))
        check_predictions(timed.answer, [one.uri for one in timed.answer.predictions], url="http://x", service="s")
    except DdperfError as error:
        refused(error)
        return
    assert timed.answer.head_ms is None or 0 <= timed.answer.head_ms < math.inf
    for prediction in timed.answer.predictions:
        assert prediction.classes
        assert all(0 <= probability <= 1.001 for probability in [one.probability for one in prediction.classes or ()])
