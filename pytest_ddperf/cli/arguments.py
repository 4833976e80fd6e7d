"""Paths as arguments of the command `ddperf`, for argparse."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_ddperf.config.local_paths import local_path
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def parse_path(text: str) -> Path:
    """Convert text to a path on this machine; a leading `~` or `~user` is expanded to the home folder.

    Raises:
        argparse.ArgumentTypeError: the text is empty, which would be the current folder; the user does not exist, or
            the home folder is unknown.
    """
    if not text:
        raise argparse.ArgumentTypeError("'' is not valid; expected a path")
    try:
        return local_path(text)
    except ConfigurationError as error:
        raise argparse.ArgumentTypeError(str(error).rstrip(".")) from None


def parse_path_text(text: str) -> str:
    """Like `parse_path`, but return the path as text."""
    return str(parse_path(text))
