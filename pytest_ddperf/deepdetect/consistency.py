"""Check that a server's predictions are unchanged; after an outage it may answer 200 with wrong results. Pure."""

from __future__ import annotations

import math
import operator
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_ddperf.core.tasks import DETECTION_THRESHOLD, Task
from pytest_ddperf.deepdetect.predictions import Box, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_ddperf.deepdetect.predictions import Prediction
    from pytest_ddperf.deepdetect.protocol import Answer


class Rounding(NamedTuple):
    """How much two predictions of one image may differ.

    Args:
        tie: difference between the probabilities of two classes that may change places.
        margin: change of a number, relative to it if it is above 1; share of a mask's pixels whose class may change.
    """

    tie: float
    margin: float


SAME_SIZE: Final = Rounding(tie=1e-3, margin=0.02)
"""Between two requests of one batch size: GPUs sum in any order, and float16 has three digits."""

ACROSS_SIZES: Final = Rounding(tie=0.02, margin=0.1)
"""Between two batch sizes, or two servers, which may use different kernels or TensorRT engines. In float16 a logit of a
deep network is accurate to about 0.2, which changes a probability of 0.5 by 0.05. With another network the change is
larger, or the class differs."""

SAME_OBJECT: Final = 0.5
"""Least overlap of two boxes around the same object, intersection over union, as in PASCAL VOC. Of two boxes whose
probabilities are close, non-maximum suppression keeps one or the other."""

SAME_TEXT: Final = 0.25
"""Share of a text's characters that may differ, at least one: each column of a text has its own ties."""

_SHOWN: Final = 3


def describe_disagreement(
    before: Answer, after: Answer, task: Task = Task.CLASSIFICATION, rounding: Rounding = SAME_SIZE
) -> str:
    """Describe how two answers differ beyond rounding, in the images that both contain; "" if they agree."""
    first = {one.uri: one for one in before.predictions}
    pairs = [(first[one.uri], one) for one in after.predictions if one.uri in first]
    changes = [
        f"{was.uri} {change}"
        for was, now in pairs
        if was != now and (change := describe_change(was, now, task, rounding))
    ]
    if not changes:
        return ""
    more = f", and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return f"{len(changes)} of {len(pairs)} images differ: {'; '.join(changes[:_SHOWN])}{more}"


def describe_change(before: Prediction, after: Prediction, task: Task, rounding: Rounding = SAME_SIZE) -> str:
    """Describe the first difference beyond rounding between two predictions of one image; "" if they agree."""
    return next(_changes(before, after, task, rounding), "")


class _Item(NamedTuple):
    """A class, an object or a neighbour; `score` is its probability, or minus its distance."""

    name: str
    score: float
    box: Box | None = None

    def __str__(self) -> str:
        return f"{self.name if len(self.name) <= 40 else self.name[:37] + '...'} ({abs(self.score):.3f})"


def _changes(before: Prediction, after: Prediction, task: Task, rounding: Rounding) -> Iterator[str]:
    for list_items in (_objects, _neighbours):
        ours, theirs = list_items(before), list_items(after)
        for lost, instead in _unmatched(ours, theirs, task, rounding):
            yield f"was {lost} and is {instead or 'missing'}"
        for new, instead in _unmatched(theirs, ours, task, rounding):
            yield f"was {instead or 'missing'} and is {new}"
    values = zip_longest(before.vector or (), after.vector or (), fillvalue=Value("missing", math.nan))
    for was, now in values:
        largest = max(1.0, abs(was.value), abs(now.value))
        if was.name != now.name or not abs(was.value - now.value) <= rounding.margin * largest:
            yield f"was {was.name} {was.value:.4g} and is {now.name} {now.value:.4g}"
    if task is Task.SEGMENTATION:  # a search, too, may contain such a list: the features, which its distances compare
        mask, changed = before.mask or (), after.mask or ()
        if len(mask) != len(changed):
            yield f"had {len(mask)} pixels and has {len(changed)}"
        elif (pixels := sum(map(operator.ne, mask, changed))) > rounding.margin * len(mask):
            yield f"has another class in {pixels / len(mask) * 100:.0f} % of its pixels"


def _unmatched(
    items: Sequence[_Item], others: Sequence[_Item], task: Task, rounding: Rounding
) -> Iterator[tuple[_Item, _Item | None]]:
    """Yield the items that another list should contain and does not, with the best one in their place.

    All objects with boxes are compared, but only the first item of other lists. The server may have omitted an item
    from the other list that is not better than the last one there. An object in place of another one may be more
    probable, because the reverse comparison requires the other one then.
    """
    for item in items if any(one.box for one in items) else items[:1]:
        scale = max(1.0, abs(item.score))
        alike = [one for one in others if one.score >= item.score - rounding.margin * scale]
        if any(_is_same(item.name, one.name, task) and _overlap(item.box, one.box) for one in alike):
            continue
        there = [one for one in others if _overlap(item.box, one.box)]
        last = min((one.score for one in there), default=DETECTION_THRESHOLD + rounding.margin)
        # two different best classes cannot both have a probability above one half
        is_omitted = item.score <= min(last + rounding.tie * scale, (1 + rounding.tie) / 2)
        if not is_omitted or task is Task.OCR:  # the probability of a text is that of all its characters
            yield item, max(there, key=lambda one: one.score, default=None)


def _objects(one: Prediction) -> list[_Item]:
    """List classes or objects, best first."""
    found = [_Item(each.category, each.probability, each.box) for each in one.objects]
    return sorted(found, key=lambda item: item.score, reverse=True)


def _neighbours(one: Prediction) -> list[_Item]:
    """List the nearest neighbours of the image or of its objects, those of the best object first."""
    found = list(one.neighbours or ())
    for region in sorted(one.regions or (), key=lambda region: region.probability, reverse=True):
        found += region.neighbours or ()
    return [_Item(neighbour.uri, -neighbour.distance) for neighbour in found]


def _is_same(one: str, other: str, task: Task) -> bool:
    if one == other or task is not Task.OCR:
        return one == other
    longer = max(len(one), len(other))
    same = sum(block.size for block in SequenceMatcher(None, one, other, autojunk=False).get_matching_blocks())
    return longer - same <= max(1.0, SAME_TEXT * longer)


def _overlap(one: Box | None, other: Box | None) -> bool:
    """Whether two boxes are around the same object; true for items without boxes."""
    if one is None or other is None:
        return True
    both, areas = 1.0, [1.0, 1.0]
    for low, high in (("xmin", "xmax"), ("ymin", "ymax")):
        sides = [sorted((getattr(box, low), getattr(box, high))) for box in (one, other)]
        both *= max(0.0, min(side[1] for side in sides) - max(side[0] for side in sides))
        areas = [area * (side[1] - side[0]) for area, side in zip(areas, sides, strict=True)]
    return both >= SAME_OBJECT * (sum(areas) - both)
