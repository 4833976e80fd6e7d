"""Registration of the option table as pytest options and ini keys."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_ddperf.config.options import OPTION_GROUPS, OPTIONS, Option, group_title

if TYPE_CHECKING:
    import pytest


def register(parser: pytest.Parser) -> None:
    """Add the options and ini keys of the table to pytest's parser."""
    for name, options in OPTION_GROUPS.items():
        group = parser.getgroup(group_title(name))
        for option in options:
            _add(group, option)
            parser.addini(option.key, _ini_help(option), type="string", default=None)


def _ini_help(option: Option) -> str:
    """Return the help of an ini key. pytest replaces `%%` in the help of options, but not of ini keys."""
    values = "; true or false" if option.metavar is None else " (separated by commas)" if option.repeatable else ""
    return f"{option.help.replace('%%', '%')}{values}; also {option.flag}, {option.variable}"


def _add(group: pytest.OptionGroup, option: Option) -> None:
    shown: dict[str, Any] = {"dest": option.key, "default": None, "help": option.help}
    if option.metavar is None:
        group.addoption(option.flag, action="store_const", const="true", **shown)
    elif option.bare is not None:
        group.addoption(option.flag, nargs="?", const=option.bare, metavar=option.metavar, **shown)
    elif option.repeatable:
        group.addoption(option.flag, action="append", metavar=option.metavar, **shown)
    else:
        group.addoption(option.flag, metavar=option.metavar, **shown)


def expand_bare_options(args: list[str]) -> bool:
    """Add the default value to options given without one, in place, so that they do not consume a following path.

    Returns:
        Whether anything was changed.
    """
    bare = {option.flag: f"{option.flag}={option.bare}" for option in OPTIONS if option.bare is not None}
    spelled = [bare.get(arg, arg) for arg in args]
    changed = spelled != args
    args[:] = spelled
    return changed


def has_options(config: pytest.Config) -> bool:
    """Return whether an option is on the command line, in the environment or in the ini file, without parsing it.

    An empty variable does not count, because CI systems pass an unset variable as an empty one.
    """
    if any(config.getoption(option.key, default=None) is not None for option in OPTIONS):
        return True
    if any(os.environ.get(option.variable, "").strip() for option in OPTIONS):
        return True
    try:
        return any(config.getini(option.key) is not None for option in OPTIONS)
    except TypeError:  # a value of the wrong type counts; `read_given` reports the error
        return True
