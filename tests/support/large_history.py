"""Histories of very many runs, written as text, which is faster than recording them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec
from nightly import FIRST_NIGHT, cell, moment

from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import Baseline, CellKey, ServerFacts
from pytest_ddperf.history.run_file import RunHeader

if TYPE_CHECKING:
    from pathlib import Path


def list_cells(platform: str) -> list[CellKey]:
    """Return the cells of a whole table: 13 networks at eight batch sizes."""
    return [CellKey(platform, model, size) for model in NETWORK_IDS for size in (1, 2, 4, 8, 16, 32, 64, 128)]


def make_history(folder: Path, nights: int, platform: str = "tk1", first: int = 0) -> Path:
    """Write the runs of a whole table, one per night, every night with the same values.

    Args:
        folder: folder of the history; other runs in it are kept.
        nights: number of nights.
        platform: id of the platform.
        first: number of the first night.
    """
    folder.mkdir(exist_ok=True)
    server, baseline = ServerFacts("http://tk1:8080", "v0.28"), Baseline("report", 5.0, "report, TK1 table")
    records = [
        replace(
            cell(key, [5.0, 5.2, 5.1, 5.0, 5.3], change=0.02),
            now_ms=5.1,
            baseline=baseline,
            server=server,
            reason="+2.0 %, within the tolerance of 10 %",
        )
        for key in list_cells(platform)
    ]
    lines = [{"type": "cell", **msgspec.to_builtins(record)} for record in records]
    lines.append({"type": "end", "exit_status": 0, "whole": True})
    body = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    for night in range(first, first + nights):
        name = f"{FIRST_NIGHT + timedelta(days=night):%Y%m%dT%H%M%S}.000Z-{platform}{night:08x}"
        header = RunHeader(
            name, moment(night), "0", (platform,), True, {"commit": {"id": f"{night // 3:07x}".ljust(40, "0")}}
        )
        text = json.dumps({"type": "run", **msgspec.to_builtins(header)}) + "\n" + body
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder
