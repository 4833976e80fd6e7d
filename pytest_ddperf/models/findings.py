"""What a check of a model folder comes to: findings, costs, memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models import folder as model_folder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.models.folder import Kind, ModelFolder

SIDE = 224
"""Height and width, in pixels, that the report's networks take, and a service where nothing else is said."""


_MOST_NAMED = 5
"""Layers that a note names for one reason."""


class Level(StrEnum):
    """What a line of the check says."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check.

    Args:
        about: which part of the model: input, output, weights ...
        text: what there is, and what to do where something is missing.
    """

    level: Level
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class BatchMemory:
    """What one batch size needs, in bytes; a lower bound.

    Args:
        why_not: why it cannot be said, "" where it can.
    """

    batch_size: int
    weights: int = 0
    activations: int = 0
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class KindCheck:
    """What was found of one network in the folder.

    Args:
        findings: in the order in which DeepDetect would stumble over them.
        operations: multiply-adds of one image as the report counts them; None where the files do not tell.
        true_multiply_adds: those of depthwise layers included; None likewise.
        parameters: as the report counts them; None likewise.
        incomplete: whether some layers are not counted, so that the counts are lower bounds.
        memory: by batch size.
        memory_note: how it was reckoned.
        width: of the input in pixels; None where the files leave it open.
        height: of the input in pixels; None likewise.
        classes: how many the network tells apart; None likewise.
    """

    kind: Kind
    findings: tuple[Finding, ...]
    operations: int | None = None
    true_multiply_adds: int | None = None
    parameters: int | None = None
    incomplete: bool = False
    memory: tuple[BatchMemory, ...] = ()
    memory_note: str = ""
    width: int | None = None
    height: int | None = None
    classes: int | None = None

    @property
    def usable(self) -> bool:
        """Whether DeepDetect can use it as it is."""
        return all(finding.level is not Level.MISSING for finding in self.findings)


def missing_finding(about: str, text: str) -> Finding:
    """A line of what is missing."""
    return Finding(Level.MISSING, about, text)


def uncounted(what: str, found: Sequence[tuple[str, str, str]]) -> list[Finding]:
    """The note about layers or operators that are not counted; empty where all are.

    Args:
        what: `layers` or `operators`.
        found: name, type and reason of each.
    """
    if not found:
        return []
    parts = []
    for reason in dict.fromkeys(reason for _, _, reason in found):
        of_reason = dict.fromkeys((name, kind) for name, kind, each in found if each == reason)
        named = [f"{name} ({kind})" if name else kind for name, kind in of_reason]
        more = f" and {len(named) - _MOST_NAMED} more" if len(named) > _MOST_NAMED else ""
        parts.append(f"{', '.join(named[:_MOST_NAMED])}{more}: {reason}")
    text = f"{what} not counted: {'; '.join(parts)}. The counts are lower bounds."
    return [Finding(Level.NOTE, "cost", text)]


def unchecked_weights(text: str) -> Finding:
    """The note about a file of weights whose size cannot be checked: some layers are not counted.

    Args:
        text: the file and its size.
    """
    return Finding(Level.NOTE, "weights", f"{text}; not checked, since some layers are not counted.")


def unknown_output(name: str, kind: str) -> str:
    """The note about a last layer of an unknown type."""
    return f"{name}, {kind}: unknown layer type. Classification needs a softmax."


def check_labels(folder: ModelFolder, classes: int | None) -> Finding:
    """What there is of the names of the classes."""
    if folder.labels is None:
        told = "DeepDetect answers the numbers of the classes; corresp.txt would name them, a line each: `0 tench`"
        return Finding(Level.NOTE, "labels", f"no label file: {told}.")
    try:
        named = model_folder.count_labels(folder.labels)
    except ModelFileError as error:
        return missing_finding("labels", str(error))
    if classes is not None and named != classes:
        return Finding(Level.NOTE, "labels", f"{folder.labels.name} names {named} of the network's {classes} classes.")
    return Finding(Level.OK, "labels", f"{folder.labels.name}, {named} classes")


def format_megabytes(size: int) -> str:
    """Bytes as a person reads them: `4.9 MB`, with three digits or so."""
    for unit, bound in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        value = size / bound
        if value >= 0.9995:
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:,.0f} {unit}"
    return f"{size} bytes"
