"""The networks of each task, run for real, and what is answered of images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from every_row import every_row

from pytest_ddperf.core.networks import TASK_NETWORKS
from pytest_ddperf.core.tasks import Task, predict_output
from pytest_ddperf.deepdetect.predictions import Prediction, find_flaws
from pytest_ddperf.deepdetect.protocol import parse_prediction
from pytest_ddperf.embedded.api_errors import ApiError
from pytest_ddperf.embedded.heads.heads import INDEXED
from pytest_ddperf.embedded.networks.boxes import compute_overlap
from pytest_ddperf.embedded.networks.task_models import TASK_MODELS
from pytest_ddperf.embedded.networks.task_networks import FEATURES
from pytest_ddperf.embedded.runtime.engine import Engine, load_builtin
from pytest_ddperf.embedded.wire import OutputSettings, parse_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Loaded = Callable[[str], Engine]

URIS = ("a.jpg", "b.jpg", "c.jpg")
SIZES = ((500, 375), (64, 48), (31, 77))
TASKS = {one.id: one.task for one in TASK_NETWORKS}


@pytest.fixture(scope="module")
def loaded() -> Iterator[Loaded]:
    """Networks, each loaded when it is first asked for."""
    engines: dict[str, Engine] = {}

    def load(name: str) -> Engine:
        if name not in engines:
            engines[name] = load_builtin(name, threads=1)
        return engines[name]

    yield load
    for engine in engines.values():
        engine.close()


def pictures(name: str) -> NDArray[np.float32]:
    """Three pictures: coarse noise, each with its own contrast."""
    model = TASK_MODELS[name]
    draw = np.random.default_rng(7)
    coarse = draw.uniform(0, 255, (3, 3, 8, 8)).repeat(-(-model.height // 8), 2).repeat(-(-model.width // 8), 3)
    contrast = np.array([1.0, 0.7, 0.4]).reshape(3, 1, 1, 1)
    drawn: NDArray[np.float32] = (coarse[:, :, : model.height, : model.width] * contrast).astype(np.float32)
    return drawn


def asked(task: Task, **more: object) -> OutputSettings:
    return parse_output({**predict_output(task), **more})


def answers(engine: Engine, **more: object) -> list[dict[str, Any]]:
    """What is answered of the three pictures, in their order."""
    output = asked(TASKS[engine.name], **more)
    reported = engine.head.predictions(URIS, engine.run(pictures(engine.name)), SIZES, output)
    return sorted(reported, key=lambda one: str(one["uri"]))


def objects(answer: dict[str, Any]) -> list[tuple[str, float]]:
    """Kind and probability of each object."""
    return [(each["cat"], each["prob"]) for each in answer["classes"]]


def parsed(engine: Engine) -> list[Prediction]:
    return list(parse_prediction({"body": {"predictions": answers(engine)}}).predictions)


def test_the_catalogue_knows_the_embedded_networks_and_their_sizes() -> None:
    known = {one.id: (one.width, one.height, one.nclasses) for one in TASK_NETWORKS}
    assert known == {one.id: (one.width, one.height, one.classes) for one in TASK_MODELS.values()}


@pytest.mark.slow
@every_row("name", TASK_MODELS)
def test_what_is_answered_is_what_the_client_takes_for_right(name: str, loaded: Loaded) -> None:
    reported = parsed(loaded(name))
    assert find_flaws(reported, TASKS[name]) == []
    assert [one.uri for one in reported] == list(URIS)


@pytest.mark.slow
@every_row("name", TASK_MODELS)
def test_pictures_differ_in_what_is_said_of_them_and_are_said_the_same_again(name: str, loaded: Loaded) -> None:
    first, again = answers(loaded(name)), answers(loaded(name))
    assert first == again
    said = [{key: value for key, value in one.items() if key not in {"uri", "imgsize"}} for one in first]
    assert said[0] != said[1] != said[2]


@every_row("name", TASK_MODELS)
def test_a_picture_is_said_the_same_alone_and_in_a_batch(name: str, loaded: Loaded) -> None:
    engine = loaded(name)
    np.testing.assert_allclose(engine.run(pictures(name))[1:2], engine.run(pictures(name)[1:2]), rtol=1e-3, atol=1e-3)


def test_objects_lie_in_their_picture_and_those_of_a_class_apart(loaded: Loaded) -> None:
    reported = [
        [(each.category, each.box) for each in one.objects if each.box] for one in parsed(loaded("task_detection"))
    ]
    assert sum(map(len, reported)) > 10
    for found, (width, height) in zip(reported, SIZES, strict=True):
        assert all(0 <= box.xmin <= box.xmax <= width * 1.0001 for _, box in found)
        assert all(0 <= box.ymin <= box.ymax <= height * 1.0001 for _, box in found)
        scale = np.array([width, height, width, height])
        for kind in {name for name, _ in found}:
            same = [box for name, box in found if name == kind]
            places = np.array([[box.xmin, box.ymin, box.xmax, box.ymax] for box in same], np.float32) / scale
            for place in range(len(places)):
                assert all(compute_overlap(places[place], places[place + 1 :]) <= 0.4501)


def test_the_thresholds_of_the_request_hold(loaded: Loaded) -> None:
    engine = loaded("task_detection")
    everything = [objects(one) for one in answers(engine)]
    probable = [objects(one) for one in answers(engine, confidence_threshold=0.3)]
    assert probable == [[each for each in listed if each[1] > 0.3] for listed in everything]
    assert 0 < sum(map(len, probable)) < sum(map(len, everything))
    assert all(len(one["classes"]) <= 2 for one in answers(engine, best_bbox=2))
    assert sum(len(one["classes"]) for one in answers(engine, nms_threshold=0.0)) < sum(map(len, everything))


def test_a_mask_has_a_class_for_each_pixel_of_the_picture_as_it_was(loaded: Loaded) -> None:
    for one, (width, height) in zip(answers(loaded("task_segmentation")), SIZES, strict=True):
        assert one["imgsize"] == {"width": width, "height": height}
        assert len(one["vals"]) == width * height
        assert 1 < len(set(one["vals"])) <= 21
        assert set(one["vals"]) <= {float(kind) for kind in range(21)}


def test_a_regression_has_its_values(loaded: Loaded) -> None:
    assert [len(one["vector"]) for one in answers(loaded("task_regression"))] == [1, 1, 1]


def test_a_sequence_has_several_characters(loaded: Loaded) -> None:
    texts = [one["classes"][0]["cat"] for one in answers(loaded("task_ocr"))]
    assert all(len(text) > 1 for text in texts)
    assert len(set(texts)) == 3


def test_the_nearest_of_the_indexed_pictures_come_first(loaded: Loaded) -> None:
    for one in answers(loaded("task_search")):
        distances = [each["dist"] for each in one["nns"]]
        assert distances == sorted(distances)
        assert len(distances) == 10
        assert len(one["vals"]) == FEATURES
    (most, *_) = answers(loaded("task_search"), search_nn=1000)
    assert sorted(each["uri"] for each in most["nns"]) == [f"indexed/{number:02d}.jpg" for number in range(INDEXED)]


def test_each_region_has_its_features_and_its_own_neighbours(loaded: Loaded) -> None:
    regions = [region for one in answers(loaded("task_roi_search")) for region in one["rois"]]
    assert len(regions) > 10
    for region in regions:
        assert len(region["vals"]) == FEATURES
        assert np.linalg.norm(region["vals"]) == pytest.approx(1, rel=1e-4)
        assert [each["dist"] for each in region["nns"]] == sorted(each["dist"] for each in region["nns"])
        assert set(region["nns"][0]) >= {"uri", "dist", "prob", "cat", "bbox"}


def test_all_objects_of_a_picture_are_searched_for_together(loaded: Loaded) -> None:
    for one in answers(loaded("task_multibox_search")):
        if one["classes"]:
            distances = [each["dist"] for each in one["nns"]]
            assert distances == sorted(distances)
            assert len({each["uri"] for each in one["nns"]}) == len(distances)
            assert all("bbox" not in each for each in one["classes"])


@pytest.mark.parametrize(
    ("name", "output", "said"),
    [
        ("task_ocr", {"bbox": True}, "the network does ctc and does not support bbox"),
        ("task_detection", {"rois": "rois", "search": True}, "does not support rois, search"),
        ("task_roi_search", {"rois": "rois", "multibox_rois": True}, "does not support multibox_rois"),
        ("task_search", {"regression": True}, "does not support regression"),
        ("task_search", {"index": True}, "the index is already built"),
        ("task_ocr", {"ctc": True, "blank_label": 37}, "there are 37 classes, and blank_label is 37"),
        ("squeezenet_v1.1", {"bbox": True}, "the network does classification and does not support bbox"),
    ],
)
def test_what_a_network_cannot_answer_is_refused(
    name: str, output: dict[str, object], said: str, loaded: Loaded
) -> None:
    engine = loaded(name)
    batch = np.zeros((1, 3, 224, 224), np.float32) if name not in TASK_MODELS else pictures(name)[:1]
    with pytest.raises(ApiError, match=said) as caught:
        engine.head.predictions(URIS[:1], engine.run(batch), SIZES[:1], parse_output(output))
    assert (caught.value.status, caught.value.dd_code) == (400, 1006)
