"""Whatever stands in a file or an option, it is read as a value that can be, or refused by this project's own error."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from bench_project import ROOT
from fuzzing import DAMAGE, FILES, TOKENS, as_json, counted, damaged_bytes, damaged_json, refused_so_far, tried
from hypothesis import given
from hypothesis import strategies as st
from load_made import loaded
from nightly import cell, write_night
from recording import measured, skipped

from pytest_ddperf import load_history, load_run
from pytest_ddperf.baselines.recordings import read_recorded, write_recorded
from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.options import OPTIONS
from pytest_ddperf.config.platform_toml import read_platforms
from pytest_ddperf.config.published_tables import read_table
from pytest_ddperf.config.resolve import resolve_settings
from pytest_ddperf.config.settings import GivenValue, Origin
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.records import Baseline, CellKey
from pytest_ddperf.errors import DdperfError
from pytest_ddperf.history.index import HistoryIndex
from pytest_ddperf.history.nights import read_nights
from pytest_ddperf.history.run_file import HistoryError, read_run
from pytest_ddperf.report.benchmark_json import build_run_document
from pytest_ddperf.report.csv_json import COLUMNS
from pytest_ddperf.text import remove_control_characters

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from fuzzing import Damage

    from pytest_ddperf.core.catalog import Catalog

TABLES = [path.read_bytes() for path in sorted((ROOT / "baselines").glob("*.csv")) if path.name != "networks.csv"]
PLATFORMS = [
    b"[platforms" + part for part in (ROOT / "baselines" / "platforms.toml").read_bytes().split(b"[platforms")[1:]
]
OWN = b"""[platforms.my-board]
title = "My board"
url = "http://me:pw@board:8080"
tolerance = "10%"
batch_sizes = [1, 2, 4]
models = ["resnet50", "Squeezenetv1.1"]
gpu = true
gpuid = 0
watts = 7.5
before = ["echo a", ["echo", "b"]]
wait = 3
telemetry = "local"
columns = { res50 = "resnet50" }
"""
TORN = st.tuples(st.integers(0, 5), DAMAGE).map(lambda drawn: drawn[1][:2] if drawn[0] == 5 else [])
"""Damage to the bytes, on top: rarely, since most of it ends at the JSON."""


def plain(error: DdperfError) -> None:
    """An error is one paragraph that can be shown as it is, and no traceback."""
    refused_so_far[FILES] += 1
    assert str(error) == remove_control_characters(str(error))
    assert str(error).strip()
    str(error).encode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@tried(0.2)
@given(which=st.integers(0, len(TABLES) - 1), damage=DAMAGE)
@counted(FILES)
def test_a_published_table(folder: Path, catalog: Catalog, which: int, damage: list[Damage]) -> None:
    path = folder / "tk1.csv"
    path.write_bytes(damaged_bytes(TABLES[which], damage))
    try:
        read = read_table(path, catalog)
        held = BaselineStore(catalog, project_dir=folder).load("tk1", str(path))
    except DdperfError as error:
        plain(error)
        return
    assert set(read.cells) == {(model, size) for model in read.models for _, size in read.cells}
    for one in read.cells.values():
        assert one.value_ms is None or 0 < one.value_ms < math.inf
    for entry in held.values():
        assert not isinstance(entry, Baseline) or 0 < entry.value_ms < math.inf


@pytest.fixture(scope="module")
def recording(folder: Path) -> Any:  # noqa: ANN401 - JSON
    path = folder / "made.json"
    records = [measured(), measured("vgg16"), skipped("vgg19", 2)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(folder))
        write_recorded(path, records, machine_info={})
    return json.loads(path.read_text(encoding="utf-8"))


@tried(0.2)
@given(damage=DAMAGE, torn=TORN)
@counted(FILES)
def test_a_recorded_baseline(
    folder: Path,
    catalog: Catalog,
    recording: Any,  # noqa: ANN401 - JSON
    damage: list[Damage],
    torn: list[Damage],
) -> None:
    path = folder / "tk1.json"
    path.write_bytes(damaged_bytes(as_json(damaged_json(recording, damage)), torn))
    try:
        read = read_recorded(path)
        held = BaselineStore(catalog, project_dir=folder).load("tk1", str(path))
    except DdperfError as error:
        plain(error)
        return
    for key, entry in read.cells.items():
        assert key.batch_size >= 1
        assert not isinstance(entry, Baseline) or 0 < entry.value_ms < math.inf
    assert held.keys() <= read.cells.keys()


@pytest.fixture(scope="module")
def night(folder: Path) -> list[bytes]:
    first, second = CellKey("tk1", "resnet50", 1), CellKey("tk1", "squeezenet_v1.1", 8)
    cells = [replace(cell(first, [5.0, 5.1], [5.2]), now_ms=5.1), replace(cell(second, [9.0]), now_ms=9.0)]
    made = write_night(folder / "made", 0, cells)
    return made.read_bytes().splitlines()


@tried(0.2)
@given(line=st.integers(0, 3), damage=DAMAGE, torn=TORN)
@counted(FILES)
def test_a_run_of_the_history(
    folder: Path,
    night: list[bytes],
    line: int,
    damage: list[Damage],
    torn: list[Damage],
) -> None:
    """Damaged lines are counted, and what else there is of the run counts."""
    lines = list(night)
    lines[line] = as_json(damaged_json(json.loads(lines[line]), damage))
    content = damaged_bytes(b"\n".join(lines) + b"\n", torn)
    storage = folder / "history"
    shutil.rmtree(storage, ignore_errors=True)
    storage.mkdir()
    path = storage / "20260101T000000.000Z-00000000.jsonl"
    path.write_bytes(content)
    try:
        run = read_run(path)
    except HistoryError as error:
        plain(error)
    else:
        assert len(run.records) + len(run.broken) >= (1 if line in {1, 2} and not torn else 0)
        json.dumps([msgspec.to_builtins(record) for record in run.records]).encode()
    nights = read_nights(storage, "tk1")
    for entry in nights.baselines().values():
        assert 0 < entry.value_ms < math.inf


@tried(0.05)
@given(line=st.integers(0, 3), damage=DAMAGE, torn=TORN)
@counted(FILES)
def test_the_index_of_the_history(
    folder: Path,
    night: list[bytes],
    line: int,
    damage: list[Damage],
    torn: list[Damage],
) -> None:
    lines = list(night)
    lines[line] = as_json(damaged_json(json.loads(lines[line]), damage))
    storage = folder / "indexed"
    shutil.rmtree(storage, ignore_errors=True)
    storage.mkdir()
    path = storage / "20260101T000000.000Z-00000000.jsonl"
    path.write_bytes(damaged_bytes(b"\n".join(lines) + b"\n", torn))
    another = b"\n".join(night).replace(b"20261101T", b"20261102T")  # a run of its own: a copy of one does not count
    (storage / "20260102T000000.000Z-00000000.jsonl").write_bytes(another + b"\n")
    with HistoryIndex(storage) as index:
        assert index.runs()
        for problem in index.problems:
            assert problem == remove_control_characters(problem)
        for platform in index.platforms():
            for trend in index.trends(platform).values():
                assert all(isinstance(one.now_ms, float) for one in trend.nights)
        assert CellKey("tk1", "squeezenet_v1.1", 8) in index.trends("tk1")


@pytest.fixture(scope="module")
def exported(folder: Path) -> Any:  # noqa: ANN401 - JSON
    records = [replace(measured(), now_ms=51.0), loaded("r10"), loaded("c4")]
    run = read_run(write_night(folder / "exported", 0, records))
    run = replace(run, header=replace(run.header, facts={"commit": {"id": "0123abc"}}))
    return json.loads(json.dumps(build_run_document(run, build_bare_catalog())))


@tried(0.01)
@given(damage=DAMAGE, torn=TORN)
@counted(FILES)
def test_a_run_as_a_dataframe(
    folder: Path,
    exported: Any,  # noqa: ANN401 - JSON
    damage: list[Damage],
    torn: list[Damage],
) -> None:
    path = folder / "frame.json"
    path.write_bytes(damaged_bytes(as_json(damaged_json(exported, damage)), torn))
    try:
        frame = load_run(path)
    except DdperfError as error:
        plain(error)
        return
    is_a_frame(frame)


@tried(0.01)
@given(line=st.integers(0, 3), damage=DAMAGE, torn=TORN)
@counted(FILES)
def test_a_history_as_a_dataframe(
    folder: Path,
    night: list[bytes],
    line: int,
    damage: list[Damage],
    torn: list[Damage],
) -> None:
    lines = list(night)
    lines[line] = as_json(damaged_json(json.loads(lines[line]), damage))
    storage = folder / "framed"
    shutil.rmtree(storage, ignore_errors=True)
    storage.mkdir()
    path = storage / "20260101T000000.000Z-00000000.jsonl"
    path.write_bytes(damaged_bytes(b"\n".join(lines) + b"\n", torn))
    with warnings.catch_warnings(action="ignore"):
        is_a_frame(load_history(storage))
        try:
            is_a_frame(load_run(path))
        except DdperfError as error:
            plain(error)


def is_a_frame(frame: pd.DataFrame) -> None:
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        name: column.dtype for name, column in COLUMNS.items()
    }
    assert (frame["batch_size"] > 0).all()
    assert not (frame["now_ms"] < 0).any()


@tried(0.24)
@given(which=st.integers(0, len(PLATFORMS)), damage=DAMAGE)
@counted(FILES)
def test_a_platform_file(folder: Path, catalog: Catalog, which: int, damage: list[Damage]) -> None:
    path = folder / "ddperf.toml"
    path.write_bytes(damaged_bytes(OWN if which == len(PLATFORMS) else PLATFORMS[which], damage))
    try:
        platforms = read_platforms(path, catalog.platforms)
    except DdperfError as error:
        plain(error)
        return
    finally:
        path.unlink()
    assert set(platforms) >= set(catalog.platforms)
    for platform in platforms.values():
        assert platform.tolerance is None or 0 <= platform.tolerance < 1
        for figure in (platform.watts, platform.peak_gflops, platform.price_usd, platform.memory_gib):
            assert figure is None or 0 < figure < math.inf
        assert all(size >= 1 for size in platform.batch_sizes or ())


@tried(0.01)
@given(which=st.integers(0, len(PLATFORMS)), damage=DAMAGE)
@counted(FILES)
def test_a_project_s_platforms(folder: Path, which: int, damage: list[Damage]) -> None:
    path = folder / "ddperf.toml"
    path.write_bytes(damaged_bytes(OWN if which == len(PLATFORMS) else PLATFORMS[which], damage[:1]))
    try:
        catalog = load_catalog(folder)
        for name in catalog.platforms:
            found = {"platform": GivenValue((name,), Origin.COMMAND_LINE)}
            resolve_settings(found, catalog, folder).server_options(name)
    except DdperfError as error:
        plain(error)
    finally:
        path.unlink()


VALUES = st.lists(
    st.sampled_from([*TOKENS, "2", "8", "local", "auto", "http://h:1", "embedded", "tk1=http://h:1"]), max_size=4
)


@tried(0.1)
@given(option=st.sampled_from(OPTIONS), pieces=VALUES, free=st.text(max_size=12))
@counted(FILES)
def test_a_value_of_an_ini_key(folder: Path, catalog: Catalog, option: Any, pieces: list[str], free: str) -> None:  # noqa: ANN401 - an option
    text = "".join(pieces) + free
    try:
        value = option.type.parse(text)
    except ValueError as error:
        refused_so_far[FILES] += 1
        said = str(error)  # what was expected, in this project's words
        assert said and not any(words in said for words in ("invalid literal", "could not convert", "integer string"))  # noqa: PT018 - any text may be a value
        return
    if isinstance(value, float):
        assert math.isfinite(value)
    try:
        resolve_settings({option.name: GivenValue(value, Origin.INI)}, catalog, folder).server_options("local")
    except DdperfError as error:
        plain(error)
