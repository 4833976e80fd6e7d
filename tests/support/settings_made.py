"""Settings of options that are given as texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.options import BY_NAME
from pytest_ddperf.config.resolve import resolve_settings
from pytest_ddperf.config.settings import GivenValue, Origin, Settings

if TYPE_CHECKING:
    from pathlib import Path


def make_settings(folder: Path, toml: str = "", origin: Origin = Origin.COMMAND_LINE, /, **texts: str) -> Settings:
    """Resolve options that are all given in one place, in a project folder with this ddperf.toml."""
    if toml:
        (folder / "ddperf.toml").write_text(toml, encoding="utf-8")
    options = {name.replace("_", "-"): text for name, text in texts.items()}
    given = {name: GivenValue(BY_NAME[name].type.parse(text), origin, text) for name, text in options.items()}
    return resolve_settings(given, load_catalog(folder), folder)
