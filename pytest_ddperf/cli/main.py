"""The command `ddperf`, for everything other than test runs."""

from __future__ import annotations

import io
import os
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf import __version__
from pytest_ddperf.cli import bench, check_model, completion, platforms, report, select, serve
from pytest_ddperf.core.argument_parser import USAGE_ERROR, ArgumentParser
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run a subcommand and return its exit status; a usage error is one paragraph on standard error and status 2."""
    _write_somewhere()
    _write_whatever_the_encoding()
    parser = _parser()
    if completion.VARIABLE in os.environ:
        completion.complete(parser)
    arguments = parser.parse_args(argv)
    if arguments.run is None:  # if argparse required it, it would not report a misspelled option before it
        parser.error("the command is missing")
    try:
        status: int = arguments.run(arguments)
    except DdperfError as error:
        sys.stderr.write(f"ddperf: {error}\n")
        return USAGE_ERROR
    except BrokenPipeError:
        sys.stderr.close()  # not an error, as in `ddperf report | head`
        return 0
    except KeyboardInterrupt:
        sys.stderr.write("ddperf: interrupted\n")
        return bench.INTERRUPTED
    except OSError as error:  # such as an invalid file name or a full disk
        where = "" if error.filename is None else f"{textwrap.shorten(str(error.filename), 80)}: "
        sys.stderr.write(f"ddperf: {where}{error.strerror or error}; name another file or folder.\n")
        return USAGE_ERROR
    return status


def _write_somewhere() -> None:
    """Discard output to a stream that was closed at the start (`>&-`), for which Python has no stream object."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 - never closed


def _write_whatever_the_encoding() -> None:
    """Escape characters that the output's encoding cannot represent, instead of failing while writing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = ArgumentParser(
        prog="ddperf",
        description="Commands for the measurements of pytest-ddperf. To measure, run pytest; pytest --help lists the "
        "--ddperf-* options.",
        epilog="ddperf COMMAND --help describes a command.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-ddperf {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    parser.set_defaults(run=None)
    for command in (platforms, report, select, check_model, bench, serve, completion):
        command.add_parser(commands)
    return parser
