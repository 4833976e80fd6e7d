"""The files of the figures, relative to their folder, without the ending: each is there as `.png` and as `.svg`.

A file is `FAMILY/...`; docs/figures.md lists the names of each family. Beside the families is `INDEX`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ENDINGS = ("png", "svg")
INDEX = "index.html"
"""The page that shows all pictures of the folder."""

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
    "against_baseline": "a run against its baseline",
    "history": "the nights of each cell",
}
"""What each folder of figures shows, in the order of the report."""

COST_ALL = "cost/all"
COST_SMALL = "cost/small"
PER_WATT = "efficiency/per_watt"
PER_GFLOP = "efficiency/per_gflop"


def latency(platform: str, scale: str) -> str:
    """Time per image of a platform; `scale` is `log`, `linear`, or `bars` where there is one batch size only."""
    return f"latency/{plain(platform)}_{scale}"


def throughput(platform: str) -> str:
    """Images per second of a platform."""
    return f"throughput/{plain(platform)}"


def mobilenet(platform: str) -> str:
    """MobileNet by grouped convolutions against MobileNet by depthwise layers."""
    return f"mobilenet/{plain(platform)}"


def pareto(platform: str, batch_size: int) -> str:
    """Accuracy against time per image."""
    return f"pareto/{plain(platform)}_b{batch_size}"


def efficiency(platform: str) -> str:
    """Images per second per watt and per GFLOP of a platform."""
    return f"efficiency/{plain(platform)}"


def model(network: str) -> str:
    """A network across platforms."""
    return f"model/{plain(network)}"


def against_baseline(platform: str) -> str:
    """A run against its baseline."""
    return f"against_baseline/{plain(platform)}"


def history(platform: str, network: str) -> str:
    """The nights of a network's cells on a platform."""
    return f"history/{plain(platform)}/{plain(network)}"


def concurrency(platform: str, network: str, batch_size: int) -> str:
    """A network under so many clients at once."""
    return f"concurrency/{plain(platform)}/{plain(network)}_b{batch_size}"


def rate(platform: str, network: str, batch_size: int) -> str:
    """A network at given rates of requests."""
    return f"rate/{plain(platform)}/{plain(network)}_b{batch_size}"


def plain(name: str) -> str:
    """A name as a file may have it anywhere: letters, digits, `.`, `_` and `-`, not hidden and no folder."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".") or "_"


def by_family(figures: Iterable[str]) -> dict[str, list[str]]:
    """The figures' file names, grouped by the family that they begin with, in the order of the report."""
    grouped: dict[str, list[str]] = {family: [] for family in FAMILIES}
    for name in figures:
        grouped[name.partition("/")[0]].append(name)
    return {family: members for family, members in grouped.items() if members}


def compares_platforms(name: str) -> bool:
    """Whether a figure compares platforms: on one platform alone it shows nothing."""
    return name in (PER_WATT, PER_GFLOP) or name.startswith("model/")
