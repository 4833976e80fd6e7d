"""Folder of the figures of a Markdown report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def figures_dir(path: Path) -> Path:
    """Return the folder of the figures of a Markdown report, which is next to the report."""
    return path.with_name(f"{path.stem}_figures")
