"""Whether a server still predicts what it did: after an outage it may answer 200 and compute nonsense. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from pytest_ddperf.deepdetect.protocol import Answer

Seen = dict[str, tuple[str, float]]
"""By uri, the best class of an image and its probability."""

PROBABILITY_MARGIN: Final = 0.02
"""How far a probability may move: GPUs sum up in any order, and float16 keeps three digits."""

TIE: Final = 1e-3
"""Two classes whose probabilities lie so close may change places."""

TIE_ACROSS_SIZES: Final = 0.02
"""The same between two batch sizes: other kernels run, or another engine of TensorRT."""

MARGIN_ACROSS_SIZES: Final = 0.1
"""How far a probability may move between them: in float16 a logit of a deep network is good to about 0.2, which moves a
probability of a half by 0.05. Another network is off by more, or by the class."""

_SHOWN: Final = 3


def select_best_classes(answer: Answer, only: Container[str] | None = None) -> Seen:
    """What to remember of an answer; images without a class are left out.

    Args:
        answer: the server's, checked.
        only: the images that are looked at, by uri; None for all.
    """
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
    """In what two answers on the same images differ, in words; "" where they agree.

    Args:
        before: what was predicted.
        after: what is.
        tie: how close two classes lie that may change places.
        margin: how far the probability of a class may move.
    """
    wrong = [uri for uri, was in before.items() if not _agree(was, after.get(uri), tie, margin)]
    if not wrong:
        return ""
    told = [f"{uri} was {_shown(before[uri])} and is {_shown(after.get(uri))}" for uri in wrong[:_SHOWN]]
    more = f", and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
    return f"{len(wrong)} of {len(before)} images differ: {'; '.join(told)}{more}"


def _agree(was: tuple[str, float], now: tuple[str, float] | None, tie: float, margin: float) -> bool:
    if now is None:
        return False
    (before, before_p), (after, after_p) = was, now
    if before == after:
        return abs(before_p - after_p) <= margin
    # of two classes that both reach more than a half, one is wrong
    return abs(before_p - after_p) <= tie and max(before_p, after_p) <= (1 + tie) / 2


def _shown(one: tuple[str, float] | None) -> str:
    if one is None:
        return "missing"
    name, probability = one
    return f"{name if len(name) <= 40 else name[:37] + '...'} ({probability:.3f})"
