"""What a server says of one image, by task: taken out of the answer, and whether it can be right. Pure.

The shapes are those of DeepDetect's output connector: `classes`, with a `bbox` each where objects are detected; `rois`
where each object has features; `vector` for a regression; `vals` with `imgsize` for a segmentation; and `nns` where
an index was searched.
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
"""How far above 1 a probability may lie: a softmax in float32 sums to 1 only nearly."""

SUM_SLACK: Final = 0.01
"""How far above 1 the probabilities of one image may sum up to: a thousand of them, in float16 at the worst."""

LIKENESS: Final = 0.02
"""How far two predictions of one image may be apart, relative to the larger number where that is above 1.

The order of additions differs between batch sizes, and half precision has three digits.
"""

_NAMES_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Box:
    """A box around an object, in pixels of the image; older servers count y upwards: `ymax` is above `ymin` then."""

    xmin: float
    ymin: float
    xmax: float
    ymax: float


@dataclass(frozen=True, slots=True)
class Neighbour:
    """One of the indexed images that are most alike."""

    uri: str
    distance: float


@dataclass(frozen=True, slots=True)
class Region:
    """An object with its features.

    Args:
        box: None where the server does not tell it.
        neighbours: of its features, nearest first; empty where nothing was searched or found.
    """

    category: str
    probability: float
    box: Box | None
    features: tuple[float, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the server says of one image.

    Args:
        classes: (category, probability), best first; of a sequence of characters, the text and how sure it is.
        boxes: one for each of the classes that has one.
        regions: the objects with their features; None where they are not told.
        vector: (name, value) of each value of a regression; None where it is none.
        mask: the class of each pixel, row by row; None where it is no segmentation.
        image_size: width and height of the image, in pixels; None where they are not told.
        neighbours: of the whole image, nearest first; None where nothing was searched or found.
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
    """One of `body.predictions`, whatever the task.

    Args:
        reader: takes values out.
        value: the prediction.
        number: of it, for messages.

    Raises:
        AnswerError: it is not DeepDetect's.
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
    """What cannot be right about the predictions of a task, in words; empty where nothing is wrong.

    Args:
        predictions: of one answer.
        task: what was asked for.
        input_size: width and height of the network's input, for a mask whose image size is not told.
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
    """Whether two predictions of the same image say the same, up to what rounding may change.

    Objects, and classes behind the first, may change places where they are about as probable.
    """
    if [name for name, _ in one.classes[:1]] != [name for name, _ in other.classes[:1]]:
        return False
    mine, others = list(_numbers(one)), list(_numbers(other))
    return len(mine) == len(others) and all(
        abs(a - b) <= LIKENESS * max(1.0, abs(a), abs(b)) for a, b in zip(mine, others, strict=True)
    )


def shorten_list(names: Sequence[str]) -> str:
    """The first few names of a list, and how many more there are."""
    shown = ", ".join(name if len(name) <= 120 else f"{name[:117]}..." for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def parse_reals(reader: JsonReader, value: object, where: str) -> tuple[float, ...]:
    """A list of finite numbers, quickly: a mask has one for each pixel.

    Raises:
        AnswerError: it is none; names the first that is wrong.
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
        if not 0 <= probability <= 1 + PROBABILITY_SLACK  # NaN is neither
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
    """All that an image's prediction says in numbers; what may come in any order is sorted."""
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
    # an image with nothing on it is a right answer
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
