"""Loading of the catalog: the package's tables and platforms, overridden by the project's ddperf.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_ddperf.config.own_models import read_models
from pytest_ddperf.config.platform_toml import find_line, read_platforms
from pytest_ddperf.config.published_tables import read_networks, read_table
from pytest_ddperf.config.text_files import read_text
from pytest_ddperf.core.budgets import EVERY_NETWORK, NO_BUDGET
from pytest_ddperf.core.catalog import Catalog
from pytest_ddperf.errors import BaselineFileError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ddperf.core.platform import Platform


PROJECT_FILE = "ddperf.toml"


def find_package_data() -> Path:
    """Find the folder of the published tables: inside the installed package, or beside it in a source checkout."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "_data" / "baselines"
    return installed if installed.is_dir() else here.parent / "baselines"


def load_catalog(project_dir: Path | None = None) -> Catalog:
    """Load networks and platforms of the package, overridden key by key by the project's ddperf.toml.

    Args:
        project_dir: the folder of ddperf.toml and of the project's own `baselines/`; None for neither.

    Raises:
        ConfigurationError: a file is malformed; the message names the file, the line, what was found and what is
            expected.
    """
    package = find_package_data()
    networks = read_networks(package / "networks.csv")
    platforms = read_platforms(package / "platforms.toml")
    own_file = None if project_dir is None else project_dir / PROJECT_FILE
    names = Catalog(networks, {})
    if own_file is not None and is_present(own_file):
        platforms = read_platforms(own_file, platforms)
        names = read_models(own_file, names)
    described = {
        one.id: _with_models(one, names, find_tables(project_dir, package, one), own_file or package)
        for one in platforms.values()
    }
    alike = {one.id: _with_knobs_of(one, described[one.like]) for one in described.values() if one.like is not None}
    return Catalog(names.networks, described | alike)


def find_tables(project_dir: Path | None, package: Path, platform: Platform) -> list[Path]:
    """Find the existing tables of a platform in order of precedence, then those of the platform it is like."""
    folders = [package] if project_dir is None else [project_dir / "baselines", package]
    names = [platform.id] if platform.like is None else [platform.id, platform.like]
    return existing_files(folder / f"{name}.csv" for name in names for folder in folders)


def is_present(path: Path) -> bool:
    """Return whether a file of the user exists.

    Raises:
        ConfigurationError: it or its folder is a link to nothing, as to a share that is not mounted, or it is a folder.
            To ignore it would compare a run with something else.
    """
    for one in (path.parent, path):
        if one.is_symlink() and not one.exists():
            raise ConfigurationError(
                f"{one} is a link to {one.readlink()}, which does not exist; restore it, or delete the link."
            )
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; expected a file of that name, or none.")
    return path.is_file()


def existing_files(places: Iterable[Path]) -> list[Path]:
    """Return the existing files without duplicates: in a source checkout the project's folder is also the package's."""
    files: dict[Path, Path] = {}
    for place in places:
        if is_present(place):
            files.setdefault(place.resolve(), place)
    return list(files.values())


def _with_models(platform: Platform, names: Catalog, tables: Iterable[Path], file: Path) -> Platform:
    """Set a platform's networks to those of its published tables, unless the project names them; all as ids."""
    columns = {column: _id(names, model, platform, file) for column, model in platform.columns.items()}
    if "models" in platform.overridden:
        found = {_id(names, model, platform, file) for model in platform.models}
    else:
        found = {model for path in tables for model in read_table(path, names, columns).models} or set(platform.models)
    models = tuple(sorted(found, key=names.model_order))
    return replace(
        platform,
        columns=columns,
        models=models,
        knobs=_by_id(names, platform, "knobs", file),
        budgets=_by_id(names, platform, "budgets", file),
    )


def _with_knobs_of(platform: Platform, other: Platform) -> Platform:
    """Add the knobs and budgets of the platform that a board is like; the board's own section takes precedence."""
    models = {*other.knobs, *platform.knobs}
    knobs = {model: {**other.knobs.get(model, {}), **platform.knobs.get(model, {})} for model in models}
    of_all = platform.budgets.get(EVERY_NETWORK, NO_BUDGET)
    budgets = {
        model: platform.budgets.get(model, NO_BUDGET).or_else(other.budgets.get(model, NO_BUDGET).without(of_all))
        for model in {**other.budgets, **platform.budgets}
    }
    taken = {
        key for key in ("knobs", "budgets") if platform.value_of(key) == {} != other.value_of(key)
    } | platform.taken_over
    return replace(platform, knobs=knobs, budgets=budgets, taken_over=frozenset(taken), alike=other)


def _by_id(names: Catalog, platform: Platform, key: str, file: Path) -> Mapping[str, Any]:
    """The platform's values of single networks, by network id: its `knobs` or `budgets`."""
    found: dict[str, Any] = {}
    for name, values in platform.value_of(key).items():
        where = f"platforms.{platform.id}.{key}"
        try:
            model = name if (key, name) == ("budgets", EVERY_NETWORK) else names.model(name).id
        except ConfigurationError as error:
            raise _wrong_network(file, ("platforms", platform.id, key, name), str(error)) from error
        if model in found:
            line = find_line(read_text(file, "TOML"), ("platforms", platform.id, key, name))
            raise BaselineFileError(file, line, f"network {model} twice under {where}", "each network once")
        found[model] = values
    return found


def _id(names: Catalog, model: str, platform: Platform, file: Path) -> str:
    try:
        return names.model(model).id
    except ConfigurationError as error:
        key = "columns" if model in platform.columns.values() else "models"
        raise _wrong_network(file, ("platforms", platform.id, key), str(error)) from error


def _wrong_network(file: Path, place: tuple[str, ...], said: str) -> BaselineFileError:
    line = find_line(read_text(file, "TOML"), place)
    return BaselineFileError(
        file, line, f"unknown network under {'.'.join(place[:3])}: {said.rstrip('.')}", "a network's id"
    )
