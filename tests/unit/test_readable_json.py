from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.readable_json import render_json

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


def test_a_list_of_numbers_stands_on_one_line_and_floats_have_seven_digits() -> None:
    assert render_json({"data": [0.123456789, 1.0], "in": {"a": [{"b": 1}]}, "none": []}) == (
        '{\n  "data": [0.1234568, 1.0],\n  "in": {\n    "a": [\n      {"b": 1}\n    ]\n  },\n  "none": []\n}'
    )
