"""The subcommand `ddperf completion`: shell code that completes the commands `ddperf` and `pytest`."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from pytest_ddperf.config.completers import complete_names, model_names, platform_names
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.selection.rules import Ranking

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "_ARGCOMPLETE"
"""The environment variable that argcomplete's shell code sets when it requests completions."""

SHELLS = ("bash", "zsh", "fish")
COMMANDS = ("ddperf", "pytest")
"""Commands to complete. pytest calls argcomplete itself, with the options of all its plugins."""

_DESCRIPTION = """\
Print shell code that completes the commands ddperf and pytest: options, choices, and names of platforms and networks.
It needs argcomplete in the same environment: pip install "pytest-ddperf[completion]".
"""
_EPILOG = """\
bash: add eval "$(ddperf completion bash)" to ~/.bashrc. zsh: add eval "$(ddperf completion zsh)" to ~/.zshrc, after
compinit. fish: add ddperf completion fish | source to ~/.config/fish/config.fish. If ddperf is not on PATH there, write
its path, such as .venv/bin/ddperf. "python -m pytest" is not completed.
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser(
        "completion", help="print shell code that completes ddperf and pytest", description=_DESCRIPTION, epilog=_EPILOG
    )
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the shell code; return the exit status.

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
    """Print the completions that the shell requested and exit; return if argcomplete is not installed."""
    try:
        import argcomplete  # noqa: PLC0415 - an optional extra
    except ImportError:
        return
    completers = {
        "platform": platform_names(),
        "check": platform_names(),
        "models": model_names(),
        "rank_by": complete_names(lambda: Ranking),
    }
    for action in _actions(parser):
        if action.dest in completers:
            vars(action)["completer"] = completers[action.dest]
    argcomplete.autocomplete(parser, always_complete_options=False)


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public list; argcomplete reads this one too
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - the same
            for command in dict.fromkeys(action.choices.values()):
                yield from _actions(command)
