"""The site of a year of ten platforms: how long and how much memory it takes to build and to update, and its size.

Seconds are CPU seconds of a process of its own, so that what else runs on the machine does not count; what a watch
showed is printed beside them. The bounds are ratios to decoding the history once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from large_history import list_cells, make_history
from process_cost import cost_of, row

from pytest_ddperf.config.load_catalog import load_catalog

if TYPE_CHECKING:
    from pathlib import Path

NIGHTS = 365
FIRST_BOUND, LATER_BOUND = 4.0, 1.5
"""CPU seconds relative to decoding every line of the history once."""

FIRST_AIM_S, LATER_AIM_S = 60.0, 5.0
"""Seconds on a machine with nothing else to do; printed only."""

MEMORY_BOUND_MIB = 300.0
PAGE_BOUND_MB = 3.0
PLATFORMS = list(load_catalog().platforms)[:10]

_DECODE = """
from pathlib import Path
import msgspec
answer = 0
for path in Path(sys.argv[1]).glob("*.jsonl"):
    for line in path.read_bytes().splitlines():
        msgspec.json.decode(line)
        answer += 1
"""
_SITE = """
from pytest_ddperf.cli import main
answer = main.main(["report", "--storage", sys.argv[1], "--site", sys.argv[2]])
"""


def test_a_year_of_ten_platforms_is_built_in_little_more_than_reading_it_and_updated_in_less(tmp_path: Path) -> None:
    assert len(PLATFORMS) == 10
    history, site = tmp_path / "history", tmp_path / "site"
    for name in PLATFORMS:
        make_history(history, NIGHTS - 1, name)
    decoding = cost_of(_DECODE, str(history))
    first = cost_of(_SITE, str(history), str(site))
    for name in PLATFORMS:
        make_history(history, 1, name, first=NIGHTS - 1)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    later = cost_of(_SITE, str(history), str(site))
    changed = [path for path, at_ns in before.items() if path.stat().st_mtime_ns != at_ns]
    same = cost_of(_SITE, str(history), str(site))
    sizes_mb = {path.relative_to(site): path.stat().st_size / 1e6 for path in site.rglob("*.html")}
    first_ratio, later_ratio = first.own_s / decoding.own_s, later.own_s / decoding.own_s
    peak_mib = max(first.peak_mib, later.peak_mib)
    title = f"{len(PLATFORMS)} platforms x {len(list_cells('tk1'))} cells x {NIGHTS} nights"
    print(f"\n{title:<58}{'measured':>10}{'bound':>10}")
    row("decoding every line once, CPU seconds", decoding.own_s, None, "s")
    row(f"built from nothing, CPU seconds (aim: {FIRST_AIM_S:g})", first.own_s, None, "s")
    row("  by the watch", first.watch_s, None, "s")
    row("  relative to decoding", first_ratio, FIRST_BOUND, "")
    row(f"a night of each platform added, CPU seconds (aim: {LATER_AIM_S:g})", later.own_s, None, "s")
    row("  by the watch", later.watch_s, None, "s")
    row("  relative to decoding", later_ratio, LATER_BOUND, "")
    row("nothing added, CPU seconds", same.own_s, None, "s")
    row("peak memory", peak_mib, MEMORY_BOUND_MIB, "MiB")
    row("largest page", max(sizes_mb.values()), PAGE_BOUND_MB, "MB")
    row("all pages", sum(sizes_mb.values()), None, "MB")
    assert len(sizes_mb) == len(changed) == len(PLATFORMS) + 1
    assert first_ratio <= FIRST_BOUND
    assert later_ratio <= LATER_BOUND
    assert peak_mib <= MEMORY_BOUND_MIB
    assert max(sizes_mb.values()) <= PAGE_BOUND_MB
