"""Published tables: `baselines/<platform>.csv` and `baselines/networks.csv`, in the report's own layout."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_ddperf.config.text_files import read_text
from pytest_ddperf.core.catalog import Catalog, build_bare_catalog, find_closest
from pytest_ddperf.errors import BaselineFileError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_ddperf.core.networks import Network

_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_BATCH_SIZE = re.compile(r"[1-9][0-9]{0,5}")
_VALUE = "milliseconds per image (a positive number such as 37.2), or x where it cannot be measured"


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One cell of a published table.

    Args:
        value_ms: milliseconds per image; None for `x`.
        line: line number in the file, counted from 1.
    """

    value_ms: float | None
    line: int


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A published table.

    Args:
        path: its file.
        models: network ids of its columns, in catalogue order.
        cells: cells by network id and batch size; none is missing.
    """

    path: Path
    models: tuple[str, ...]
    cells: Mapping[tuple[str, int], PublishedCell]


def format_path(path: Path) -> str:
    """Format a path for a message: relative to the current folder if it is below it, else absolute."""
    whole = path.absolute()
    here = Path.cwd()
    return whole.relative_to(here).as_posix() if whole.is_relative_to(here) else str(whole)


def read_table(path: Path, catalog: Catalog, columns: Mapping[str, str] | None = None) -> PublishedTable:
    """Read a published table: one row per batch size, one column per network, milliseconds per image or `x`.

    Args:
        path: the file.
        catalog: resolves the names of the columns.
        columns: network ids of columns whose name does not identify the network.

    Raises:
        BaselineFileError: the file is not such a table; the message names the line, what was found and what is
            expected.
    """
    rows = _rows(path, "a table whose header is batch_size and names of networks")
    models = _header(path, *next(rows), catalog, columns or {})
    cells: dict[tuple[str, int], PublishedCell] = {}
    for line, row in rows:
        if len(row) != len(models) + 1:
            raise BaselineFileError(
                path, line, f"a row of {len(row)} cells", f"{len(models) + 1}, as many as the header has"
            )
        batch_size = _batch_size(path, line, row[0])
        if (models[0], batch_size) in cells:
            raise BaselineFileError(path, line, f"duplicate batch size {batch_size}", "each batch size once")
        for model, text in zip(models, row[1:], strict=True):
            cells[model, batch_size] = PublishedCell(_milliseconds(path, line, model, text), line)
    if not cells:
        raise BaselineFileError(path, None, "a header without rows", "a row for each batch size")
    return PublishedTable(path, tuple(sorted(models, key=catalog.model_order)), cells)


def read_networks(path: Path) -> dict[str, Network]:
    """Read the networks with the report's figures from the package's `networks.csv`; `missing` marks unstated ones."""
    catalog = build_bare_catalog()
    networks = dict(catalog.networks)
    for row in csv.DictReader(io.StringIO(read_text(path, "the report's figures of the networks"))):
        text = {name: "" if value == "missing" else value for name, value in row.items()}
        network = catalog.model(text["model"])
        networks[network.id] = replace(
            network,
            top1_accuracy_percent=_figure(text["top1_accuracy_percent"]),
            giga_flops=_figure(text["giga_flops"]),
            million_params=_figure(text["million_params"]),
            giga_flops_text=text["giga_flops"],
            million_params_text=text["million_params"],
            top5_accuracy_percent=_figure(text["top5_accuracy_percent"]),
        )
    return networks


def _figure(text: str) -> float | None:
    return float(text) if text else None


def _rows(path: Path, expected: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the non-blank rows with their line numbers; there is at least one."""
    reader = csv.reader(io.StringIO(read_text(path, expected), newline=""), strict=True)
    empty = True
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                empty = False
                yield reader.line_num, row
    except csv.Error as error:
        raise BaselineFileError(path, reader.line_num, f"not CSV ({error})", expected) from error
    if empty:
        raise BaselineFileError(path, None, "an empty file", expected)


def _header(path: Path, line: int, row: list[str], catalog: Catalog, columns: Mapping[str, str]) -> list[str]:
    first, *names = (name.strip() for name in row)
    if re.sub(r"[\s_]+", " ", first.lower()) != "batch size":
        raise BaselineFileError(path, line, f"the first column {first!r}", "batch_size")
    if not names:
        raise BaselineFileError(path, line, "no columns except batch_size", "a column for each network")
    models: dict[str, str] = {}
    for name in names:
        model = columns[name] if name in columns else _resolve(path, line, name, catalog)
        if model in models:
            raise BaselineFileError(
                path, line, f"two columns for {model}, {models[model]!r} and {name!r}", "each network once"
            )
        models[model] = name
    return list(models)


def _resolve(path: Path, line: int, name: str, catalog: Catalog) -> str:
    try:
        return catalog.model(name).id
    except ConfigurationError as error:
        spellings = {spelling: one.id for one in catalog.networks.values() for spelling in (*one.aliases, one.id)}
        near = find_closest(name, spellings)
        hint = f" (did you mean {spellings[near]}?)" if near else ""
        known = ", ".join(
            f"{one.id} ({', '.join(one.aliases)})" if one.aliases else one.id for one in catalog.networks.values()
        )
        raise BaselineFileError(
            path, line, f"unknown or ambiguous network {name!r}{hint}", f"one of {known}"
        ) from error


def _batch_size(path: Path, line: int, text: str) -> int:
    if not _BATCH_SIZE.fullmatch(text.strip()):
        raise BaselineFileError(path, line, f"batch size {text!r}", "a whole number from 1 to 999999")
    return int(text.strip())


def _milliseconds(path: Path, line: int, model: str, text: str) -> float | None:
    stripped = text.strip()  # removes more than float() does: the control characters 1C to 1F
    if stripped == "x":
        return None
    # float() alone would also accept `nan` and `1_0`
    if not _NUMBER.fullmatch(stripped) or not 0 < float(stripped) < math.inf:
        raise BaselineFileError(path, line, f"{text!r} for {model}", _VALUE)
    return float(stripped)
