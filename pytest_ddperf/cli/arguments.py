"""Types of the arguments of `ddperf`, for argparse."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_ddperf.config.local_paths import local_path
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def parse_path(text: str) -> Path:
    """A path of this machine; `~` is a home folder."""
    try:
        return local_path(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def parse_path_text(text: str) -> str:
    """The same as text."""
    return str(parse_path(text))
