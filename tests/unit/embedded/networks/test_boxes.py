"""The arithmetic of a single-shot detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.embedded.networks.boxes import (
    CANDIDATES,
    KEPT,
    PER_POSITION,
    build_prior_boxes,
    compute_overlap,
    decode,
    select_objects,
    suppress_overlaps,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT = np.array([[0.0, 0.0, 1.0, 1.0]], np.float32)


def corners(*boxes: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(boxes, np.float32)


def test_there_are_four_boxes_at_each_position_in_its_middle() -> None:
    priors = build_prior_boxes((2, 1))
    assert priors.shape == (PER_POSITION * (4 + 1), 4)
    assert {tuple(one) for one in priors[:, :2].tolist()} == {
        (0.25, 0.25),
        (0.75, 0.25),
        (0.25, 0.75),
        (0.75, 0.75),
        (0.5, 0.5),
    }
    square, between, lying, standing = priors[:4, 2:]
    assert square[0] == square[1] < between[0] == between[1]
    assert (lying[0], lying[1]) == (standing[1], standing[0])
    assert lying[0] / lying[1] == pytest.approx(2)


def test_boxes_of_coarser_grids_are_larger() -> None:
    priors = build_prior_boxes((18, 9, 5))
    first, second, third = (priors[start, 2] for start in (0, 4 * 18 * 18, 4 * (18 * 18 + 9 * 9)))
    assert first < second < third


def test_nothing_said_is_the_prior_itself() -> None:
    prior = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    np.testing.assert_allclose(decode(np.zeros((1, 4), np.float32), prior), [[0.4, 0.3, 0.6, 0.7]], rtol=1e-6)


def test_what_is_said_moves_and_scales_it_by_ssds_variances() -> None:
    prior = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    said = np.array([[1.0, -0.5, np.log(2) / 0.2, 0.0]], np.float32)
    # the centre moves by 0.1 of the size, times what is said; the width doubles
    np.testing.assert_allclose(decode(said, prior), [[0.32, 0.28, 0.72, 0.68]], rtol=1e-5)


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4))
def test_whatever_is_said_the_corners_are_finite_in_the_image_and_in_order(said: list[float]) -> None:
    ((xmin, ymin, xmax, ymax),) = decode(np.array([said], np.float32), np.array([[0.5, 0.5, 0.3, 0.3]], np.float32))
    assert 0 <= xmin <= xmax <= 1
    assert 0 <= ymin <= ymax <= 1


def test_the_share_of_two_boxes_is_intersection_over_union() -> None:
    half, apart_from_it = (0.0, 0.0, 0.5, 1.0), (0.6, 0.0, 1.0, 1.0)
    np.testing.assert_allclose(
        compute_overlap(UNIT[0], corners(half, apart_from_it, (0, 0, 1, 1))), [0.5, 0.4, 1.0], rtol=1e-6
    )
    np.testing.assert_allclose(compute_overlap(corners(half)[0], corners(apart_from_it)), [0.0])


def test_boxes_without_area_share_nothing() -> None:
    point = (0.5, 0.5, 0.5, 0.5)
    assert compute_overlap(corners(point)[0], corners(point)).tolist() == [0.0]


BOX = st.tuples(*[st.floats(0, 1, width=32)] * 4).map(
    lambda four: (min(four[0], four[2]), min(four[1], four[3]), max(four[0], four[2]), max(four[1], four[3]))
)


@given(st.lists(BOX, max_size=12), st.floats(0, 1, width=32))
def test_no_box_that_remains_shares_too_much_with_one_before_and_each_that_goes_does(
    boxes: list[tuple[float, float, float, float]], overlap: float
) -> None:
    given_boxes = np.array(boxes, np.float32).reshape(-1, 4)
    kept = suppress_overlaps(given_boxes, overlap)
    for place in range(len(boxes)):
        before = [one for one in kept if one < place]
        too_much = any(compute_overlap(given_boxes[one], given_boxes[place : place + 1])[0] > overlap for one in before)
        assert (place in kept) is not too_much


def test_objects_come_most_probable_first_without_the_background_and_the_improbable() -> None:
    places = corners((0, 0, 0.4, 0.4), (0.5, 0.5, 1, 1))
    probabilities = np.array([[0.1, 0.7, 0.2], [0.9, 0.05, 0.05]], np.float32)
    found = select_objects(places, probabilities, threshold=0.1, overlap=0.45)
    assert [(kind, round(probability, 3), place) for kind, probability, place in found] == [(1, 0.7, 0), (2, 0.2, 0)]


def test_of_two_boxes_on_each_other_the_more_probable_stays_but_only_within_a_class() -> None:
    places = corners((0, 0, 0.5, 0.5), (0, 0, 0.5, 0.5))
    probabilities = np.array([[0.0, 0.6, 0.4], [0.0, 0.9, 0.1]], np.float32)
    found = select_objects(places, probabilities, threshold=0.2, overlap=0.45)
    assert [(kind, place) for kind, _, place in found] == [(1, 1), (2, 0)]


def test_there_are_no_more_objects_than_asked_for_and_never_more_than_ssd_keeps() -> None:
    side = 32
    cells = [(x / side, y / side, (x + 1) / side, (y + 1) / side) for x in range(side) for y in range(side)]
    grid = corners(*cells)
    probabilities = np.tile(np.array([0.1, 0.45, 0.45], np.float32), (len(grid), 1))
    assert len(select_objects(grid, probabilities, threshold=0.1, overlap=0.45)) == KEPT < 2 * CANDIDATES
    assert len(select_objects(grid, probabilities, threshold=0.1, overlap=0.45, best=3)) == 3
