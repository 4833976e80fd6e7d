from __future__ import annotations

from typing import Any

from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st

from pytest_ddperf.core.tasks import DETECTION_THRESHOLD, Task
from pytest_ddperf.deepdetect.consistency import (
    ACROSS_SIZES,
    SAME_SIZE,
    Rounding,
    describe_change,
    describe_disagreement,
)
from pytest_ddperf.deepdetect.predictions import Class, Prediction
from pytest_ddperf.deepdetect.protocol import Answer, parse_prediction

CLASSES = st.tuples(st.sampled_from(["cat", "dog"]), st.floats(0, 1))
SEEN = st.dictionaries(st.sampled_from(["0", "1", "2"]), CLASSES, min_size=1)

BOX = {"xmin": 10.0, "ymin": 20.0, "xmax": 110.0, "ymax": 220.0}
ELSEWHERE = {"xmin": 300.0, "ymin": 20.0, "xmax": 400.0, "ymax": 120.0}
FACE = {"prob": 0.9, "cat": "face", "bbox": BOX}
FAINT = {"prob": DETECTION_THRESHOLD + SAME_SIZE.margin / 2, "cat": "face", "bbox": ELSEWHERE}
NEAR, FAR, OTHER = ({"uri": f"{name}.jpg", "dist": dist} for name, dist in (("x", 0.5), ("y", 9.0), ("z", 9.0)))
FEATURES = [0.1, 0.2]


def roi(**changed: object) -> dict[str, Any]:
    return {**FACE, "vals": FEATURES, "nns": [NEAR, FAR], **changed}


def read(text: str) -> dict[str, Any]:
    return {"classes": [{"prob": 1e-6, "cat": text}]}


def mask(*classes: float) -> dict[str, Any]:
    return {"vals": list(classes), "imgsize": {"width": len(classes), "height": 1}}


def age(value: float, name: str = "age") -> dict[str, Any]:
    return {"vector": [{"cat": "sex", "val": -0.3}, {"cat": name, "val": value}]}


def found(*neighbours: dict[str, Any], classes: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    return {"classes": classes or [], "nns": list(neighbours), "vals": FEATURES}


def change(task: Task, before: dict[str, Any], after: dict[str, Any], rounding: Rounding = SAME_SIZE) -> str:
    listed = [{"uri": "a.jpg", **before}, {"uri": "a.jpg", **after}]
    was, now = parse_prediction({"body": {"predictions": listed}}).predictions
    return describe_change(was, now, task, rounding)


def answered(seen: dict[str, tuple[str, float]]) -> Answer:
    return Answer(1.0, tuple(Prediction(uri, (Class(*one),)) for uri, one in seen.items()))


def classified(
    was: tuple[str, float], now: tuple[str, float], rounding: Rounding = SAME_SIZE, task: Task = Task.CLASSIFICATION
) -> str:
    return describe_disagreement(answered({"0": was}), answered({"0": now}), task, rounding)


@given(SEEN)
def test_an_answer_agrees_with_itself(seen: dict[str, tuple[str, float]]) -> None:
    assert describe_disagreement(answered(seen), answered(dict(reversed(seen.items())))) == ""


def test_only_images_of_both_answers_are_compared() -> None:
    before, after = answered({"0": ("cat", 0.9), "1": ("cat", 0.9)}), answered({"1": ("cat", 0.9), "2": ("dog", 0.9)})
    assert describe_disagreement(before, after) == ""


@every_row(
    "was, now, agree",
    [
        (("cat", 0.9), ("cat", 0.9 - SAME_SIZE.margin / 2), True),
        (("cat", 0.9), ("cat", 0.9 - SAME_SIZE.margin * 2), False),
        (("cat", 0.9), ("cat", 0.9 + SAME_SIZE.margin * 2), False),
        (("cat", 0.3), ("dog", 0.3 + SAME_SIZE.tie / 2), True),
        (("cat", 0.3), ("dog", 0.3 + SAME_SIZE.tie * 2), False),
        (("cat", 0.3), ("dog", 0.3 - SAME_SIZE.tie * 2), False),
        (("cat", 0.9), ("dog", 0.9), False),
    ],
)
def test_a_prediction_agrees_within_what_a_gpu_rounds(
    was: tuple[str, float], now: tuple[str, float], agree: bool
) -> None:
    assert (classified(was, now) == "") is agree


def test_between_two_batch_sizes_classes_that_lie_further_apart_may_change_places() -> None:
    was, now = ("cat", 0.30), ("dog", 0.29)
    assert classified(was, now)
    assert classified(was, now, ACROSS_SIZES) == ""
    assert classified(("cat", 0.9), ("dog", 0.9), ACROSS_SIZES)


def test_a_probability_may_move_further_between_two_batch_sizes() -> None:
    was, now = ("cat", 0.50), ("cat", 0.45)
    assert classified(was, now)
    assert classified(was, now, ACROSS_SIZES) == ""
    assert classified(was, ("cat", 0.39), ACROSS_SIZES)


def test_a_difference_names_the_images() -> None:
    before = answered({str(number): ("cat", 0.9) for number in range(5)})
    after = answered({"0": ("cat", 0.9)} | {str(number): ("dog", 0.8) for number in range(1, 5)})
    assert describe_disagreement(before, after) == (
        "4 of 5 images differ: 1 was cat (0.900) and is dog (0.800); 2 was cat (0.900) and is dog (0.800); "
        "3 was cat (0.900) and is dog (0.800), and 1 more"
    )


def nudged(value: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    if isinstance(value, float):
        return value * 1.001
    if isinstance(value, dict):
        return {key: nudged(one) for key, one in value.items()}
    return [nudged(one) for one in value] if isinstance(value, list) else value


@every_row(
    "task, before, after",
    [
        *((task, one, nudged(one)) for task, one in (
            (Task.CLASSIFICATION, {"classes": [{"prob": 0.9, "cat": "cat"}, {"prob": 0.05, "cat": "dog"}]}),
            (Task.DETECTION, {"classes": [FACE, FAINT]}),
            (Task.REGRESSION, age(41.5)),
            (Task.SEARCH, found(NEAR, FAR)),
            (Task.ROI_SEARCH, {"rois": [roi()]}),
            (Task.MULTIBOX_SEARCH, found(NEAR, FAR, classes=[{"prob": 0.9, "cat": "face"}])),
            (Task.OCR, read("rue de rivoli")),
        )),
        (Task.SEGMENTATION, mask(*[0.0] * 99, 1.0), mask(*[0.0] * 98, 1.0, 1.0)),
        # an object whose probability is near the threshold
        (Task.DETECTION, {"classes": [FACE]}, {"classes": [FACE, FAINT]}),
        (Task.DETECTION, {"classes": []}, {"classes": [FAINT]}),
        (Task.ROI_SEARCH, {"rois": []}, {"rois": [roi(prob=0.11)]}),
        (Task.MULTIBOX_SEARCH, {"classes": []}, found(NEAR, classes=[{"prob": 0.11, "cat": "face"}])),
        # two sure objects of almost the same probability
        (
            Task.DETECTION,
            {"classes": [FACE, {"prob": 0.899, "cat": "hand", "bbox": ELSEWHERE}]},
            {"classes": [{"prob": 0.901, "cat": "hand", "bbox": ELSEWHERE}, FACE]},
        ),
        (
            Task.MULTIBOX_SEARCH,
            found(NEAR, classes=[{"prob": 0.9, "cat": "face"}, {"prob": 0.899, "cat": "hand"}]),
            found(NEAR, classes=[{"prob": 0.901, "cat": "hand"}, {"prob": 0.9, "cat": "face"}]),
        ),
        # the other one of two boxes of one object, which no longer suppresses a third one
        (
            Task.DETECTION,
            {"classes": [FACE, {**FACE, "prob": 0.6, "bbox": {**BOX, "ymin": 100.0, "ymax": 280.0}}]},
            {"classes": [{**FACE, "prob": 0.899, "bbox": {**BOX, "ymin": 50.0, "ymax": 250.0}}]},
        ),
        # an older server's boxes, in which y increases upwards
        (Task.DETECTION, {"classes": [{**FACE, "bbox": {**BOX, "ymin": 220.0, "ymax": 20.0}}]}, {"classes": [FACE]}),
        # the last of several neighbours, and the first two of almost the same distance
        (Task.SEARCH, found(NEAR, FAR), found(NEAR, OTHER)),
        (Task.SEARCH, found(NEAR, {**OTHER, "dist": 0.501}, FAR), found({**OTHER, "dist": 0.5}, NEAR, FAR)),
        # features of any size, which the distances compare
        (Task.SEARCH, {**found(NEAR), "vals": [1e4, 7.0]}, {**found(NEAR), "vals": [1.001e4, 7.01]}),
        (Task.OCR, read("rue de rivoli"), read("rue de rivol1")),
        (Task.OCR, read(""), read("i")),
        (Task.OCR, read("12"), read("2")),
    ],
)  # fmt: skip
def test_rounding_is_no_change(task: Task, before: dict[str, Any], after: dict[str, Any]) -> None:
    assert change(task, before, after) == change(task, after, before) == ""


@every_row(
    "task, before, after, named",
    [
        (Task.CLASSIFICATION, {"classes": [{"prob": 0.9, "cat": "cat"}]}, {"classes": []}, ["cat", "missing"]),
        (Task.DETECTION, {"classes": [FACE]}, {"classes": []}, ["face", "missing"]),
        (Task.DETECTION, {"classes": [FACE]}, {"classes": [{**FACE, "prob": 0.5}]}, ["0.900", "0.500"]),
        (Task.DETECTION, {"classes": [FACE]}, {"classes": [{**FACE, "cat": "hand"}]}, ["face", "hand"]),
        (Task.DETECTION, {"classes": [FACE]}, {"classes": [{**FACE, "bbox": ELSEWHERE}]}, ["face", "missing"]),
        (
            Task.DETECTION,
            {"classes": [FACE, {**FACE, "bbox": ELSEWHERE, "prob": 0.8}]},
            {"classes": [FACE]},
            ["0.800", "missing"],
        ),
        (Task.DETECTION, {"classes": [FACE]}, {"classes": [{**FACE, "bbox": {**BOX, "ymin": 180.0}}]}, ["missing"]),
        (Task.SEGMENTATION, mask(*[0.0] * 10), mask(*[0.0] * 9, 1.0), ["10 %"]),
        (Task.SEGMENTATION, mask(*[149.0] * 10), mask(*[150.0] * 10), ["100 %"]),
        (Task.SEGMENTATION, mask(*[0.0] * 10), mask(*[0.0] * 9), ["10", "9"]),
        (Task.REGRESSION, age(41.5), age(0.0), ["age", "41.5", "0"]),
        (Task.REGRESSION, age(41.5), age(-41.5), ["age", "-41.5"]),
        (Task.REGRESSION, age(41.5), age(41.5, "height"), ["age", "height"]),
        (Task.REGRESSION, age(41.5), {"vector": age(41.5)["vector"][:1]}, ["age", "missing"]),
        (Task.SEARCH, found(NEAR, FAR), found({**NEAR, "dist": 0.8}, FAR), ["0.500", "0.800"]),
        (Task.SEARCH, found(NEAR, FAR), found({**OTHER, "dist": 0.5}, FAR), ["x.jpg", "z.jpg"]),
        (
            Task.MULTIBOX_SEARCH,
            found(NEAR, FAR, classes=[{"prob": 0.9, "cat": "face"}]),
            found({**NEAR, "dist": 0.0}, FAR, classes=[{"prob": 0.9, "cat": "face"}]),
            ["0.500", "0.000"],
        ),
        (Task.ROI_SEARCH, {"rois": [roi()]}, {"rois": [roi(bbox=ELSEWHERE)]}, ["face", "missing"]),
        (Task.ROI_SEARCH, {"rois": [roi()]}, {"rois": [roi(nns=[{**NEAR, "uri": "w.jpg"}, FAR])]}, ["w.jpg"]),
        (Task.OCR, read("rue de rivoli"), read("rue"), ["rivoli"]),
        (Task.OCR, read("rue de rivoli"), read("kxw"), ["rivoli", "kxw"]),
        (Task.OCR, read("cat"), read("dog"), ["cat", "dog"]),
    ],
)
def test_another_answer_is_a_change(
    task: Task, before: dict[str, Any], after: dict[str, Any], named: list[str]
) -> None:
    assert all(name in change(task, before, after) for name in named), change(task, before, after)
    assert change(task, after, before)


def test_more_pixels_may_change_their_class_between_two_batch_sizes() -> None:
    assert change(Task.SEGMENTATION, mask(*[0.0] * 10), mask(*[0.0] * 9, 1.0), ACROSS_SIZES) == ""
    assert change(Task.SEGMENTATION, mask(*[0.0] * 10), mask(*[0.0] * 8, 1.0, 2.0), ACROSS_SIZES)
