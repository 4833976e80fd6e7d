"""The history, the baselines and a run as DataFrames."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
import recording
from every_row import every_row
from load_made import loaded
from messages import assert_names
from nightly import FIRST_NIGHT, cell, moment, without_measurement, write_night
from recording import paired

from pytest_ddperf import load_baselines, load_history, load_run
from pytest_ddperf.baselines.recordings import write_recorded
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.records import Baseline, CellKey, Outcome, ServerFacts
from pytest_ddperf.core.results import SEVERITY
from pytest_ddperf.errors import BaselineFileError, ConfigurationError, DdperfError
from pytest_ddperf.history.run_file import RunHeader, read_run
from pytest_ddperf.history.writer import HistoryWriter
from pytest_ddperf.report import bencher, csv_json
from pytest_ddperf.report.benchmark_json import build_run_document
from pytest_ddperf.report.gather import gather_results, load_stored

if TYPE_CHECKING:
    from pytest_ddperf.core.records import CellRecord

B1, B4 = CellKey("tk1", "resnet50", 1), CellKey("tk1", "resnet50", 4)
OTHER = CellKey("tx1", "resnet50", 1)
CATALOG = load_catalog()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, and the history in it; nothing of this machine's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / ".ddperf"


def at(key: CellKey, now_ms: float, outcome: Outcome = Outcome.OK, **fields: Any) -> CellRecord:  # noqa: ANN401 - of it
    record = cell(key, [now_ms * share for share in (0.99, 1.0, 1.01)], outcome=outcome, change=0.02)
    server = ServerFacts(f"http://{key.platform}.lan:8080", "v0.28.0")
    baseline = Baseline("report", 50.0, "report, TK1 table")
    return replace(record, **{"now_ms": now_ms, "server": server, "baseline": baseline, **fields})


def dtypes(frame: pd.DataFrame) -> dict[str, object]:
    return {str(name): dtype for name, dtype in frame.dtypes.items()}


def values(frame: pd.DataFrame, *names: str) -> list[tuple[object, ...]]:
    return list(frame[list(names)].itertuples(index=False, name=None))


def test_a_history_has_a_row_for_each_cell_of_each_run_the_oldest_run_first(folder: Path) -> None:
    write_night(folder, 1, [at(B1, 51.0), at(B4, 52.0)])
    write_night(folder, 0, [at(B1, 50.0)])
    frame = load_history(folder)
    assert values(frame, "batch_size", "now_ms") == [(1, 50.0), (1, 51.0), (4, 52.0)]
    assert list(frame.index) == [0, 1, 2]


def test_columns_and_dtypes_are_the_documented_ones(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    frame = load_history(folder)
    assert list(frame.columns) == list(csv_json.COLUMNS)
    assert {name: str(dtype) for name, dtype in dtypes(frame).items()} == {
        name: column.dtype for name, column in csv_json.COLUMNS.items()
    }


def test_a_history_and_the_csv_report_of_its_run_hold_the_same(folder: Path) -> None:
    facts = {"commit": {"id": "0123abc"}}
    header = RunHeader("20261103T020000.000Z-00000001", "2026-11-03T02:00:00+00:00", "0", ("tk1",), True, facts)
    records = [at(B4, 52.0, Outcome.REGRESSED, notes=("one", "two"), resolution=0.01), loaded("r10"), loaded("c4")]
    records += [paired(interval=(-0.01, 0.05)), paired("squeezenet_v1.1", interval=None)]
    with HistoryWriter(folder, header) as writer:
        for record in records:
            writer.append(record)
        writer.close(0, whole=True)
    results = load_stored(CATALOG, folder, platforms=["tk1"])
    judged = tuple(one for one in results.cells if one.outcome is not None)
    text = csv_json.render_csv(replace(results, cells=judged))
    written = pd.read_csv(io.StringIO(text), dtype={"commit": str, "server_commit": str, "scenario": str})
    frame = load_history(folder)
    keys = ["model", "batch_size", "scenario"]
    expected = written.fillna({"scenario": ""}).sort_values(keys, ignore_index=True)
    found = frame.astype({"model": str}).sort_values(keys, ignore_index=True)
    differing = {
        name: (expected[name].tolist(), found[name].tolist())
        for name in set(csv_json.COLUMNS) - {"started", "reason"}
        if plain(expected[name]) != plain(found[name])
    }
    assert differing == {}
    assert values(frame.dropna(subset=["pairs"]), "interval_low", "interval_high", "pairs", "pair_seed")[0] == (
        -0.01,
        0.05,
        8,
        7,
    )
    assert set(pd.to_datetime(written["started"])) == set(frame["started"])


def plain(column: pd.Series[Any]) -> list[Any]:
    """The values, with None for what is missing, and rounded as pandas before 3 reads a float from text."""
    found = [None if pd.isna(value) else value for value in column]
    return [round(value, 12) if isinstance(value, float) else value for value in found]


def test_the_start_of_a_run_is_a_moment_in_utc(folder: Path) -> None:
    write_night(folder, 2, [at(B1, 50.0)])
    (started,) = load_history(folder)["started"]
    assert started == FIRST_NIGHT + timedelta(days=2)
    assert started.tzinfo is not None


@pytest.mark.parametrize("name", ["platform", "model", "outcome"])
def test_platform_model_and_verdict_are_categories_that_frames_share(name: str, folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    together = pd.concat([load_history(folder), load_baselines()], ignore_index=True)
    assert isinstance(together[name].dtype, pd.CategoricalDtype)


def test_verdicts_are_sorted_by_severity_and_models_as_in_the_report(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0), at(B4, 60.0, Outcome.REGRESSED), at(replace(B1, model="mobilenet"), 5.0)])
    frame = load_history(folder)
    assert frame.sort_values("outcome")["outcome"].tolist() == ["regressed", "ok", "ok"]
    assert list(frame["outcome"].cat.categories) == [str(one) for one in SEVERITY]
    assert frame.sort_values("model")["model"].tolist() == ["mobilenet", "resnet50", "resnet50"]


def test_without_a_row_the_columns_have_the_same_dtypes(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    empty = load_history(folder, since="2100-01-01T00:00:00+00:00")
    assert len(empty) == 0
    assert dtypes(empty) == dtypes(load_history(folder))


def test_a_run_without_a_cell_gives_no_row(folder: Path) -> None:
    write_night(folder, 0, [])
    assert load_history(folder).empty


def test_what_was_not_measured_is_missing(folder: Path) -> None:
    write_night(folder, 0, [without_measurement(B1, Outcome.ERROR)])
    (row,) = load_history(folder).to_dict("records")
    assert (row["outcome"], row["fails"]) == ("error", True)
    assert all(pd.isna(row[name]) for name in ("now_ms", "baseline_ms", "passes", "clock", "server_url", "commit"))
    assert row["scenario"] == ""


def test_of_a_cell_that_was_measured_again_the_last_record_counts(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 60.0, Outcome.REMEASURE), at(B1, 50.0)])
    assert values(load_history(folder), "now_ms", "outcome") == [(50.0, "ok")]


def test_of_several_tests_that_measured_a_cell_the_reddest_counts(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 60.0, Outcome.REGRESSED, nodeid="a"), at(B1, 50.0, nodeid="b")])
    assert values(load_history(folder), "now_ms", "nodeid") == [(60.0, "a")]


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_that_was_killed_is_not_complete(folder: Path, ended: bool) -> None:
    write_night(folder, 0, [at(B1, 50.0)], ended=ended)
    assert load_history(folder)["complete"].tolist() == [ended]


@pytest.mark.parametrize("platforms", ["tx1", ["TX1"], ("tx1", "tx1"), iter(["tx1"])])
def test_platforms_restrict_the_rows(folder: Path, platforms: Any) -> None:  # noqa: ANN401 - several types
    write_night(folder, 0, [at(B1, 50.0), at(OTHER, 20.0)], platforms=("tk1", "tx1"))
    write_night(folder, 1, [at(B1, 50.0)])
    assert values(load_history(folder, platforms), "platform", "now_ms") == [("tx1", 20.0)]


def test_a_platform_that_was_never_measured_gives_no_row(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    assert load_history(folder, platforms=["nano"]).empty


def test_a_platform_that_ddperf_toml_no_longer_describes_is_there(folder: Path) -> None:
    write_night(folder, 0, [at(replace(B1, platform="old"), 50.0)], platforms=("old",))
    for frame in (load_history(folder), load_history(folder, platforms=["old"])):
        assert frame["platform"].tolist() == ["old"]
        assert "tk1" in frame["platform"].cat.categories


def test_a_platform_of_the_project_is_known(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "ddperf.toml").write_text('[platforms.mine]\ntitle = "Mine"\n', encoding="utf-8")
    write_night(folder, 0, [at(B1, 50.0)])
    frame = load_history(folder, platforms=["mine"])
    assert frame.empty
    assert "mine" in frame["platform"].cat.categories


@pytest.mark.parametrize(
    "since",
    [
        moment(1),
        "2026-11-02T02:00:00Z",
        "2026-11-02T04:00:00+02:00",
        FIRST_NIGHT + timedelta(days=1),
        datetime(2026, 11, 1, 20, tzinfo=timezone(timedelta(hours=-6))),
        pd.Timestamp("2026-11-02T02:00:00", tz="UTC"),
    ],
)
def test_since_leaves_earlier_runs_out(folder: Path, since: str | datetime) -> None:
    for night in range(3):
        write_night(folder, night, [at(B1, 50.0 + night)])
    assert load_history(folder, since=since)["now_ms"].tolist() == [51.0, 52.0]


@pytest.mark.parametrize("since", [datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=timezone.min)])
def test_since_may_be_any_moment(folder: Path, since: datetime) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    assert load_history(folder, since=since).empty


@pytest.mark.parametrize(
    ("since", "fact"),
    [
        ("2026-11-02T02:00:00", "UTC offset"),
        ("2026-11-02", "UTC offset"),
        (datetime(2026, 11, 2), "UTC offset"),  # noqa: DTZ001 - that is the fault
        (pd.NaT, "UTC offset"),
        ("yesterday", "date and time"),
        ("", "date and time"),
        ("2026-13-02T02:00:00Z", "date and time"),
        (date(2026, 11, 2), "date and time"),
        (1793498400, "date and time"),
    ],
)
def test_a_since_that_is_not_a_moment_is_refused(folder: Path, since: Any, fact: str) -> None:  # noqa: ANN401 - wrong
    write_night(folder, 0, [at(B1, 50.0)])
    with pytest.raises(ConfigurationError) as caught:
        load_history(folder, since=since)
    assert_names(caught, f"since={str(since)!r}", fact)
    assert is_one_paragraph(caught.value)


def test_a_platform_that_is_unknown_is_refused_with_the_one_that_may_be_meant(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    with pytest.raises(ConfigurationError) as caught:
        load_history(folder, platforms=["tkk1"])
    assert_names(caught, "'tkk1'", "Did you mean tk1?")
    assert is_one_paragraph(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_history(tmp_path / "nowhere")
    assert_names(caught, tmp_path / "nowhere")
    assert is_one_paragraph(caught.value)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_history(tmp_path)
    assert_names(caught, tmp_path, "RUN.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["other.txt"]


def test_the_project_s_folder_is_refused_with_the_one_that_is_meant(folder: Path, tmp_path: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    with pytest.raises(ConfigurationError) as caught:
        load_history(tmp_path)
    assert_names(caught, f"did you mean {folder}?")


def test_a_file_in_place_of_the_folder_is_refused(folder: Path) -> None:
    path = write_night(folder, 0, [at(B1, 50.0)])
    with pytest.raises(ConfigurationError) as caught:
        load_history(path)
    assert_names(caught, path, "load_run")


def test_a_file_that_is_not_a_run_is_ignored_with_a_warning(folder: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    (folder / "broken.jsonl").write_text("{", encoding="utf-8")
    with pytest.warns(UserWarning, match=r"broken\.jsonl, line 1") as caught:
        frame = load_history(folder)
    assert [one.filename for one in caught] == [__file__]
    assert frame["now_ms"].tolist() == [50.0]


@pytest.mark.parametrize("alone", [True, False])
def test_a_broken_line_is_ignored_with_a_warning(folder: Path, alone: bool) -> None:
    path = write_night(folder, 0, [at(B1, 50.0)])
    with path.open("a", encoding="utf-8") as file:
        file.write('{"type": "cell"\n')
    with pytest.warns(UserWarning, match="1 line") as caught:
        frame = load_run(path) if alone else load_history(folder)
    assert [one.filename for one in caught] == [__file__]
    assert frame["now_ms"].tolist() == [50.0]


def test_a_copy_of_a_run_counts_once(folder: Path) -> None:
    path = write_night(folder, 0, [at(B1, 50.0)])
    shutil.copy(path, folder / f"{path.stem} (copy).jsonl")
    with pytest.warns(UserWarning, match=re.escape(f"{path.stem} (copy).jsonl")):
        assert len(load_history(folder)) == 1


def test_runs_are_read_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for night in range(3):
        write_night(folder, night, [at(B1, 50.0)])
    order: list[str] = []

    def read(path: Path) -> object:
        order.append("read")
        return read_run(path)

    def row(*arguments: Any) -> object:  # noqa: ANN401 - those of tidy.row
        order.append("row")
        return csv_json.row(*arguments)

    monkeypatch.setattr("pytest_ddperf.report.gather.read_run", read)
    monkeypatch.setattr("pytest_ddperf.report.dataframes.row", row)
    load_history(folder)
    assert order == ["read", "row"] * 3


def test_the_baselines_are_the_cells_of_a_csv_report_without_a_run() -> None:
    results = gather_results(CATALOG, (), {})
    written = pd.read_csv(io.StringIO(csv_json.render_csv(results)))
    frame = load_baselines()
    assert len(frame) == len(results.cells) > 600
    for name in ("platform", "model", "batch_size", "baseline_ms", "unavailable", "baseline_kind", "baseline_source"):
        assert plain(frame[name]) == plain(written[name]), name
    assert frame[["run", "started", "now_ms", "outcome", "change"]].isna().all(axis=None)


def record_baseline(project: Path, *records: CellRecord, when: datetime = FIRST_NIGHT, commit: str = "aaa") -> Path:
    path = project / "baselines" / "tk1.json"
    write_recorded(path, records, machine_info={}, commit_info={"id": commit}, now=when)
    return path


@pytest.mark.parametrize("named", [True, False])
def test_a_recorded_baseline_of_the_project_comes_first(tmp_path: Path, named: bool) -> None:
    record_baseline(tmp_path, recording.measured(platform="tk1", model="resnet50", batch_size=2))
    frame = load_baselines(str(tmp_path)) if named else load_baselines()
    of_cell = frame[(frame["platform"] == "tk1") & (frame["model"] == "resnet50") & (frame["batch_size"] == 2)]
    assert values(of_cell, "baseline_kind", "baseline_ms") == [("recorded", 51.0)]


def test_what_cannot_be_measured_is_unavailable() -> None:
    frame = load_baselines()
    of_cell = frame[(frame["platform"] == "tk1") & (frame["model"] == "vgg16") & (frame["batch_size"] == 128)]
    assert of_cell["unavailable"].tolist() == [True]
    assert of_cell["baseline_ms"].isna().all()


@pytest.mark.parametrize(
    ("name", "text"),
    [("baselines/tk1.json", "{"), ("baselines/tk1.csv", "batch_size,res50\n1,fast\n"), ("ddperf.toml", "[[[")],
)
def test_a_malformed_file_of_the_project_is_refused_by_name(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=Path(name).name) as caught:
        load_baselines()
    assert is_one_paragraph(caught.value)


def test_a_project_that_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_baselines(tmp_path / "elsewhere")
    assert_names(caught, tmp_path / "elsewhere", "folder")


def exported(path: Path, folder: Path, *records: CellRecord) -> Path:
    """A run as `ddperf report --json` exports it, the same benchmarks as --benchmark-json's."""
    run = read_run(write_night(folder, 0, records))
    run = replace(run, header=replace(run.header, facts={"commit": {"id": "0123abc"}}))
    path.write_text(json.dumps(build_run_document(run, build_bare_catalog())), encoding="utf-8")
    return path


SHARED = ["platform", "model", "batch_size", "scenario", "outcome", "fails", "now_ms", "baseline_ms", "change",
          "tolerance", "images_per_second", "baseline_source", "clock", "passes", "started", "server_url",
          "server_version", "requests", "requests_per_second", "asked_per_second", "kept_up", "outstanding", "p50_ms",
          "p95_high_ms", "nodeid", "reason", "interval_low", "interval_high", "pairs", "pair_seed"]  # fmt: skip


def test_a_benchmark_json_and_the_history_of_its_run_hold_the_same(folder: Path, tmp_path: Path) -> None:
    records = (at(B1, 50.0), at(B4, 60.0, Outcome.REGRESSED), loaded("c4"), loaded("r10", kept_up=False), paired())
    frame = load_run(exported(tmp_path / "out.json", folder, *records))
    expected = load_history(folder)
    assert {name: plain(frame[name]) for name in SHARED} == {name: plain(expected[name]) for name in SHARED}
    assert dtypes(frame) == dtypes(expected)
    assert values(frame, "run", "commit") == [("out", "0123abc")] * 5
    assert frame["complete"].isna().all()


def test_a_run_of_the_history_is_read_like_the_history(folder: Path) -> None:
    path = write_night(folder, 0, [at(B1, 50.0), at(B4, 60.0, Outcome.REGRESSED)])
    pd.testing.assert_frame_equal(load_run(path), load_history(folder))


def test_a_recorded_baseline_has_the_median_of_its_passes_and_when_each_cell_was_recorded(tmp_path: Path) -> None:
    first = recording.measured(platform="tk1", model="resnet50", batch_size=2)
    later = recording.measured(platform="tk1", model="resnet50", batch_size=4)
    record_baseline(tmp_path, first, recording.skipped(model="vgg16", batch_size=16))
    path = record_baseline(tmp_path, later, when=FIRST_NIGHT + timedelta(days=1), commit="bbb")
    measured, _, marked = (frame := load_run(path)).to_dict("records")
    assert (measured["now_ms"], measured["passes"], measured["clock"]) == (51.0, 3, "predict")
    assert pd.isna(measured["outcome"])
    assert frame["started"].tolist()[:2] == [FIRST_NIGHT, FIRST_NIGHT + timedelta(days=1)]
    assert plain(frame["commit"]) == [None, "bbb", None]
    assert (marked["model"], marked["unavailable"]) == ("vgg16", True)
    assert pd.isna(marked["now_ms"])


def test_what_benchmark_save_leaves_out_is_missing(folder: Path, tmp_path: Path) -> None:
    path = exported(tmp_path / "0001_saved.json", folder, at(B1, 50.0))
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["benchmarks"][0]["stats"]["data"]
    path.write_text(json.dumps(document), encoding="utf-8")
    (row,) = load_run(path).to_dict("records")
    assert (row["now_ms"], row["outcome"]) == (50.0, "ok")
    assert pd.isna(row["passes"])


def test_a_report_for_github_action_benchmark_is_read(folder: Path, tmp_path: Path) -> None:
    write_night(folder, 0, [at(B1, 50.0)])
    path = tmp_path / "github.json"
    path.write_text(bencher.render_pytest(load_stored(CATALOG, folder, platforms=["tk1"])), encoding="utf-8")
    (row,) = load_run(path).to_dict("records")
    assert (row["now_ms"], row["clock"], row["started"]) == (50.0, "predict", FIRST_NIGHT)


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_benchmarks_of_a_cell_the_reddest_counts(folder: Path, tmp_path: Path, order: int) -> None:
    records = (at(B1, 60.0, Outcome.REGRESSED, nodeid="a"), at(B1, 50.0, nodeid="b"))[::order]
    assert values(load_run(exported(tmp_path / "out.json", folder, *records)), "now_ms") == [(60.0,)]


def test_benchmarks_of_others_are_left_out(folder: Path, tmp_path: Path) -> None:
    path = exported(tmp_path / "out.json", folder, at(B1, 50.0))
    document = json.loads(path.read_text(encoding="utf-8"))
    document["benchmarks"].insert(0, {"name": "test_sum", "extra_info": {}, "stats": {"data": [1e-6]}})
    path.write_text(json.dumps(document), encoding="utf-8")
    assert len(load_run(path)) == 1


def edited(info: dict[str, Any] | None = None, **top: Any) -> str:  # noqa: ANN401 - JSON
    """A file of one benchmark with these fields in its extra_info and at its top."""
    cell = {"platform": "tk1", "model": "resnet50", "batch_size": 1, "verdict": "ok", "ms_per_image": 5.0}
    one = {"fullname": "test_predict[x]", "extra_info": cell | (info or {}), "stats": {"data": [0.005]}}
    return json.dumps({"datetime": moment(0), "commit_info": {}, "benchmarks": [one], **top}, indent=1)


@every_row(
    "text, facts",
    [
        ("{", ("line 1", "JSON")),
        ("", ("line 1", "JSON")),
        ("[]", ("`benchmarks`",)),
        ('{"benchmarks": {}}', ("`benchmarks`",)),
        ('{"benchmarks": []}', ("platform, model", "batch_size")),
        (edited({"batch_size": 0}), ("benchmarks[0]", "batch_size")),
        (edited({"batch_size": 1 << 64}), ("benchmarks[0]", "batch_size")),
        (edited({"batch_size": "1"}), ("line 6", "batch_size")),
        (edited({"verdict": "splendid"}), ("verdict",)),
        (edited({"ms_per_image": -1.0}), ("ms_per_image",)),
        (edited({"change": "none"}), ("change",)),
        (edited({"server": "here"}), ("server",)),
        (edited({"load": {"requests": 5}}), ("load",)),
        (edited(benchmarks=[{"extra_info": {"platform": "a", "model": "b", "batch_size": 1}}]), ("stats",)),
        (
            edited(
                benchmarks=[{"extra_info": {"platform": "a", "model": "b", "batch_size": 1}, "stats": {"data": [0]}}]
            ),
            ("stats.data",),
        ),
        (edited(ddperf={"format": 99}), ("ddperf.format 99",)),
        (edited({"change": float("nan")}), ("NaN",)),
    ],
)
def test_a_file_that_is_no_run_is_refused_by_name(tmp_path: Path, text: str, facts: tuple[str, ...]) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BaselineFileError) as caught:
        load_run(path)
    assert_names(caught, path, *facts)
    assert is_one_paragraph(caught.value)


@pytest.mark.parametrize("name", ["missing.json", "missing.jsonl", ".", "headless.jsonl", "dateless.jsonl", "binary"])
def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "headless.jsonl").write_text('{"type": "cell"}\n', encoding="utf-8")
    header = {"type": "run", "run": "r", "started": "once", "version": "0", "platforms": [], "format": 1}
    (tmp_path / "dateless.jsonl").write_text(json.dumps(header), encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DdperfError, match=str(tmp_path)) as caught:
        load_run(tmp_path / name)
    assert is_one_paragraph(caught.value)


@pytest.mark.parametrize("top", [{"datetime": "once"}, {"datetime": 5}, {"commit_info": None}, {"commit_info": []}])
def test_facts_that_say_nothing_are_missing(tmp_path: Path, top: dict[str, Any]) -> None:
    path = tmp_path / "odd.json"
    path.write_text(edited(**top), encoding="utf-8")
    (row,) = load_run(path).to_dict("records")
    assert pd.isna(row["commit"])
    assert pd.isna(row["started"]) == ("datetime" in top)


def is_one_paragraph(error: DdperfError) -> bool:
    text = str(error)
    return "\n" not in text and text.endswith(".") and len(text) < 600
