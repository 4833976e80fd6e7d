"""Argument parser and types of the commands `ddperf` and `python -m pytest_ddperf.embedded`."""

from __future__ import annotations

import argparse
import difflib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import NoReturn

    from pytest_ddperf.core.limits import ValueType

USAGE_ERROR = 2
"""Exit status after a wrong command line, as in argparse."""


class ArgumentParser(argparse.ArgumentParser):
    """Reports a wrong argument in one line, without the usage, and suggests the name that was probably meant."""

    def error(self, message: str) -> NoReturn:
        """Print the message to standard error and exit with status 2."""
        end = "" if message.endswith("?") else "."
        self.exit(USAGE_ERROR, f"{self.prog}: {message}{end} See {self.prog} --help.\n")

    def parse_known_args(  # type: ignore[override]  # argparse overloads it by the type of the namespace
        self,
        args: Sequence[str] | None = None,
        namespace: Any = None,  # noqa: ANN401 - any object may be one
    ) -> tuple[Any, list[str]]:
        """Parse the arguments and reject unknown ones.

        argparse calls this for the parser of each subcommand, but leaves reporting unknown arguments to the main
        parser. Here the subcommand reports them, because it knows its own options.
        """
        namespace, unknown = super().parse_known_args(args, namespace)
        if unknown:
            flag = unknown[0].partition("=")[0]
            meant = did_you_mean(flag, self._option_string_actions) if flag.startswith("-") else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return namespace, unknown

    def _check_value(self, action: argparse.Action, value: object) -> None:
        """Raise ArgumentError for a value that is not one of the choices, in the same words on every Python."""
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, explain_unknown(value, [str(choice) for choice in action.choices]))


def argument_type(value_type: ValueType) -> Callable[[str], Any]:
    """Create an argument type whose message states what is expected."""

    def parse(text: str) -> Any:  # noqa: ANN401 - the type's own values
        try:
            return value_type.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not valid; expected {error}") from None

    return parse


def explain_unknown(name: object, known: Sequence[str]) -> str:
    """Return the message for a name that is not one of the known ones."""
    return f"{name!r} is not one of {', '.join(known)}{did_you_mean(str(name), known)}"


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """Return a hint to append to a message with the closest of the names, or "" if none is close."""
    near = difflib.get_close_matches(text, list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""
