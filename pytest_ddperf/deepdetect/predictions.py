"""Predictions for single images, by task: parsing and plausibility checks. Pure.

The shapes are those of DeepDetect's output connector: `classes`, each with a `bbox` for detection; `rois` if each
object has features; `vector` for a regression; `vals` with `imgsize` for a segmentation; and `nns` if an index was
searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.json_reader import Pixels, Real  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

PROBABILITY_SLACK: Final = 1e-4
"""How far a probability may exceed 1: a softmax in float32 sums to 1 only approximately."""

SUM_SLACK: Final = 0.01
"""How far the sum of an image's probabilities may exceed 1; the worst case is a thousand classes in float16."""

_NAMES_SHOWN: Final = 3


class Box(msgspec.Struct, frozen=True):
    """A box around an object, in pixels of the image; in older servers y increases upwards, so `ymax` is the top."""

    xmin: Real
    ymin: Real
    xmax: Real
    ymax: Real


class Neighbour(msgspec.Struct, frozen=True):
    """One of the most similar indexed images."""

    uri: str
    distance: Real = msgspec.field(name="dist")


class Class(msgspec.Struct, frozen=True):
    """A class of an image, or an object in it; for OCR, a text with its confidence.

    Args:
        box: around the object; None if the server does not report it.
    """

    category: str = msgspec.field(name="cat")
    probability: Real = msgspec.field(name="prob")
    box: Box | None = msgspec.field(default=None, name="bbox")


class Region(Class, frozen=True, kw_only=True):
    """An object with its features.

    Args:
        neighbours: neighbours of its features, nearest first; empty or None if nothing was searched or found.
    """

    features: tuple[Real, ...] = msgspec.field(name="vals")
    neighbours: tuple[Neighbour, ...] | None = msgspec.field(default=None, name="nns")


class Value(msgspec.Struct, frozen=True):
    """A value of a regression."""

    name: str = msgspec.field(name="cat")
    value: Real = msgspec.field(name="val")


class Size(msgspec.Struct, frozen=True):
    """Width and height of an image."""

    width: Pixels
    height: Pixels


class Prediction(msgspec.Struct, frozen=True):
    """The server's prediction for one image, an entry of `body.predictions`.

    Args:
        classes: best first; unset if not reported.
        regions: the objects with their features; None if not reported.
        vector: the values of a regression; None for other tasks.
        mask: the class of each pixel, row by row; None if it is not a segmentation.
        image_size: size of the image; None if not reported.
        neighbours: neighbours of the whole image, nearest first; None if nothing was searched or found.
    """

    uri: str
    classes: tuple[Class, ...] | msgspec.UnsetType = msgspec.UNSET
    regions: tuple[Region, ...] | None = msgspec.field(default=None, name="rois")
    vector: tuple[Value, ...] | None = None
    mask: tuple[Real, ...] | None = msgspec.field(default=None, name="vals")
    image_size: Size | None = msgspec.field(default=None, name="imgsize")
    neighbours: tuple[Neighbour, ...] | None = msgspec.field(default=None, name="nns")

    def __post_init__(self) -> None:
        """Require classes, unless there is another kind of result."""
        if self.classes is msgspec.UNSET and self.regions is None and self.vector is None and self.mask is None:
            raise ValueError("Object missing required field `classes`")

    @property
    def objects(self) -> tuple[Class, ...]:
        """All classes or objects that are reported."""
        return (*(self.classes or ()), *(self.regions or ()))


def find_flaws(predictions: Sequence[Prediction], task: Task, input_size: tuple[int, int] | None = None) -> list[str]:
    """Describe implausible predictions of a task; empty if there are none. A mask without a size has `input_size`."""
    wrong = [*_improbable(predictions)] if task is not Task.OCR else []
    for what, is_wrong in _RULES[task]:
        if found := [one.uri for one in predictions if is_wrong(one)]:
            wrong.append(f"{what} in {len(found)} of {len(predictions)} images: {shorten_list(found)}")
    if task is Task.CLASSIFICATION:
        wrong += _excessive(predictions)
    if task is Task.SEGMENTATION:
        wrong += _ill_sized(predictions, input_size)
    return wrong


def shorten_list(names: Sequence[str]) -> str:
    """Format the first few names of a list and the number of further ones."""
    shown = ", ".join(name if len(name) <= 120 else f"{name[:117]}..." for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _improbable(predictions: Iterable[Prediction]) -> Iterator[str]:
    wrong = [
        f"{one.uri} ({each.probability!r})"
        for one in predictions
        for each in one.objects
        if not 0 <= each.probability <= 1 + PROBABILITY_SLACK  # also true for NaN
    ]
    if wrong:
        yield f"{len(wrong)} probabilities are not between 0 and 1: {shorten_list(wrong)}"


def _excessive(predictions: Iterable[Prediction]) -> Iterator[str]:
    sums = [(one.uri, sum(each.probability for each in one.classes or ())) for one in predictions]
    if wrong := [f"{uri} ({total:.4g})" for uri, total in sums if total > 1 + SUM_SLACK]:
        yield f"the probabilities of {len(wrong)} images sum up to more than 1: {shorten_list(wrong)}"


def _ill_sized(predictions: Iterable[Prediction], input_size: tuple[int, int] | None) -> Iterator[str]:
    wrong = []
    for one in predictions:
        size = input_size if one.image_size is None else (one.image_size.width, one.image_size.height)
        if one.mask is not None and size is not None and len(one.mask) != size[0] * size[1]:
            wrong.append(f"{one.uri} ({len(one.mask)} values for {size[0]:g}x{size[1]:g} pixels)")
    if wrong:
        yield f"{len(wrong)} masks do not have one value per pixel: {shorten_list(wrong)}"


_Rule = tuple[str, "Callable[[Prediction], bool]"]

_REGIONS: Final[tuple[_Rule, ...]] = (
    ("no list of regions", lambda one: one.regions is None),
    ("a region without a box", lambda one: any(region.box is None for region in one.regions or ())),
    ("a region without features", lambda one: any(not region.features for region in one.regions or ())),
    (
        "a region without nearest neighbours",
        lambda one: any(not region.neighbours for region in one.regions or ()),
    ),
)

_RULES: Final[Mapping[Task, tuple[_Rule, ...]]] = {
    Task.CLASSIFICATION: (("no class", lambda one: not one.classes),),
    Task.OCR: (("no sequence", lambda one: not one.classes),),
    # no object in an image is a valid answer
    Task.DETECTION: (
        ("an object without a box", lambda one: any(each.box is None for each in one.classes or ())),
        (
            "a box whose left side is right of its right side",
            lambda one: any(each.box and each.box.xmin > each.box.xmax for each in one.classes or ()),
        ),
    ),
    Task.SEGMENTATION: (
        ("no mask", lambda one: one.mask is None),
        ("a class below 0", lambda one: any(value < 0 for value in one.mask or ())),
    ),
    Task.REGRESSION: (("no value", lambda one: not one.vector),),
    Task.SEARCH: (("no nearest neighbours", lambda one: not one.neighbours),),
    Task.ROI_SEARCH: _REGIONS,
    Task.MULTIBOX_SEARCH: (
        ("objects but no nearest neighbours", lambda one: bool(one.classes) and not one.neighbours),
    ),
}
