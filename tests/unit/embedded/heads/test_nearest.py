"""Exact nearest neighbours."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.embedded.heads.nearest import Index, normalise

CORNERS = Index(np.array([[0, 0], [3, 4], [1, 0]], np.float32), [{"uri": "here"}, {"uri": "far"}, {"uri": "near"}])


def test_the_nearest_come_first_with_their_distances() -> None:
    assert CORNERS.nearest(np.zeros(2, np.float32), 3) == [
        {"uri": "here", "dist": 0.0},
        {"uri": "near", "dist": 1.0},
        {"uri": "far", "dist": 5.0},
    ]


def test_there_are_no_more_than_asked_for() -> None:
    assert [entry["uri"] for entry in CORNERS.nearest(np.zeros(2, np.float32), 2)] == ["here", "near"]
    assert CORNERS.nearest(np.zeros(2, np.float32), 0) == []
    assert len(CORNERS.nearest(np.zeros(2, np.float32), 99)) == 3


@given(st.lists(st.tuples(*[st.floats(-100, 100, width=32)] * 3), min_size=1, max_size=20), st.integers(1, 20))
def test_no_vector_that_is_left_out_is_nearer(vectors: list[tuple[float, float, float]], count: int) -> None:
    index = Index(np.array(vectors, np.float32), [{} for _ in vectors])
    asked = np.array([1, 2, 3], np.float32)
    found = index.nearest(asked, count)
    exact = sorted(float(np.linalg.norm(np.array(one, np.float32) - asked)) for one in vectors)
    np.testing.assert_allclose([entry["dist"] for entry in found], exact[:count], rtol=1e-5, atol=1e-5)


def test_vectors_are_brought_to_length_1_and_none_becomes_infinite() -> None:
    np.testing.assert_allclose(normalise(np.array([[3, 4], [0, 0]], np.float32)), np.array([[0.6, 0.8], [0.0, 0.0]]))
