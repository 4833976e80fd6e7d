from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.deepdetect.consistency import (
    MARGIN_ACROSS_SIZES,
    PROBABILITY_MARGIN,
    TIE,
    TIE_ACROSS_SIZES,
    describe_disagreement,
    select_best_classes,
)
from pytest_ddperf.deepdetect.predictions import Prediction
from pytest_ddperf.deepdetect.protocol import Answer

CLASSES = st.tuples(st.sampled_from(["cat", "dog"]), st.floats(0, 1))
SEEN = st.dictionaries(st.sampled_from(["0", "1", "2"]), CLASSES, min_size=1)


def test_the_best_class_of_each_image_is_remembered_whatever_the_order() -> None:
    answer = Answer(
        1.0, (Prediction("b", (("cat", 0.2), ("dog", 0.7))), Prediction("a", ()), Prediction("c", (("x", 1.0),)))
    )
    assert select_best_classes(answer) == {"b": ("dog", 0.7), "c": ("x", 1.0)}


def test_only_the_images_that_are_asked_for_are_looked_at() -> None:
    answer = Answer(1.0, (Prediction("a", (("cat", 0.2),)), Prediction("b", (("dog", 0.7),))))
    assert select_best_classes(answer, {"b": None, "c": None}) == {"b": ("dog", 0.7)}


@given(SEEN)
def test_an_answer_agrees_with_itself(seen: dict[str, tuple[str, float]]) -> None:
    assert describe_disagreement(seen, seen) == ""


@pytest.mark.parametrize(
    ("was", "now", "agree"),
    [
        pytest.param(("cat", 0.9), ("cat", 0.9 - PROBABILITY_MARGIN / 2), True, id="noise"),
        pytest.param(("cat", 0.9), ("cat", 0.9 - PROBABILITY_MARGIN * 2), False, id="another probability"),
        pytest.param(("cat", 0.3), ("dog", 0.3 + TIE / 2), True, id="a tie"),
        pytest.param(("cat", 0.3), ("dog", 0.3 + TIE * 2), False, id="no tie"),
        pytest.param(("cat", 0.9), ("dog", 0.9), False, id="two classes cannot both have nine tenths"),
    ],
)
def test_a_prediction_agrees_within_what_a_gpu_rounds(
    was: tuple[str, float], now: tuple[str, float], agree: bool
) -> None:
    assert (describe_disagreement({"0": was}, {"0": now}) == "") is agree


def test_between_two_batch_sizes_classes_that_lie_further_apart_may_change_places() -> None:
    was, now = {"0": ("cat", 0.30)}, {"0": ("dog", 0.29)}
    assert describe_disagreement(was, now)
    assert describe_disagreement(was, now, tie=TIE_ACROSS_SIZES) == ""
    assert describe_disagreement({"0": ("cat", 0.9)}, {"0": ("dog", 0.9)}, tie=TIE_ACROSS_SIZES)


def test_a_probability_may_move_further_between_two_batch_sizes() -> None:
    was, now = {"0": ("cat", 0.50)}, {"0": ("cat", 0.45)}
    assert describe_disagreement(was, now)
    assert describe_disagreement(was, now, margin=MARGIN_ACROSS_SIZES) == ""
    assert describe_disagreement(was, {"0": ("cat", 0.39)}, margin=MARGIN_ACROSS_SIZES)


def test_a_difference_names_the_images_and_a_missing_one() -> None:
    before = {str(number): ("cat", 0.9) for number in range(5)}
    assert describe_disagreement(before, {"0": ("cat", 0.9), "1": ("dog", 0.8)}) == (
        "4 of 5 images differ: 1 was cat (0.900) and is dog (0.800); 2 was cat (0.900) and is missing; "
        "3 was cat (0.900) and is missing, and 1 more"
    )
