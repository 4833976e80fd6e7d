"""`ddperf completion`: the code with which a shell completes the commands `ddperf` and `pytest`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ddperf.errors import ConfigurationError, DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

VARIABLE = "_ARGCOMPLETE"
"""The environment variable that argcomplete's shell code sets where it asks a command."""

SHELLS = ("bash", "zsh", "fish")
COMMANDS = ("ddperf", "pytest")
"""Pytest asks argcomplete, too, for the options of all its plugins."""

_DESCRIPTION = """\
Print code with which a shell completes the commands ddperf and pytest: options of all plugins, and the names of
platforms and networks. The shell runs the command itself, so argcomplete must be installed beside it: pip install
"pytest-ddperf[completion]".
"""
_EPILOG = """\
bash: add eval "$(ddperf completion bash)" to ~/.bashrc. zsh: add eval "$(ddperf completion zsh)" to ~/.zshrc, after
compinit. fish: add ddperf completion fish | source to ~/.config/fish/config.fish. If ddperf is in a virtual
environment, write its path: .venv/bin/ddperf. "python -m pytest" is not completed.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to `ddperf`."""
    parser = commands.add_parser(
        "completion", help="print shell code that completes ddperf and pytest", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the shell's code.

    Raises:
        ConfigurationError: argcomplete is not installed.
    """
    try:
        from argcomplete.shell_integration import shellcode  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise ConfigurationError(
            "Completion needs argcomplete, which is not installed here: pip install 'pytest-ddperf[completion]'."
        ) from None
    sys.stdout.write(f"{shellcode(COMMANDS, shell=arguments.shell).strip()}\n")
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, and end; nothing where argcomplete is not installed."""
    try:
        import argcomplete  # noqa: PLC0415 - an optional extra
    except ImportError:
        return
    for action in _actions(parser):
        names = _NAMES.get(action.dest)
        if names is not None:
            vars(action)["completer"] = Names(names)
    argcomplete.autocomplete(parser, always_complete_options=False)


class Names:
    """Completes names, one or several separated by commas.

    Args:
        source: says which there are, where they are asked for.
    """

    def __init__(self, source: Callable[[], Iterable[str]]) -> None:
        self._source = source

    def __call__(self, prefix: str, **_asked: Any) -> list[str]:  # noqa: ANN401 - argcomplete's parser and action
        """What the text before the cursor may become."""
        done, comma, _begun = prefix.rpartition(",")
        taken = set(done.split(","))
        return [f"{done}{comma}{name}" for name in self._source() if name not in taken]


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse lists them nowhere else, and argcomplete reads them there
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for command in dict.fromkeys(action.choices.values()):
                yield from _actions(command)


def _platforms() -> Iterable[str]:
    from pytest_ddperf.baselines import load_catalog  # noqa: PLC0415 - each command loads what it needs

    try:
        return load_catalog(Path.cwd()).platforms
    except DdperfError:  # a completion has no place to say what is wrong with ddperf.toml
        return ()


def _models() -> Iterable[str]:
    from pytest_ddperf.networks import NETWORK_IDS  # noqa: PLC0415 - the same

    return NETWORK_IDS


def _rankings() -> Iterable[str]:
    from pytest_ddperf.selection import Ranking  # noqa: PLC0415 - the same

    return tuple(Ranking)


_NAMES = {"platform": _platforms, "check": _platforms, "models": _models, "rank_by": _rankings}
"""By the names of the arguments; argcomplete itself offers files, and the choices of those that have some."""
