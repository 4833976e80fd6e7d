"""File names of the figures, relative to their folder and without extension; each figure is a `.png` and a `.svg`.

A name is `FAMILY/...`; docs/figures.md lists the names of each family. `INDEX` is in the folder itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENDINGS = ("png", "svg")
INDEX = "index.html"
"""The page that shows all figures of the folder."""

FAMILIES: Mapping[str, str] = {
    "cost": "GFLOPs and parameters of the networks",
    "latency": "time per image against batch size",
    "throughput": "images per second against batch size",
    "model": "each network across platforms",
    "mobilenet": "MobileNet against its depthwise version",
    "pareto": "accuracy against time per image",
    "efficiency": "images per second per watt and per GFLOP",
    "concurrency": "throughput and latency against clients",
    "rate": "throughput and latency against the requested rate",
    "against": "a server against its reference, measured in pairs",
    "against_baseline": "a run against its baseline",
    "history": "the nights of each cell",
}
"""What the figures of each family show, in the order of the report."""

COST_ALL = "cost/all"
COST_SMALL = "cost/small"
PER_WATT = "efficiency/per_watt"
PER_GFLOP = "efficiency/per_gflop"


def figure(family: str, *parts: str) -> str:
    """Return the name of a figure: its family, and what it shows as portable file names."""
    return "/".join([family, *map(plain, parts)])


def plain(name: str) -> str:
    """Convert a name to a portable file name: letters, digits, `.`, `_` and `-` only, without leading dots."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"


def by_family(figures: Iterable[str]) -> dict[str, list[str]]:
    """Group the figures' names by family, in the order of the report."""
    grouped: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name in figures:
        grouped[name.partition("/")[0]].append(name)
    return {family: members for family, members in grouped.items() if members}


def compares_platforms(name: str) -> bool:
    """Whether a figure compares platforms, so that it is of no use with a single platform."""
    return name in (PER_WATT, PER_GFLOP) or name.startswith("model/")
