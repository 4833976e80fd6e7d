"""What is done to a platform's board around its cells: the user's commands before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf import hooks
from pytest_ddperf.credentials import without_secrets
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.catalog import Platform


class Board:
    """One platform's board, from `begin` to `end`.

    Args:
        platform: whose board it is.
        url: of its server, without credentials; told to the commands.
        say: takes a line for the person who waits.
    """

    def __init__(self, platform: Platform, url: str, say: Callable[[str], None]) -> None:
        self._platform = platform
        self._say = say
        self._variables = {"DDPERF_HOOK_PLATFORM": platform.id, "DDPERF_HOOK_URL": url}
        self._begun = False

    def begin(self) -> None:
        """Run the commands that come before the cells.

        Raises:
            HookError: one failed; the ones behind it were not run.
        """
        self._begun = True
        for command in self._platform.before:
            try:
                hooks.run(command, timeout_s=self._platform.hook_timeout, variables=self._variables)
            except HookError as error:
                raise HookError(without_secrets(str(error), self._platform)) from None

    def end(self) -> None:
        """Run all commands that come after the cells, whatever became of those. May be called twice."""
        if not self._begun:
            return
        self._begun = False
        interrupted: KeyboardInterrupt | None = None
        for command in self._platform.after:
            try:
                hooks.run(command, timeout_s=self._platform.hook_timeout, variables=self._variables)
            except HookError as error:
                self._say(f"ddperf: {self._platform.id}: {without_secrets(str(error), self._platform)}")
            except KeyboardInterrupt as error:  # Ctrl-C once more ends one command, and never what puts the board back
                interrupted = error
        if interrupted is not None:
            raise interrupted
