"""The values given on the command line, in the environment and in the ini file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.config.settings import GivenValue, Origin
from pytest_ddperf.deepdetect.url import remove_credentials
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    import pytest

    from pytest_ddperf.config.options import Option


def read_given(config: pytest.Config) -> dict[str, GivenValue]:
    """Return the values given on the command line, in the environment and in the ini file, without defaults.

    Returns:
        The values by option name. The command line takes precedence over the environment, which does over the ini file.

    Raises:
        ConfigurationError: a value is invalid. The message names its source and the expected form.
    """
    found: dict[str, GivenValue] = {}
    for option in OPTIONS:
        text = config.getoption(option.key, default=None)
        text = ",".join(text) if isinstance(text, list) else text
        if text is not None:
            found[option.name] = GivenValue(_parsed(option, str(text), option.flag), Origin.COMMAND_LINE, str(text))
            continue
        text = os.environ.get(option.variable, "")
        if text.strip():  # CI systems pass an unset variable as an empty one
            found[option.name] = GivenValue(
                _parsed(option, text, f"environment variable {option.variable}"), Origin.ENVIRONMENT, text
            )
            continue
        where = f"{option.key} in {config.inipath}"
        try:
            text = config.getini(option.key)
        except TypeError:
            raise ConfigurationError(f'{where}: write the value in quotes, such as {option.key} = "..."') from None
        if text is not None:
            found[option.name] = GivenValue(_parsed(option, str(text), where), Origin.INI)
    return found


def _parsed(option: Option, text: str, where: str) -> object:
    try:
        return option.type.parse(text)
    except ValueError as error:
        shown = remove_credentials(text) if option.name in {"url", "against"} else text
        raise ConfigurationError(f"{where}: {shown!r} is not valid; expected {error}.") from None
