"""Where baselines are found, and which of them applies to a cell."""

from __future__ import annotations

import hashlib
import os
import re
import socket
from collections import ChainMap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import platformdirs

from pytest_ddperf.baselines.recordings import read_recorded
from pytest_ddperf.config.load_catalog import existing_files, find_package_data, find_tables, is_present
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


class BaselineStore:
    """The places where baselines are stored.

    Args:
        catalog: resolves names and contains the platforms.
        project_dir: the project's folder, whose `baselines/` takes precedence; None for no project.
    """

    def __init__(self, catalog: Catalog, project_dir: Path | None = None) -> None:
        self._catalog = catalog
        self._project_dir = project_dir

    def load(
        self, platform_id: str, kind: str = "auto", nights: Nights | None = None, folder: Path | None = None
    ) -> dict[CellKey, Entry]:
        """Load the baselines of a platform's cells, `Unavailable` for those marked `x`.

        Args:
            platform_id: id of a platform in the catalogue.
            kind: where the baseline of a cell comes from:
                `auto`: the history if it has at least 8 accepted nights since the cell was recorded, else a recorded
                run, else a published table; `history`: the accepted nights since then, however few; `recorded`: only
                recorded runs; `report`: only published tables; or the path of a table (.csv), of a recorded run
                (.json), or of a folder of such files (a path equal to one of these words needs a leading `./`).
            nights: the platform's history; None for no history.
            folder: folder that a relative path refers to; None for the current directory.

        Raises:
            ConfigurationError: the platform, kind or file does not exist, or a file is malformed.
        """
        platform = self._catalog.platform(platform_id)
        if kind not in KINDS:
            return self._from_path(platform, kind, folder)
        files = [] if kind == "report" else self._recorded_runs(platform)
        layers: list[dict[CellKey, Entry]] = []
        if kind in ("auto", "recorded"):
            layers.extend(_cells_of(platform, recorded) for recorded in files)
        if kind in ("auto", "report"):
            layers.extend(self._published(platform))
        stored = dict(ChainMap(*layers))
        if nights is None or kind not in ("auto", "history"):
            return stored
        held = nights.after(_since(files)).baselines()
        if kind == "auto":
            held = {key: entry for key, entry in held.items() if _comes_first(entry, stored.get(key))}
        return stored | held

    def recorded_since(self, platform_id: str) -> Mapping[CellKey, str]:
        """Return when each cell was recorded, ISO 8601 in UTC; its history begins then.

        The time is from the file that applies to the cell.

        Raises:
            ConfigurationError: the platform does not exist, or a file is malformed.
        """
        return _since(self._recorded_runs(self._catalog.platform(platform_id)))

    def recorded_cells(self, platform_id: str) -> frozenset[CellKey]:
        """Return the cells with figures in the file in which runs of this platform are recorded.

        Raises:
            ConfigurationError: there is no project folder for the file, or the file is malformed.
        """
        path = self.recorded_path(platform_id)
        return frozenset(read_recorded(path).benchmarks) if path.is_file() else frozenset()

    def recorded_path(self, platform_id: str) -> Path:
        """Return the path at which runs of this platform are recorded; the file need not exist.

        It is the project's `baselines/<platform>.json`. For `local` it is a file in the user's cache folder, named
        after this host and the project's folder, unless the project has a `baselines/local.json`, which takes
        precedence.

        Raises:
            ConfigurationError: there is no project folder for the file.
        """
        platform = self._catalog.platform(platform_id)
        own = None if self._project_dir is None else self._project_dir / "baselines" / f"{platform.id}.json"
        if platform.id == LOCAL and (own is None or not own.is_file()):
            return self._local_file()
        if own is None:
            raise ConfigurationError(
                f"The baseline of {platform.id} cannot be recorded, because there is no project folder. Run in a "
                "folder with a pytest configuration (pytest.ini, pyproject.toml or tox.ini)."
            )
        return own

    def _local_file(self, *, of_host: bool = False) -> Path:
        """Return the path of the recording of `local`: that of the project on this host, or that of the whole host."""
        name = f"local-{_as_file_name(socket.gethostname())}"
        if self._project_dir is not None and not of_host:
            folder = self._project_dir.resolve()
            digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:12]
            name += f"-{_as_file_name(folder.name)}-{digest}"
        return platformdirs.user_cache_path("pytest-ddperf") / "baselines" / f"{name}.json"

    def _recorded_runs(self, platform: Platform) -> list[Recorded]:
        """Read the existing recorded runs, in order of precedence."""
        name = f"{platform.id}.json"
        places = [] if self._project_dir is None else [self._project_dir / "baselines" / name]
        if platform.id == LOCAL:
            places.append(self._local_file())
        places.append(find_package_data() / name)
        found = [read_recorded(path) for path in existing_files(places)]
        if platform.id == LOCAL and self._project_dir is not None:
            # Version 0.1.0 had one file per host. The user's own networks in it may belong to another project.
            found += [_without_own(read_recorded(path)) for path in existing_files([self._local_file(of_host=True)])]
        return found

    def _from_path(self, platform: Platform, kind: str, folder: Path | None) -> dict[CellKey, Entry]:
        path = (folder or Path()) / local_path(kind, "The baseline")
        try:
            files = [path / f"{platform.id}.json", path / f"{platform.id}.csv"] if path.is_dir() else [path]
            files = [file for file in files if is_present(file)]
        except OSError as error:  # the name is too long, or access to the folder is denied
            raise ConfigurationError(f"The baseline {kind!r} cannot be read: {error}.") from error
        if not files and not path.is_dir():
            near = find_closest(kind, KINDS)
            hint = f" Did you mean {near}?" if near else ""
            raise ConfigurationError(
                f"The baseline {kind!r} is not auto, history, recorded or report, and there is no such file or folder."
                f"{hint}"
            )
        found = dict(ChainMap(*(self._from_file(file, platform) for file in files)))
        if not found:
            raise ConfigurationError(
                f"The baseline {kind!r} contains nothing for platform {platform.id}. A folder must contain "
                f"{platform.id}.json or {platform.id}.csv; a recorded run must contain cells of the platform."
            )
        return found

    def _from_file(self, path: Path, platform: Platform) -> dict[CellKey, Entry]:
        if path.suffix.lower() == ".json":
            return _cells_of(platform, read_recorded(path))
        if path.suffix.lower() == ".csv":
            return _entries(read_table(path, self._catalog, platform.columns), platform, own=True)
        raise BaselineFileError(path, None, f"a file named {path.name}", "a table (.csv) or a recorded run (.json)")

    def _published(self, platform: Platform) -> Iterator[dict[CellKey, Entry]]:
        package = find_package_data()
        for path in find_tables(self._project_dir, package, platform):
            table = read_table(path, self._catalog, platform.columns)
            yield _entries(table, platform, own=path.parent.resolve() != package.resolve())


def _as_file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:64] or "_"


def _without_own(recorded: Recorded) -> Recorded:
    """Return a recorded run without the user's own networks."""
    known = build_bare_catalog().networks
    return replace(recorded, cells={key: entry for key, entry in recorded.cells.items() if key.model in known})


def _cells_of(platform: Platform, recorded: Recorded) -> dict[CellKey, Entry]:
    return {key: entry for key, entry in recorded.cells.items() if key.platform == platform.id}


def _since(files: Iterable[Recorded]) -> Mapping[CellKey, str]:
    """Return when each cell was recorded, according to the first file that contains it."""
    since: dict[CellKey, str] = {}
    for recorded in files:
        for key in recorded.cells:
            since.setdefault(key, recorded.recorded_at.get(key, ""))
    return since


def _comes_first(history: Baseline, stored: Entry | None) -> bool:
    """Whether the history takes precedence: it has enough nights, and the cell is not marked `x` (not to be run)."""
    return sum(1 for run in history.runs if run) >= HISTORY_FROM and not isinstance(stored, Unavailable)


def _entries(table: PublishedTable, platform: Platform, *, own: bool) -> dict[CellKey, Entry]:
    """Return the cells of a table.

    If it belongs to a project (`own`), the source and the reading error of the package's platform do not apply to it;
    those of the project's own platform file do.
    """
    overridden = platform.overridden
    source = platform.source if not own or "source" in overridden else ""
    off = not own or not overridden.isdisjoint({"reading_error_percent", "reading_error_ms"})
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
