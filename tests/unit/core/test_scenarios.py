from __future__ import annotations

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.core.limits import LEAST_RATE, MOST_RATE
from pytest_ddperf.core.scenarios import (
    Scenario,
    describe_scenario,
    list_scenario_ids,
    scenario_sort_key,
)


def test_plain_latency_is_no_scenario() -> None:
    assert Scenario.parse("") is None
    assert describe_scenario("") == ""


@pytest.mark.parametrize(
    ("scenario", "identity", "words"),
    [
        (Scenario(clients=1), "c1", "1 client"),
        (Scenario(clients=8), "c8", "8 clients at once"),
        (Scenario(rate=20.0), "r20", "20 requests per second"),
        (Scenario(rate=0.5), "r0.5", "0.5 requests per second"),
        (Scenario(rate=1.0), "r1", "1 request per second"),
    ],
)
def test_the_id_says_which_load_it_is(scenario: Scenario, identity: str, words: str) -> None:
    assert scenario.id == identity
    assert scenario.words == describe_scenario(identity) == words
    assert Scenario.parse(identity) == scenario


@given(st.floats(LEAST_RATE, MOST_RATE).map(lambda rate: round(rate, 3)))
def test_every_rate_survives_its_id(rate: float) -> None:
    assert Scenario.parse(Scenario(rate=rate).id) == Scenario(rate=rate)


@every_row("text", ["c0", "c", "r", "x4", "c4 ", "c4-r2", "r1e3", "r-1", "r0", "r100001"])
def test_what_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Scenario.parse(text)
    assert describe_scenario(text) == text


def test_each_load_is_measured_once_clients_before_rates() -> None:
    assert list_scenario_ids((1, 4, 1), (50.0, 0.25)) == ("c1", "c4", "r50", "r0.25")


def test_scenarios_are_ordered_by_their_number() -> None:
    mixed = ["r50", "c16", "", "c2", "r0.5", "other"]
    assert sorted(mixed, key=scenario_sort_key) == ["", "c2", "c16", "other", "r0.5", "r50"]


def test_a_pass_has_so_many_requests_of_each_client_or_of_all_at_a_rate() -> None:
    assert Scenario(clients=4).requests(None) == 10
    assert Scenario(rate=4.0).requests(None) == 40
    assert Scenario(rate=4.0).requests(100) == Scenario(clients=4).requests(100) == 100


@pytest.mark.parametrize(
    ("scenario", "asked", "needed", "requests"),
    [
        (Scenario(clients=2), None, 0, 10),
        (Scenario(clients=2), None, 72, 10),
        (Scenario(clients=2), None, 368, 37),
        (Scenario(clients=2), 5, 368, 5),
        (Scenario(rate=20), None, 368, 40),  # the queue may grow with the number of requests
    ],
)
def test_the_default_number_of_requests_of_a_client_is_raised_to_what_is_needed(
    scenario: Scenario, asked: int | None, needed: int, requests: int
) -> None:
    assert scenario.requests(asked, needed, passes=5) == requests
