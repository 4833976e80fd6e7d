"""The subcommand `ddperf platforms`: list platforms, the source of each value, and which servers are up."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pytest_ddperf.config.load_catalog import find_package_data, load_catalog
from pytest_ddperf.config.options import BY_NAME
from pytest_ddperf.config.platform_toml import read_platforms
from pytest_ddperf.core.limits import split_names
from pytest_ddperf.core.platform import PLATFORM_KEYS
from pytest_ddperf.deepdetect.url import format_display_url, remove_credentials
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.text import format_table

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.platform import Platform

PACKAGE: Final = "package"
PROJECT: Final = "ddperf.toml"
DEFAULT: Final = "default"
"""Source of a value: the package's baselines/platforms.toml, the project's ddperf.toml, or the option's default."""

_WIDEST = 100
_NOT_KNOWN = "-"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand to `ddperf`."""
    parser = commands.add_parser("platforms", help="list platforms, check their servers", description=run.__doc__)
    parser.add_argument("platform", nargs="?", help="platform to show in full")
    parser.add_argument(
        "--check",
        nargs="?",
        const="",
        metavar="A[,B]",
        help="check whether these platforms' servers are up, and show what they can serve and how; default: those with "
        "a url in ddperf.toml, else all",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """List the platforms of the package and of ddperf.toml in this folder, and where each value comes from."""
    project_dir = Path.cwd()
    catalog = load_catalog(project_dir)
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    if arguments.check is not None:
        named = ",".join(name for name in (arguments.platform, arguments.check) if name)
        return _check(_asked(catalog, named), catalog, project_dir, width)
    if arguments.platform is not None:
        lines = format_platform(catalog.platform(arguments.platform), width)
    else:
        lines = format_platforms(list(catalog.platforms.values()), width)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def format_platforms(platforms: Sequence[Platform], width: int) -> list[str]:
    """Format a table with one row per platform, for a terminal of that many columns."""
    packaged = _packaged()
    rows = [("PLATFORM", "TITLE", "SERVER", "TOL.", "FROM")]
    for platform in platforms:
        known = [PACKAGE] if platform.id in packaged else []
        own = ", ".join(key for key in PLATFORM_KEYS if key in platform.overridden - platform.taken_over)
        known += [] if platform.like is None else [f"like {platform.like}"]
        known += [f"{PROJECT}: {own}"] if own else [] if known else [PROJECT]
        tolerance = f"{platform.tolerance * 100:g} %"
        rows.append((platform.id, platform.title, _server(platform), tolerance, "; ".join(known)))
    return format_table(rows, width)


def format_platform(platform: Platform, width: int) -> list[str]:
    """Format a table with every key of a platform, its value, and the source of the value."""
    packaged = _packaged().get(platform.id)
    rows = [(key, *describe_value(platform, key, packaged)) for key in PLATFORM_KEYS]
    return format_table([("KEY", "VALUE", "FROM"), *rows], width)


def describe_value(platform: Platform, key: str, packaged: Platform | None) -> tuple[str, str]:
    """Return the formatted value of a key, and its source; `packaged` is the platform as the package defines it."""
    if key in platform.taken_over:
        origin = f"like {platform.like}"
    elif key in platform.overridden:
        origin = PROJECT
    else:
        origin = PACKAGE if packaged is not None and key in packaged.overridden else DEFAULT
    value = platform.value_of(key)
    if value is None and (option := BY_NAME.get(key.replace("_", "-"))):
        value = option.default
    if key == "url":
        return _server(platform), origin
    return _shown(key, value), origin


def _packaged() -> dict[str, Platform]:
    """Return the package's platforms; their `overridden` contains the keys that the package's file sets."""
    return read_platforms(find_package_data() / "platforms.toml", {})


def _server(platform: Platform) -> str:
    """Return the server of a platform for display, without credentials."""
    if platform.url is None:
        return "embedded"
    try:
        return format_display_url(platform.url)
    except ConfigurationError:
        return f"{platform.url.rpartition('@')[2]} (not a URL)"


def _pairs(knobs: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_shown(name, value)}" for name, value in knobs.items())


def _shown(key: str, value: Any) -> str:  # noqa: ANN401 - the value of any key
    if value is None or value in ("", (), {}):
        return _NOT_KNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if key == "tolerance":
        return f"{value * 100:g} %"
    if isinstance(value, dict):
        if key == "budgets":
            value = {name: dict(one.limits()) for name, one in value.items()}
        of_networks = key in {"knobs", "budgets"}
        return ("; " if of_networks else ", ").join(
            f"{name}: {_pairs(one)}" if of_networks else f"{name} = {remove_credentials(str(one))}"
            for name, one in value.items()
        )
    if isinstance(value, tuple):
        between = "; " if key in {"before", "after"} else ", "
        return between.join(shlex.join(one) if isinstance(one, tuple) else str(one) for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _asked(catalog: Catalog, names: str) -> list[Platform]:
    """Return the platforms to check: those named, else those with a url in ddperf.toml, else all."""
    if names:
        return list(dict.fromkeys(catalog.platform(name) for name in split_names(names)))
    every = list(catalog.platforms.values())
    return [one for one in every if "url" in one.overridden] or every


def _check(platforms: Sequence[Platform], catalog: Catalog, project_dir: Path, width: int) -> int:
    """Print which servers are up, and what each of these can serve.

    Returns:
        0 if all are, 1 otherwise.
    """
    # each command loads what it needs
    from pytest_ddperf.cli.server_description import format_server  # noqa: PLC0415
    from pytest_ddperf.servers.state import query_server, query_servers  # noqa: PLC0415

    states = query_servers(platforms, lambda platform: query_server(platform, project_dir))
    rows = [("PLATFORM", "SERVER", "STATE", "RESPONSE")]
    for platform, one in zip(platforms, states, strict=True):
        state = {True: "up", False: "DOWN", None: "not checked"}[one.up]
        rows.append((platform.id, _server(platform), state, one.text))
    lines = format_table(rows, width)
    for platform, one in zip(platforms, states, strict=True):
        if one.info is not None:
            lines += format_server(platform.id, catalog, project_dir, one.info, width)
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if any(one.up is False for one in states) else 0
