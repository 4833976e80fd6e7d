"""The files of the figures, relative to their folder, without the ending: each is there as `.png` and as `.svg`.

| file | shows |
|---|---|
| `cost/all`, `cost/small` | GFLOPs and parameters of the networks, and of the small ones |
| `latency/PLATFORM_log`, `latency/PLATFORM_linear` | time per image against batch size, a line a network |
| `latency/PLATFORM_bars` | in their place, where there is one batch size only |
| `throughput/PLATFORM` | images per second against batch size (not where there is one batch size only) |
| `mobilenet/PLATFORM` | mobilenet against mobilenet_depthwise |
| `pareto/PLATFORM_bN` | accuracy against time per image at batch size N, with the Pareto front |
| `efficiency/PLATFORM` | images per second per watt, and per GFLOP of the network |
| `efficiency/per_watt`, `efficiency/per_gflop` | the same across platforms, each at its best batch size |
| `model/MODEL` | a network across platforms, a line a batch size |
| `against_baseline/PLATFORM` | a run against its baseline, cell by cell |
| `concurrency/PLATFORM/MODEL_bN` | throughput and latency percentiles against the number of clients, batch size N |
| `rate/PLATFORM/MODEL_bN` | answered requests and latency percentiles against the rate asked for, batch size N |
| `history/PLATFORM/MODEL` | the nights of a network's cells, a panel a batch size |
"""

from __future__ import annotations

import re

ENDINGS = ("png", "svg")

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
