from __future__ import annotations

import numpy as np
import pytest

from pytest_ddperf.embedded.heads.predictions import build_predictions
from pytest_ddperf.embedded.wire import OutputSettings

PROBABILITIES = np.array([[0.1, 0.6, 0.3], [0.5, 0.2, 0.3], [0.2, 0.2, 0.6]], np.float32)


def classes(output: OutputSettings) -> list[str]:
    (prediction,) = build_predictions(["a"], PROBABILITIES[:1], output)
    return [entry["cat"] for entry in prediction["classes"]]


def test_a_class_has_deepdetects_name_and_its_probability() -> None:
    (prediction,) = build_predictions(["a"], PROBABILITIES[:1], OutputSettings(best=1))
    expected = {"prob": float(np.float32(0.6)), "cat": "n00000001 class_1", "last": True}
    assert prediction == {"uri": "a", "classes": [expected], "images": []}


@pytest.mark.parametrize(
    ("best", "expected"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 0]), (99, [1, 2, 0]), (-1, [1, 2, 0]), (0, [])]
)
def test_the_best_classes_come_first(best: int, expected: list[int]) -> None:
    assert classes(OutputSettings(best=best)) == [f"n{index:08d} class_{index}" for index in expected]


def test_classes_below_the_threshold_are_left_out() -> None:
    assert classes(OutputSettings(confidence_threshold=0.25)) == ["n00000001 class_1", "n00000002 class_2"]
    assert classes(OutputSettings(confidence_threshold=0.9)) == []


def test_only_the_last_class_says_so() -> None:
    (prediction,) = build_predictions(["a"], PROBABILITIES[:1], OutputSettings(confidence_threshold=0.25))
    assert ["last" in entry for entry in prediction["classes"]] == [False, True]


@pytest.mark.parametrize("count", [2, 3, 8, 100])
def test_the_order_is_never_that_of_the_request_and_always_the_same(count: int) -> None:
    uris = [f"{index}.jpg" for index in range(count)]
    probabilities = np.full((count, 2), 0.5, np.float32)
    first, second = (
        [one["uri"] for one in build_predictions(uris, probabilities, OutputSettings(best=1))] for _ in range(2)
    )
    assert first != uris
    assert sorted(first) == sorted(uris)
    assert first == second


def test_every_image_keeps_its_own_classes() -> None:
    best = {
        one["uri"]: one["classes"][0]["cat"]
        for one in build_predictions(["a", "b", "c"], PROBABILITIES, OutputSettings(best=1))
    }
    assert best == {"a": "n00000001 class_1", "b": "n00000000 class_0", "c": "n00000002 class_2"}


def test_an_image_named_twice_is_answered_once() -> None:
    assert {one["uri"] for one in build_predictions(["a", "b", "a"], PROBABILITIES, OutputSettings())} == {"a", "b"}
    assert len(build_predictions(["a", "b", "a"], PROBABILITIES, OutputSettings())) == 2
