"""The user's own networks: folders named on the command line, and `[models.<id>]` tables of a project's ddperf.toml.

The path of a folder is also the repository of its service on the server, unless `repository` gives another.
"""

from __future__ import annotations

import os.path
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pytest_ddperf.config.local_paths import local_path
from pytest_ddperf.config.platform_toml import ID, ID_EXPECTED, Where, decode_entry, decode_tables, find_line
from pytest_ddperf.config.text_files import read_text
from pytest_ddperf.core.limits import choice, non_empty, whole_number
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.errors import BaselineFileError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.core.catalog import Catalog

_EXPECTED = "[models.<id>] tables"
_TEXT, _NUMBER = non_empty("text that is not empty"), whole_number(1, 1_000_000)
TYPES = {
    **dict.fromkeys(("path", "repository", "title", "mllib"), _TEXT),
    **dict.fromkeys(("width", "height", "nclasses"), _NUMBER),
    "task": choice(*Task),
}


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    """The keys allowed under [models.<id>]; None means `not given`."""

    path: str | None = None
    repository: str | None = None
    title: str | None = None
    mllib: str | None = None
    width: int | None = None
    height: int | None = None
    task: str | None = None
    nclasses: int | None = None


def read_models(path: Path, catalog: Catalog) -> Catalog:
    """Add the networks that a ddperf.toml describes to a catalogue, in the file's order.

    Raises:
        BaselineFileError: the file is not TOML, or has an unknown key, an invalid value, or an id that another network
            has; the message names the file and the line.
    """
    text = read_text(path, f"TOML with {_EXPECTED}")
    tables = decode_tables(path, text).get("models", {})
    if not isinstance(tables, dict):
        raise BaselineFileError(path, find_line(text, ("models",)), "`models` is not a table", _EXPECTED)
    for name, values in tables.items():
        where = Where(path, text, ("models", name))
        model = _described(where, name, values)
        if clash := catalog.clash(model):
            raise where.error(None, f"model id {name!r}, which {clash} already has", f"another id, such as my-{name}")
        catalog = catalog.with_model(model)
    return catalog


def _described(where: Where, name: str, values: object) -> Network:
    if not ID.fullmatch(name):
        raise where.error(None, f"invalid model id {name!r}", ID_EXPECTED)
    given = decode_entry(where, values, _Entry, TYPES)
    if "path" not in given and "repository" not in given:
        expected = 'path = "FOLDER" for a folder on this machine, or repository = "FOLDER" for one on the server'
        raise where.error(None, f"{where.what} without a folder", expected)
    return _network(name, _folder(where, given["path"]) if "path" in given else None, given)


def _folder(where: Where, text: str) -> Path:
    expected = "a folder on this machine with the network's files; for a folder on the server use `repository`"
    try:
        folder = where.path.parent.absolute() / local_path(text)
    except ConfigurationError:
        raise where.error(
            "path", f"path = {text!r}, in a home folder that is not known on this machine", expected
        ) from None
    if not _is_folder(folder):
        raise where.error("path", f"path = {text!r}, which is not a folder", expected)
    return folder


def _network(name: str, folder: Path | None, given: dict[str, Any]) -> Network:
    path = None if folder is None else str(folder)
    unknown = dict.fromkeys(("width", "height", "nclasses"))  # the network's files may contain them
    own: dict[str, Any] = {"title": name, "repository": path, **unknown, **given, "path": path}
    if "task" in given:
        own["task"] = Task(given["task"])
    return Network(name, **own)


def is_folder_name(name: str) -> bool:
    """Whether a model name is a path to a folder; ids contain no slash."""
    return "/" in name or name in {".", ".."} or name.startswith("~")


def resolve_models(catalog: Catalog, names: Iterable[str], base: Path) -> tuple[Catalog, tuple[str, ...]]:
    """Add the folders among the names to the catalogue, and replace the names by ids.

    Args:
        catalog: the known networks.
        names: ids, aliases, and folders (paths with a slash).
        base: folder to which relative paths refer.

    Raises:
        ConfigurationError: a name is unknown; or a folder's name gives no valid id, gives the id of another network, or
            is in an unknown home folder.
    """
    ids: list[str] = []
    for name in names:
        if not is_folder_name(name):
            ids.append(_known(catalog, name, base))
            continue
        folder = base / local_path(name, "--ddperf-models")
        here = folder.resolve() if _is_folder(folder) else None
        known = next((one for one in catalog.own_models if _is_it(one, name, here)), None)
        if known is None:
            known = _network(_id_of(name, here), here, {} if here is not None else {"repository": name})
            catalog = catalog.with_model(known)
        ids.append(known.id)
    return catalog, tuple(ids)


def _known(catalog: Catalog, name: str, base: Path) -> str:
    try:
        return catalog.model(name).id
    except ConfigurationError as error:
        if not _is_folder(base / name):
            raise
        raise ConfigurationError(f"{error} To use the folder of that name, write ./{name}") from None


def _is_it(one: Network, name: str, here: Path | None) -> bool:
    return one.repository == name or (here is not None and one.path is not None and Path(one.path).resolve() == here)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - False for a name that is too long or contains a NUL, too


def _id_of(name: str, here: Path | None) -> str:
    last = (here or Path(name)).name
    made = re.sub(r"[^a-z0-9._-]+", "_", last.lower()).strip("._-")[:64].rstrip("._-")
    if not ID.fullmatch(made):
        raise ConfigurationError(
            f"The name of the folder {name!r} gives no model id; define one in ddperf.toml: [models.my-model] with "
            f"path = {name!r}."
        )
    return made
