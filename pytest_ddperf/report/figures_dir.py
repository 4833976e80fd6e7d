"""Where the figures of a Markdown report are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def figures_dir(path: Path) -> Path:
    """Where the figures of a Markdown report go: beside it."""
    return path.with_name(f"{path.stem}_figures")
