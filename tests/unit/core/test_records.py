from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from load_made import loaded

from pytest_ddperf.core.records import (
    FAILING,
    Baseline,
    CellKey,
    CellRecord,
    Clock,
    ColdStart,
    Conditions,
    Creep,
    Measurement,
    Night,
    Outcome,
    Pass,
    Round,
    ServerFacts,
    Since,
)

MS = st.floats(min_value=0, max_value=1e9, allow_nan=False)
MAYBE_MS = st.none() | MS
TEXT = st.text(max_size=20)
KEYS = st.builds(CellKey, TEXT, TEXT, st.integers(1, 1024), TEXT)
PASSES = st.builds(Pass, MS, MAYBE_MS, MAYBE_MS, MAYBE_MS)
ROUNDS = st.builds(Round, MS, st.lists(PASSES, max_size=3).map(tuple))
SIDES = st.none() | st.integers(1, 4096)
CONDITIONS = st.builds(Conditions, st.sampled_from(Clock), TEXT, TEXT, SIDES, SIDES, st.booleans(), TEXT)
COLD_STARTS = st.builds(ColdStart, MAYBE_MS, MAYBE_MS)
MEASUREMENTS = st.builds(
    Measurement,
    KEYS,
    CONDITIONS,
    st.lists(ROUNDS, max_size=2).map(tuple),
    COLD_STARTS,
    st.none() | st.booleans(),
    TEXT,
)
RUNS = st.lists(st.lists(MS, max_size=3).map(tuple), max_size=2).map(tuple)
BASELINES = st.builds(Baseline, TEXT, MS, TEXT, RUNS, MS, st.none() | CONDITIONS)
SERVERS = st.builds(ServerFacts, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT)
RECORDS = st.builds(
    CellRecord,
    KEYS,
    TEXT,
    st.sampled_from(Outcome),
    TEXT,
    MAYBE_MS,
    MAYBE_MS,
    MAYBE_MS,
    st.none() | BASELINES,
    st.none() | MEASUREMENTS,
    st.none() | SERVERS,
    st.lists(TEXT, max_size=2).map(tuple),
)
KEY = CellKey("tk1", "resnet50", 2)
CONDITION = Conditions(Clock.PREDICT, "caffe")


def only_builtins(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and only_builtins(one) for key, one in value.items())
    if isinstance(value, (list, tuple)):
        return type(value) in {list, tuple} and all(map(only_builtins, value))
    return value is None or type(value) in {str, int, float, bool}


@given(RECORDS)
def test_a_record_comes_back_from_json_as_it_was(record: CellRecord) -> None:
    assert msgspec.convert(json.loads(json.dumps(msgspec.to_builtins(record))), CellRecord) == record


@given(RECORDS)
def test_a_record_travels_as_builtins_alone(record: CellRecord) -> None:
    assert only_builtins(msgspec.to_builtins(record))


def test_what_is_no_record_is_refused_with_its_place() -> None:
    values = msgspec.to_builtins(CellRecord(KEY, "x::y", Outcome.OK))
    values["key"]["batch_size"] = "two"
    with pytest.raises(msgspec.ValidationError, match=r"\$\.key\.batch_size"):
        msgspec.convert(values, CellRecord)


def test_an_unknown_verdict_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"\$\.outcome"):
        msgspec.convert({**msgspec.to_builtins(CellRecord(KEY, "", Outcome.OK)), "outcome": "fine"}, CellRecord)


def test_a_cell_is_written_as_in_the_node_id() -> None:
    assert str(CellKey("tk1", "squeezenet_v1.1", 8)) == "tk1-squeezenet_v1.1-b8"


def test_a_scenario_stands_at_the_end_of_the_id() -> None:
    assert str(CellKey("tk1", "squeezenet_v1.1", 8, "c4")) == "tk1-squeezenet_v1.1-b8-c4"


@pytest.mark.parametrize(("clock", "ms"), [(Clock.PREDICT, 3.0), (Clock.HEAD, 2.0), (Clock.CLIENT, 1.0)])
def test_a_pass_tells_its_time_by_each_clock(clock: Clock, ms: float) -> None:
    assert Pass(client_ms=1.0, head_ms=2.0, predict_ms=3.0, transform_ms=4.0).ms(clock) == ms


def test_times_per_image_are_the_batch_s_divided_by_its_size_round_by_round() -> None:
    rounds = (
        Round(0.0, (Pass(9.0, predict_ms=8.0), Pass(9.0, predict_ms=6.0))),
        Round(1.0, (Pass(9.0, predict_ms=4.0),)),
    )
    assert Measurement(KEY, CONDITION, rounds).per_image_ms() == [[4.0, 3.0], [2.0]]


def test_passes_that_lack_a_clock_are_left_out() -> None:
    rounds = (Round(0.0, (Pass(9.0, head_ms=8.0), Pass(7.0))),)
    assert Measurement(KEY, CONDITION, rounds).per_image_ms(Clock.HEAD) == [[4.0]]
    assert Measurement(KEY, CONDITION, rounds).per_image_ms(Clock.CLIENT) == [[4.5, 3.5]]


def test_the_verdicts_that_fail_their_test() -> None:
    assert {str(one) for one in FAILING} == {
        "regressed",
        "over_budget",
        "oom",
        "crashed",
        "error",
        "invalid",
        "not_confirmed",
    }


@given(RECORDS)
def test_a_record_survives_as_text_on_one_line(record: CellRecord) -> None:
    text = msgspec.json.encode(record)
    assert b"\n" not in text
    assert msgspec.json.decode(text.decode(), type=CellRecord) == record


@given(RECORDS)
def test_the_text_says_what_the_builtins_say(record: CellRecord) -> None:
    assert json.loads(msgspec.json.encode(record)) == json.loads(json.dumps(msgspec.to_builtins(record)))


def test_a_text_that_is_no_record_is_refused_and_the_place_named() -> None:
    text = msgspec.json.encode(CellRecord(KEY, "x::y", Outcome.OK)).replace(b'"ok"', b'"fine"')
    with pytest.raises(msgspec.ValidationError, match=r"\$\.outcome"):
        msgspec.json.decode(text, type=CellRecord)


def test_the_requests_of_a_cell_under_load_come_back() -> None:
    record = loaded("r0.5", kept_up=False)
    assert msgspec.json.decode(msgspec.json.encode(record), type=CellRecord) == record
    assert msgspec.convert(msgspec.to_builtins(record), CellRecord) == record


MONDAY, TUESDAY = "2026-11-02T02:15:00+00:00", "2026-11-03T02:15:00+00:00"
OLD, NEW = "a" * 40, "b" * 40


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (
            Since(Night(TUESDAY, NEW), Night(MONDAY, OLD)),
            ("slower since the night of Tuesday 2026-11-03, aaaaaaaaaaaa..bbbbbbbbbbbb "
            "(last good night: Monday 2026-11-02)"),
        ),
        (
            Since(Night(TUESDAY, NEW, is_dirty=True), Night(MONDAY, OLD)),
            ("slower since the night of Tuesday 2026-11-03, aaaaaaaaaaaa..bbbbbbbbbbbb with uncommitted changes "
            "(last good night: Monday 2026-11-02)"),
        ),
        (
            Since(Night(TUESDAY, NEW), Night(MONDAY, NEW)),
            ("slower since the night of Tuesday 2026-11-03, commit bbbbbbbbbbbb on both nights: the commit did not "
            "change, so check the host and the server (last good night: Monday 2026-11-02)"),
        ),
        (
            Since(Night(TUESDAY, NEW), Night(MONDAY, NEW), "version 1 to 2"),
            ("slower since the night of Tuesday 2026-11-03, commit bbbbbbbbbbbb on both nights: the commit did not "
            "change, the server did (last good night: Monday 2026-11-02; server version 1 to 2)"),
        ),
        (
            Since(Night(TUESDAY, NEW, is_dirty=True), Night(MONDAY, NEW)),
            ("slower since the night of Tuesday 2026-11-03, commit bbbbbbbbbbbb on both nights with uncommitted "
            "changes (last good night: Monday 2026-11-02)"),
        ),
        (
            Since(Night(TUESDAY, NEW), Night(MONDAY)),
            "slower since the night of Tuesday 2026-11-03, commit bbbbbbbbbbbb (last good night: Monday 2026-11-02)",
        ),
        (
            Since(Night(TUESDAY), Night(MONDAY, OLD)),
            ("slower since the night of Tuesday 2026-11-03, after commit aaaaaaaaaaaa "
            "(last good night: Monday 2026-11-02)"),
        ),
        (
            Since(Night(TUESDAY), Night(MONDAY), "version 1 to 2"),
            "slower since the night of Tuesday 2026-11-03 (last good night: Monday 2026-11-02; server version 1 to 2)",
        ),
        (
            Since(Night(TUESDAY, NEW)),
            "slower since the night of Tuesday 2026-11-03 or before: no night of the history is good",
        ),
        (
            Since(Night(TUESDAY), Night(TUESDAY.replace("02:15", "01:05"))),
            "slower since the night of Tuesday 2026-11-03 02:15 (last good night: Tuesday 2026-11-03 01:05)",
        ),
    ],
    ids=[
        "two commits", "uncommitted", "one commit", "another server", "one commit, uncommitted", "unknown before",
        "unknown now", "unknown", "never good", "the same day",
    ],
)  # fmt: skip
def test_since_says_the_nights_and_the_commits(since: Since, said: str) -> None:
    assert str(since) == said


def test_a_night_without_a_date_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"started": "yesterday"}', type=Night)


def test_a_creep_names_the_two_commits_between_which_it_began() -> None:
    assert "2026-11-03 (aaaaaaaaaaaa..bbbbbbbbbbbb), +8.6 % over 14 nights" in str(Creep(TUESDAY, 14, 0.086, NEW, OLD))


@pytest.mark.parametrize("before", ["", NEW], ids=["unknown", "the same"])
def test_a_creep_names_one_commit_if_the_one_before_is_unknown_or_the_same(before: str) -> None:
    assert "2026-11-03 (commit bbbbbbbbbbbb), +8.6 %" in str(Creep(TUESDAY, 14, 0.086, NEW, before))
