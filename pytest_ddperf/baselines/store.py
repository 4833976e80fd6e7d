"""Where baselines are found, and which of them holds for a cell."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import platformdirs

from pytest_ddperf.baselines.recordings import read_recorded
from pytest_ddperf.config.load_catalog import existing_files, find_package_data, find_tables
from pytest_ddperf.config.local_paths import local_path
from pytest_ddperf.config.published_tables import format_path, read_table
from pytest_ddperf.core.catalog import Catalog, build_bare_catalog, find_closest
from pytest_ddperf.core.records import Baseline, CellKey, Unavailable
from pytest_ddperf.errors import BaselineFileError, ConfigurationError
from pytest_ddperf.gate.references import HISTORY_FROM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_ddperf.baselines.recordings import Recorded
    from pytest_ddperf.config.published_tables import PublishedTable
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.history.nights import Nights


Entry: TypeAlias = "Baseline | Unavailable"
KINDS = ("auto", "history", "recorded", "report")
LOCAL = "local"


def user_cache_dir() -> Path:
    """The folder for what can be made again, XDG_CACHE_HOME respected; it need not exist."""
    return platformdirs.user_cache_path("pytest-ddperf")


@dataclass(frozen=True, slots=True)
class PlatformBaseline:
    """What is known of one platform.

    Args:
        platform_id: the platform.
        layers: the sources, the one that wins first; per cell, the first that holds it is taken.
    """

    platform_id: str
    layers: tuple[Mapping[CellKey, Entry], ...] = ()

    def lookup(self, key: CellKey) -> Entry | None:
        """The baseline of a cell, `Unavailable` where it is marked `x`, None where nothing is known of it."""
        for layer in self.layers:
            if (found := layer.get(key)) is not None:
                return found
        return None

    def cells(self) -> tuple[CellKey, ...]:
        """Every cell that it holds, values and `x`, sorted."""
        return tuple(sorted(set().union(*self.layers)))


class BaselineStore:
    """The places where baselines are kept.

    Args:
        catalog: resolves names, knows the platforms.
        project_dir: the project, whose `baselines/` comes first; None for none.
        cache_dir: for what this machine recorded of itself; None for the user's cache folder.
        data_dir: the package's tables; None for where they are installed.
    """

    def __init__(
        self,
        catalog: Catalog,
        project_dir: Path | None = None,
        cache_dir: Path | None = None,
        data_dir: Path | None = None,
    ) -> None:
        self._catalog = catalog
        self._project_dir = project_dir
        self._cache_dir = cache_dir
        self._data_dir = data_dir

    def load(
        self, platform_id: str, kind: str = "auto", nights: Nights | None = None, folder: Path | None = None
    ) -> PlatformBaseline:
        """The baseline of a platform.

        Args:
            platform_id: id of a platform of the catalogue.
            kind: `auto`: per cell the history from 8 accepted nights since it was recorded, else recorded, else
                published; `history`: whatever accepted nights there are since; `recorded`; `report`: published only; or
                the path of a table (.csv), of a recorded run (.json), or of a folder of such files (a path like one of
                these words is written with a `./` before it).
            nights: the platform's history; None for none.
            folder: where a relative path begins; None for the one that the process is in.

        Raises:
            ConfigurationError: no such platform, kind or file, or a file is malformed.
        """
        platform = self._catalog.platform(platform_id)
        if kind not in KINDS:
            return PlatformBaseline(platform.id, self._from_path(platform, kind, folder))
        files = [] if kind == "report" else self._recorded_runs(platform)
        layers: list[Mapping[CellKey, Entry]] = []
        if kind in ("auto", "recorded"):
            layers.extend(_cells_of(platform, recorded) for recorded in files)
        if kind in ("auto", "report"):
            layers.extend(self._published(platform))
        stored = PlatformBaseline(platform.id, tuple(layers))
        if nights is None or kind not in ("auto", "history"):
            return stored
        held = nights.baselines(_since(files))
        if kind == "auto":
            held = {key: entry for key, entry in held.items() if _comes_first(entry, stored.lookup(key))}
        return PlatformBaseline(platform.id, (held, *layers))

    def recorded_since(self, platform_id: str) -> Mapping[CellKey, str]:
        """When each cell was recorded, ISO 8601 in UTC, by the file that holds for it: its history begins there.

        Raises:
            ConfigurationError: no such platform, or a file is malformed.
        """
        return _since(self._recorded_runs(self._catalog.platform(platform_id)))

    def recorded_cells(self, platform_id: str) -> frozenset[CellKey]:
        """The cells that the file has figures of in which a run of this platform is recorded.

        Raises:
            ConfigurationError: there is no project to keep it in, or the file is malformed.
        """
        path = self.recorded_path(platform_id)
        return frozenset(read_recorded(path).benchmarks) if path.is_file() else frozenset()

    def recorded_path(self, platform_id: str) -> Path:
        """Where a run of this platform is recorded; the file need not exist.

        The project's `baselines/<platform>.json`. For `local` the user's cache folder, under the names of this host and
        of the project's folder, unless the project keeps a `baselines/local.json` of its own, which would win over it.

        Raises:
            ConfigurationError: there is no project to keep it in.
        """
        platform = self._catalog.platform(platform_id)
        own = None if self._project_dir is None else self._project_dir / "baselines" / f"{platform.id}.json"
        if platform.id == LOCAL and (own is None or not own.is_file()):
            return self._local_file()
        if own is None:
            raise ConfigurationError(
                f"There is no project folder to record the baseline of {platform.id} in: run in a folder with a pytest "
                "configuration (pytest.ini, pyproject.toml or tox.ini)."
            )
        return own

    def _package(self) -> Path:
        return self._data_dir or find_package_data()

    def _local_file(self, *, of_host: bool = False) -> Path:
        """The recording of `local`: of the project's folder on this host, or of the host as a whole."""
        name = f"local-{_as_file_name(socket.gethostname())}"
        if self._project_dir is not None and not of_host:
            folder = self._project_dir.resolve()
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
            name += f"-{_as_file_name(folder.name)}-{digest}"
        return (self._cache_dir or user_cache_dir()) / "baselines" / f"{name}.json"

    def _recorded_runs(self, platform: Platform) -> list[Recorded]:
        """The recorded runs that are there, the one that wins first."""
        name = f"{platform.id}.json"
        places = [] if self._project_dir is None else [self._project_dir / "baselines" / name]
        if platform.id == LOCAL:
            places.append(self._local_file())
        places.append(self._package() / name)
        found = [read_recorded(path) for path in existing_files(places)]
        if platform.id == LOCAL and self._project_dir is not None:
            # version 0.1.0 kept one file a host: of it, networks of the user's own may be another project's
            found += [_without_own(read_recorded(path)) for path in existing_files([self._local_file(of_host=True)])]
        return found

    def _from_path(self, platform: Platform, kind: str, folder: Path | None) -> tuple[Mapping[CellKey, Entry], ...]:
        path = (folder or Path()) / local_path(kind, "The baseline")
        try:
            files = [path / f"{platform.id}.json", path / f"{platform.id}.csv"] if path.is_dir() else [path]
            files = [file for file in files if file.is_file()]
        except OSError as error:  # a name too long, a folder that may not be entered
            raise ConfigurationError(f"The baseline {kind!r} cannot be read: {error}.") from error
        if not files and not path.is_dir():
            near = find_closest(kind, KINDS)
            hint = f" Did you mean {near}?" if near else ""
            raise ConfigurationError(
                f"The baseline {kind!r} is neither auto, history, recorded or report, nor a file or folder.{hint}"
            )
        layers = tuple(self._from_file(file, platform) for file in files)
        if not any(layers):
            raise ConfigurationError(
                f"The baseline {kind!r} holds nothing of platform {platform.id}: a folder should hold "
                f"{platform.id}.json or {platform.id}.csv, a recorded run its cells."
            )
        return layers

    def _from_file(self, path: Path, platform: Platform) -> Mapping[CellKey, Entry]:
        if path.suffix.lower() == ".json":
            return _cells_of(platform, read_recorded(path))
        if path.suffix.lower() == ".csv":
            return _entries(read_table(path, self._catalog, platform.columns), platform, own=True)
        raise BaselineFileError(path, None, f"a file named *{path.suffix}", "a table (.csv) or a recorded run (.json)")

    def _published(self, platform: Platform) -> Iterator[Mapping[CellKey, Entry]]:
        package = self._package()
        for path in find_tables(self._project_dir, package, platform):
            table = read_table(path, self._catalog, platform.columns)
            yield _entries(table, platform, own=path.parent.resolve() != package.resolve())


def _as_file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:64] or "_"


def _without_own(recorded: Recorded) -> Recorded:
    """A recorded run without networks of the user's own."""
    known = build_bare_catalog().networks
    return replace(recorded, cells={key: entry for key, entry in recorded.cells.items() if key.model in known})


def _cells_of(platform: Platform, recorded: Recorded) -> Mapping[CellKey, Entry]:
    return {key: entry for key, entry in recorded.cells.items() if key.platform == platform.id}


def _since(files: Iterable[Recorded]) -> Mapping[CellKey, str]:
    """When each cell was recorded; of several files the first that holds the cell counts."""
    since: dict[CellKey, str] = {}
    for recorded in files:
        for key in recorded.cells:
            since.setdefault(key, recorded.recorded_at.get(key, ""))
    return since


def _comes_first(history: Baseline, stored: Entry | None) -> bool:
    """Whether the history is held against a cell: an `x` is somebody's word that it is not to be run, and stays."""
    return sum(1 for run in history.runs if run) >= HISTORY_FROM and not isinstance(stored, Unavailable)


def _entries(table: PublishedTable, platform: Platform, *, own: bool) -> dict[CellKey, Entry]:
    """The cells of a table; `own`: it is a project's, so it is not the report's that the platform's source tells of.

    Neither source nor reading error is taken from the package then, only from the project's own platform file.
    """
    told = platform.overridden
    source = platform.source if not own or "source" in told else ""
    off = not own or not told.isdisjoint({"reading_error_percent", "reading_error_ms"})
    file = format_path(table.path) if own else f"{table.path.parent.name}/{table.path.name}"
    entries: dict[CellKey, Entry] = {}
    for (model, batch_size), cell in table.cells.items():
        where = f"{file}, line {cell.line}"
        key = CellKey(platform.id, model, batch_size)
        if cell.value_ms is None:
            entries[key] = Unavailable(where)
        else:
            words = f"{source}; {where}" if source else where
            off_ms = platform.reading_error_of(cell.value_ms) if off else 0.0
            entries[key] = Baseline("report", cell.value_ms, words, reading_error_ms=off_ms)
    return entries
