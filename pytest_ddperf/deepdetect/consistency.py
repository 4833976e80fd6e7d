"""Check that a server's predictions are unchanged; after an outage it may answer 200 with wrong results. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from pytest_ddperf.deepdetect.protocol import Answer

Seen = dict[str, tuple[str, float]]
"""The best class of each image and its probability, by uri."""

PROBABILITY_MARGIN: Final = 0.02
"""Maximum change of a probability: GPUs sum in any order, and float16 has three digits."""

TIE: Final = 1e-3
"""Maximum difference between the probabilities of two classes that may change places."""

TIE_ACROSS_SIZES: Final = 0.02
"""The same between two batch sizes, which may use different kernels or TensorRT engines."""

MARGIN_ACROSS_SIZES: Final = 0.1
"""Maximum change of a probability between two batch sizes. In float16 a logit of a deep network is accurate to about
0.2, which changes a probability of 0.5 by 0.05. With another network the change is larger, or the class differs."""

_SHOWN: Final = 3


def select_best_classes(answer: Answer, only: Container[str] | None = None) -> Seen:
    """Select the best class of each image of a checked answer, or only of some uris; images without one are omitted."""
    return {
        one.uri: max(one.classes, key=lambda listed: listed[1])
        for one in answer.predictions
        if one.classes and (only is None or one.uri in only)
    }


def describe_disagreement(
    before: Mapping[str, tuple[str, float]],
    after: Mapping[str, tuple[str, float]],
    *,
    tie: float = TIE,
    margin: float = PROBABILITY_MARGIN,
) -> str:
    """Describe how two answers for the same images differ by more than `tie` and `margin`; "" if they agree."""
    wrong = [uri for uri, was in before.items() if not _agree(was, after.get(uri), tie, margin)]
    if not wrong:
        return ""
    shown = [f"{uri} was {_shown(before[uri])} and is {_shown(after.get(uri))}" for uri in wrong[:_SHOWN]]
    more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return f"{len(wrong)} of {len(before)} images differ: {'; '.join(shown)}{more}"


def _agree(was: tuple[str, float], now: tuple[str, float] | None, tie: float, margin: float) -> bool:
    if now is None:
        return False
    (before, before_p), (after, after_p) = was, now
    if before == after:
        return abs(before_p - after_p) <= margin
    # two different best classes cannot both have a probability above one half
    return abs(before_p - after_p) <= tie and max(before_p, after_p) <= (1 + tie) / 2


def _shown(one: tuple[str, float] | None) -> str:
    if one is None:
        return "missing"
    name, probability = one
    return f"{name if len(name) <= 40 else name[:37] + '...'} ({probability:.3f})"
