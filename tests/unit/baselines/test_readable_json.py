from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.baselines.recordings import HEADING, Seconds, render_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(JSON_VALUES.filter(lambda value: "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value)))
def test_what_is_rendered_is_the_same_json_but_for_digits_that_no_clock_gives(value: object) -> None:
    read = json.loads(render_json(value))
    assert json.loads(render_json(read)) == read
    assert type(read) is type(value)


def test_each_value_has_a_line_and_floats_have_seven_digits() -> None:
    assert render_json({"data": [0.123456789, 1.0], "in": {"a": [{"b": 1, "c": 2}]}, "none": []}) == (
        '{\n  "data": [\n    0.1234568,\n    1.0\n  ],\n  "in": {\n    "a": [\n      {"b": 1, "c": 2}\n    ]\n  },'
        '\n  "none": []\n}'
    )


def test_milliseconds_are_beside_the_seconds() -> None:
    assert render_json({"min": 0.5, "min_ms": 500.0, "max_ms": 1.0}) == (
        '{\n  "min": 0.5, "min_ms": 500.0,\n  "max_ms": 1.0\n}'
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0537345, "53.7345e-3"), (0.05, "50e-3"), (12.0, "12000e-3"), (1.5e-9, "0.0000015e-3")],
)
def test_seconds_are_written_in_milliseconds_and_read_as_seconds(seconds: float, text: str) -> None:
    assert render_json(Seconds(seconds)) == text
    assert json.loads(text) == seconds


def test_a_heading_begins_a_line_and_the_next_entry_follows_it() -> None:
    text = render_json([{"group": HEADING, "param": "tk1-vgg16-b1", "more": {"a": 1}}])
    assert '\nnull, "param": "tk1-vgg16-b1",\n' in text
    assert json.loads(text) == [{"group": None, "param": "tk1-vgg16-b1", "more": {"a": 1}}]
