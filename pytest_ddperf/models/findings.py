"""Results of a model folder check: findings, costs, memory."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models import folder as model_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.models.folder import Kind, ModelFolder

SIDE = 224
"""Input height and width of the report's networks, in pixels; also a service's default."""


_MOST_NAMED = 5
"""Maximum number of layers that a note names per reason."""


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check: its severity, the part of the model, and what was found or is to be done."""

    level: Level
    about: str
    text: str


@dataclass(frozen=True, slots=True)
class BatchMemory:
    """Memory that one batch size needs, in bytes; a lower bound.

    Args:
        why_not: why the memory is unknown; "" if it is known.
    """

    batch_size: int
    weights: int = 0
    activations: int = 0
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class KindCheck:
    """Check results for one network in the folder.

    Args:
        findings: in the order in which DeepDetect would encounter them.
        operations: multiply-adds per image as the report counts them; None if the files do not determine them.
        parameters: number of parameters as the report counts them; None if unknown.
        incomplete: whether some layers are not counted, so that the counts are lower bounds.
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
        """Whether DeepDetect can use the network as it is."""
        return all(finding.level is not Level.MISSING for finding in self.findings)


def missing_finding(about: str, text: str) -> Finding:
    """Create a finding about something that is missing."""
    return Finding(Level.MISSING, about, text)


def uncounted(what: str, found: Sequence[tuple[str, str, str]]) -> list[Finding]:
    """Create the note about layers or operators that are not counted; empty if all are counted."""
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


def check_weights(path: Path, least_bytes: float, network: str, *, is_complete: bool) -> Finding:
    """Check that a weights file has at least the size of the weights of `network`, as the message describes it.

    Unless `is_complete`, some layers are not counted in `least_bytes`.
    """
    size = path.stat().st_size
    text = f"{path.name}, {format_megabytes(size)}"
    if size < least_bytes:
        return missing_finding("weights", f"{text}: too small for {network}.")
    if not is_complete:
        return Finding(Level.NOTE, "weights", f"{text}; size not checked, because some layers are not counted.")
    return Finding(Level.OK, "weights", text)


def unknown_output(name: str, kind: str) -> str:
    """Return the text of the note about a last layer of unknown type."""
    return f"{name}, {kind}: unknown layer type. Classification needs a softmax."


def check_labels(folder: ModelFolder, classes: int | None) -> Finding:
    """Check the label file, which names the classes."""
    if folder.labels is None:
        text = "no label file: DeepDetect returns class numbers. To name them, add corresp.txt: a line each, `0 tench`."
        return Finding(Level.NOTE, "labels", text)
    try:
        named = model_folder.count_labels(folder.labels)
    except ModelFileError as error:
        return missing_finding("labels", str(error))
    if classes is not None and named != classes:
        return Finding(Level.NOTE, "labels", f"{folder.labels.name} names {named} of the network's {classes} classes.")
    return Finding(Level.OK, "labels", f"{folder.labels.name}, {named} classes")


def format_megabytes(size: int) -> str:
    """Format a number of bytes with about three digits: `4.9 MB`."""
    for unit, bound in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        value = size / bound
        if value >= 0.9995:
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:,.0f} {unit}"
    return f"{size} bytes"
