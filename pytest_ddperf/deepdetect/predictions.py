"""Predictions for single images, by task: parsing and plausibility checks. Pure.

The shapes are those of DeepDetect's output connector: `classes`, each with a `bbox` for detection; `rois` if each
object has features; `vector` for a regression; `vals` with `imgsize` for a segmentation; and `nns` if an index was
searched.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.tasks import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pytest_ddperf.deepdetect.json_reader import JsonReader

PROBABILITY_SLACK: Final = 1e-4
"""How far a probability may exceed 1: a softmax in float32 sums to 1 only approximately."""

SUM_SLACK: Final = 0.01
"""How far the sum of an image's probabilities may exceed 1; the worst case is a thousand classes in float16."""

LIKENESS: Final = 0.02
"""Maximum difference between two predictions of one image, relative to the larger number if that is above 1.

The order of additions differs between batch sizes, and half precision has three digits.
"""

_NAMES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Box:
    """A box around an object, in pixels of the image; in older servers y increases upwards, so `ymax` is the top."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the most similar indexed images."""

    uri: str
    distance: float


@dataclass(frozen=True, slots=True)
class Region:
    """An object with its features.

    Args:
        box: None if the server does not report it.
        neighbours: neighbours of its features, nearest first; empty if nothing was searched or found.
    """

    category: str
    probability: float
    box: Box | None
    features: tuple[float, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The server's prediction for one image.

    Args:
        classes: (category, probability), best first; for OCR, (text, confidence).
        boxes: the boxes of those classes that have one.
        regions: the objects with their features; None if not reported.
        vector: (name, value) of each value of a regression; None for other tasks.
        mask: the class of each pixel, row by row; None if it is not a segmentation.
        image_size: width and height of the image, in pixels; None if not reported.
        neighbours: neighbours of the whole image, nearest first; None if nothing was searched or found.
    """

    uri: str
    classes: tuple[tuple[str, float], ...] = ()
    boxes: tuple[Box, ...] = ()
    regions: tuple[Region, ...] | None = None
    vector: tuple[tuple[str, float], ...] | None = None
    mask: tuple[float, ...] | None = None
    image_size: tuple[int, int] | None = None
    neighbours: tuple[Neighbour, ...] | None = None


def parse_one(reader: JsonReader, value: object, number: int) -> Prediction:
    """Parse one entry of `body.predictions`, for any task.

    Args:
        reader: reads values and raises errors.
        value: the prediction.
        number: its index, for messages.

    Raises:
        AnswerError: the prediction does not have DeepDetect's format.
    """
    where = f"body.predictions[{number}]"
    one = reader.mapping(value, where)
    uri = one.get("uri")
    if not isinstance(uri, str):
        raise reader.error(f"{where}.uri", "a text", uri)
    rois, vector, vals = one.get("rois"), one.get("vector"), one.get("vals")
    listed: list[dict[str, object]] = []
    if "classes" in one or (rois is None and vector is None and vals is None):
        listed = _entries(reader, one.get("classes"), f"{where}.classes")
    boxes = (_box(reader, entry, f"{where}.classes[{place}]") for place, entry in enumerate(listed))
    return Prediction(
        uri,
        classes=tuple(_named(reader, entry, f"{where}.classes[{place}]", "prob") for place, entry in enumerate(listed)),
        boxes=tuple(box for box in boxes if box is not None),
        regions=None if rois is None else tuple(_regions(reader, rois, f"{where}.rois")),
        vector=None if vector is None else tuple(_vector(reader, vector, f"{where}.vector")),
        mask=None if vals is None else parse_reals(reader, vals, f"{where}.vals"),
        image_size=_size(reader, one.get("imgsize"), f"{where}.imgsize"),
        neighbours=None if one.get("nns") is None else tuple(_neighbours(reader, one["nns"], f"{where}.nns")),
    )


def find_flaws(predictions: Sequence[Prediction], task: Task, input_size: tuple[int, int] | None = None) -> list[str]:
    """Describe implausible predictions of a task; empty if there are none.

    Args:
        predictions: predictions of one answer.
        task: the task of the request.
        input_size: width and height of the network's input, for a mask whose image size is not reported.
    """
    wrong = [*_improbable(predictions)] if task is not Task.OCR else []
    for what, is_wrong in _RULES[task]:
        if found := [one.uri for one in predictions if is_wrong(one)]:
            wrong.append(f"{len(found)} {what}: {shorten_list(found)}")
    if task is Task.CLASSIFICATION:
        wrong += _excessive(predictions)
    if task is Task.SEGMENTATION:
        wrong += _ill_sized(predictions, input_size)
    return wrong


def are_alike(one: Prediction, other: Prediction) -> bool:
    """Whether two predictions of the same image are equal up to rounding.

    Objects, and classes after the first, may change places if their probabilities are close.
    """
    if [name for name, _ in one.classes[:1]] != [name for name, _ in other.classes[:1]]:
        return False
    mine, others = list(_numbers(one)), list(_numbers(other))
    return len(mine) == len(others) and all(
        abs(a - b) <= LIKENESS * max(1.0, abs(a), abs(b)) for a, b in zip(mine, others, strict=True)
    )


def shorten_list(names: Sequence[str]) -> str:
    """Format the first few names of a list and the number of further ones."""
    shown = ", ".join(name if len(name) <= 120 else f"{name[:117]}..." for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def parse_reals(reader: JsonReader, value: object, where: str) -> tuple[float, ...]:
    """Parse a list of finite numbers; optimised for masks, which have one number per pixel.

    Raises:
        AnswerError: the value is not such a list; the message names the first invalid number.
    """
    listed = reader.sequence(value, where)
    if all(type(one) is float for one in listed):
        numbers = tuple(one for one in listed if isinstance(one, float) and math.isfinite(one))
        if len(numbers) == len(listed):
            return numbers
    return tuple(reader.real(one, f"{where}[{place}]") for place, one in enumerate(listed))


def _entries(reader: JsonReader, value: object, where: str) -> list[dict[str, object]]:
    return [reader.mapping(entry, f"{where}[{place}]") for place, entry in enumerate(reader.sequence(value, where))]


def _named(reader: JsonReader, entry: Mapping[str, object], at: str, key: str) -> tuple[str, float]:
    category, number = entry.get("cat"), reader.real(entry.get(key), f"{at}.{key}")
    if not isinstance(category, str):
        raise reader.error(f"{at}.cat", "a text", category)
    return category, number


def _box(reader: JsonReader, entry: Mapping[str, object], at: str) -> Box | None:
    if entry.get("bbox") is None:
        return None
    box = reader.mapping(entry["bbox"], f"{at}.bbox")
    xmin, ymin, xmax, ymax = (
        reader.real(box.get(side), f"{at}.bbox.{side}") for side in ("xmin", "ymin", "xmax", "ymax")
    )
    return Box(xmin, ymin, xmax, ymax)


def _regions(reader: JsonReader, value: object, where: str) -> Iterator[Region]:
    for place, entry in enumerate(_entries(reader, value, where)):
        at = f"{where}[{place}]"
        category, probability = _named(reader, entry, at, "prob")
        yield Region(
            category,
            probability,
            box=_box(reader, entry, at),
            features=parse_reals(reader, entry.get("vals"), f"{at}.vals"),
            neighbours=() if entry.get("nns") is None else tuple(_neighbours(reader, entry["nns"], f"{at}.nns")),
        )


def _vector(reader: JsonReader, value: object, where: str) -> Iterator[tuple[str, float]]:
    for place, entry in enumerate(_entries(reader, value, where)):
        yield _named(reader, entry, f"{where}[{place}]", "val")


def _neighbours(reader: JsonReader, value: object, where: str) -> Iterator[Neighbour]:
    for place, entry in enumerate(_entries(reader, value, where)):
        uri = entry.get("uri")
        if not isinstance(uri, str):
            raise reader.error(f"{where}[{place}].uri", "a text", uri)
        yield Neighbour(uri, reader.real(entry.get("dist"), f"{where}[{place}].dist"))


def _size(reader: JsonReader, value: object, where: str) -> tuple[int, int] | None:
    if value is None:
        return None
    size = reader.mapping(value, where)
    width, height = (reader.count(size, side, where) for side in ("width", "height"))
    if not width or not height:
        raise reader.error(where, "a width and a height above 0", value)
    return width, height


def _improbable(predictions: Iterable[Prediction]) -> Iterator[str]:
    wrong = [
        f"{one.uri} ({probability!r})"
        for one in predictions
        for probability in _probabilities(one)
        if not 0 <= probability <= 1 + PROBABILITY_SLACK  # also true for NaN
    ]
    if wrong:
        yield f"{len(wrong)} probabilities are not between 0 and 1: {shorten_list(wrong)}"


def _excessive(predictions: Iterable[Prediction]) -> Iterator[str]:
    sums = [(one.uri, sum(probability for _, probability in one.classes)) for one in predictions]
    if wrong := [f"{uri} ({total:.4g})" for uri, total in sums if total > 1 + SUM_SLACK]:
        yield f"the probabilities of {len(wrong)} images sum up to more than 1: {shorten_list(wrong)}"


def _probabilities(one: Prediction) -> Iterator[float]:
    yield from (probability for _, probability in one.classes)
    yield from (region.probability for region in one.regions or ())


def _ill_sized(predictions: Iterable[Prediction], input_size: tuple[int, int] | None) -> Iterator[str]:
    wrong = []
    for one in predictions:
        size = one.image_size or input_size
        if one.mask is not None and size is not None and len(one.mask) != size[0] * size[1]:
            wrong.append(f"{one.uri} ({len(one.mask)} values for {size[0]}x{size[1]} pixels)")
    if wrong:
        yield f"{len(wrong)} masks have not one value a pixel: {shorten_list(wrong)}"


def _crossed(box: Box) -> bool:
    return box.xmin > box.xmax


def _numbers(one: Prediction) -> Iterator[float]:
    """All numbers of an image's prediction; those that may come in any order are sorted."""
    yield from sorted((probability for _, probability in one.classes), reverse=True)
    for side in ("xmin", "ymin", "xmax", "ymax"):
        yield from sorted(float(getattr(box, side)) for box in one.boxes)
    yield from sorted((region.probability for region in one.regions or ()), reverse=True)
    yield from (value for _, value in one.vector or ())
    yield from one.mask or ()
    yield from sorted(neighbour.distance for neighbour in one.neighbours or ())


_Rule = tuple[str, "Callable[[Prediction], bool]"]

_NO_CLASS: Final[_Rule] = ("without a class", lambda one: not one.classes)
_REGIONS: Final[tuple[_Rule, ...]] = (
    ("without a list of regions", lambda one: one.regions is None),
    ("have a region without a box", lambda one: any(region.box is None for region in one.regions or ())),
    ("have a region without features", lambda one: any(not region.features for region in one.regions or ())),
    (
        "have a region without nearest neighbours",
        lambda one: any(not region.neighbours for region in one.regions or ()),
    ),
)

_RULES: Final[Mapping[Task, tuple[_Rule, ...]]] = {
    Task.CLASSIFICATION: (_NO_CLASS,),
    Task.OCR: (("without a sequence", lambda one: not one.classes),),
    # no object in an image is a valid answer
    Task.DETECTION: (
        ("have an object without a box", lambda one: len(one.boxes) != len(one.classes)),
        ("have a box whose left side is right of its right side", lambda one: any(map(_crossed, one.boxes))),
    ),
    Task.SEGMENTATION: (
        ("without a mask", lambda one: one.mask is None),
        ("have a class below 0", lambda one: any(value < 0 for value in one.mask or ())),
    ),
    Task.REGRESSION: (("without a value", lambda one: not one.vector),),
    Task.SEARCH: (("without nearest neighbours", lambda one: not one.neighbours),),
    Task.ROI_SEARCH: _REGIONS,
    Task.MULTIBOX_SEARCH: (
        ("have objects, and no nearest neighbours", lambda one: bool(one.classes) and not one.neighbours),
    ),
}
