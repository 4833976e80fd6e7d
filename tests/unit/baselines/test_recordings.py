from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock
import pytest
import recording
from every_row import every_row
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from messages import assert_names
from recording import CONDITIONS, measured, skipped

from pytest_ddperf.baselines import recordings
from pytest_ddperf.baselines.recordings import Update, read_recorded, write_recorded
from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Measurement, Outcome, Pass, Round, Unavailable
from pytest_ddperf.errors import BaselineFileError, ConfigurationError, FileContentError

NOW = datetime(2026, 3, 1, 4, 5, 6, tzinfo=UTC)
STAT_NAMES = (
    "min max mean stddev rounds median iqr q1 q3 iqr_outliers stddev_outliers outliers ld15iqr hd15iqr ops total data "
    "iterations"
)
Record = Callable[..., Update]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "baselines" / "tk1.json"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def record(path: Path) -> Record:
    def run(*records: CellRecord, **options: Any) -> Update:  # noqa: ANN401 - any of write_recorded's
        options = {"machine_info": {"platform": "tk1"}, "now": NOW, **options}
        return write_recorded(path, records, **options)

    return run


def test_what_was_recorded_is_read_again(path: Path, record: Record) -> None:
    record(measured())
    assert read_recorded(path).cells == {
        CellKey("tk1", "resnet50", 2): Baseline(
            "recorded",
            51.0,
            f"{path}, recorded 2026-03-01 (median of 3 passes)",
            runs=((50.0, 52.0, 51.0),),
            conditions=CONDITIONS,
            round_sizes=((3,),),
        )
    }


def test_when_a_cell_was_recorded_is_kept(path: Path, record: Record) -> None:
    record(measured("vgg16"))
    record(measured("resnet50"), now=datetime(2026, 4, 1, tzinfo=UTC))
    assert read_recorded(path).recorded_at == {
        CellKey("tk1", "resnet50", 2): "2026-04-01T00:00:00+00:00",
        CellKey("tk1", "vgg16", 2): "2026-03-01T04:05:06+00:00",
    }


def test_the_file_has_pytest_benchmarks_shape_with_seconds_per_image(path: Path, record: Record) -> None:
    record(measured(), commit_info={"id": "abc"})
    document = json.loads(path.read_text())
    assert document.keys() == {"machine_info", "commit_info", "benchmarks", "datetime", "version", "ddperf"}
    (benchmark,) = document["benchmarks"]
    assert benchmark.keys() >= {"group", "name", "fullname", "params", "param", "extra_info", "options", "stats"}
    assert benchmark["stats"].keys() >= set(STAT_NAMES.split())
    assert (benchmark["stats"]["min"], benchmark["stats"]["min_ms"]) == (0.05, 50.0)
    assert benchmark["stats"]["data"] == [0.05, 0.052, 0.051]
    assert benchmark["stats"]["median"] == 0.051
    assert document["ddperf"] == {"last": "1 cell: tk1-resnet50-b2", "format": 1, "unavailable": []}


def two_rounds() -> CellRecord:
    one = measured()
    assert one.measurement is not None
    rounds = (*one.measurement.rounds, Round(60.0, (Pass(client_ms=99.0, predict_ms=90.0),)))
    return CellRecord(one.key, "", Outcome.OK, measurement=Measurement(one.key, CONDITIONS, rounds))


def only_cell(path: Path) -> Baseline:
    (baseline,) = read_recorded(path).cells.values()
    assert isinstance(baseline, Baseline)
    return baseline


def test_all_rounds_are_recorded(path: Path, record: Record) -> None:
    record(two_rounds())
    assert only_cell(path).runs == ((50.0, 52.0, 51.0, 45.0),)


def test_the_rounds_of_a_recording_are_kept_apart(path: Path, record: Record) -> None:
    record(two_rounds())
    assert only_cell(path).rounds == [((50.0, 52.0, 51.0), (45.0,))]


def test_a_recording_contains_when_each_round_was_measured_and_the_scatter_between_them(
    path: Path, record: Record
) -> None:
    record(two_rounds())
    info = json.loads(path.read_text())["benchmarks"][0]["extra_info"]
    assert info["rounds"] == [
        {"started": "1970-01-01T00:00:00+00:00", "passes": 3},
        {"started": "1970-01-01T00:01:00+00:00", "passes": 1},
    ]
    assert info["scatter_between_rounds"] == pytest.approx(math.log(50.5 / 45) / math.sqrt(2), rel=0.01)


def test_a_recording_without_rounds_is_read_as_passes(path: Path, record: Record) -> None:
    record(two_rounds())
    document = json.loads(path.read_text())
    del document["benchmarks"][0]["extra_info"]["rounds"]
    path.write_text(json.dumps(document))
    assert only_cell(path).rounds == [(50.0, 52.0, 51.0, 45.0)]


def test_rounds_that_do_not_fit_the_passes_are_refused(path: Path, record: Record) -> None:
    record(two_rounds())
    path.write_text(path.read_text().replace('"passes": 1}', '"passes": 2}'))
    with pytest.raises(BaselineFileError) as error:
        read_recorded(path)
    assert_names(str(error.value), str(path), "extra_info.rounds", "5 passes", "4")


def test_cells_that_were_not_run_stay(path: Path, record: Record) -> None:
    record(measured("vgg16"), measured("resnet50"))
    before = read_recorded(path).cells[CellKey("tk1", "vgg16", 2)]
    update = record(measured("resnet50", batch_ms=(80.0,)))
    after = read_recorded(path).cells
    assert update.written == (CellKey("tk1", "resnet50", 2),)
    assert after[CellKey("tk1", "vgg16", 2)] == before
    assert isinstance(changed := after[CellKey("tk1", "resnet50", 2)], Baseline)
    assert changed.value_ms == 40.0


def test_cells_stand_by_platform_then_in_catalogue_order_then_by_batch_size(path: Path, record: Record) -> None:
    record(
        measured("vgg16", 1),
        measured("mobilenet", 16),
        measured("mobilenet", 2),
        measured("mobilenet", 2, scenario="c4"),
        measured("squeezenet_v1.1", 1, platform="tx1"),
        measured("own_network", 1),
    )
    names = [one["param"] for one in json.loads(path.read_text())["benchmarks"]]
    assert names == [
        "tk1-mobilenet-b2",
        "tk1-mobilenet-b2-c4",
        "tk1-mobilenet-b16",
        "tk1-vgg16-b1",
        "tk1-own_network-b1",
        "tx1-squeezenet_v1.1-b1",
    ]


def test_recording_the_same_again_changes_nothing(path: Path, record: Record) -> None:
    record(measured("vgg16", batch_ms=(100 / 3, 100 / 7)), skipped("vgg19", 1))
    before = path.read_bytes()
    record(measured("vgg16", batch_ms=(100 / 3, 100 / 7)))
    assert path.read_bytes() == before


@pytest.mark.parametrize("outcome", [Outcome.OK, Outcome.IMPROVED, Outcome.NEW])
def test_accepted_takes(record: Record, outcome: Outcome) -> None:
    assert record(measured(outcome=outcome)).written


NEVER = [Outcome.OOM, Outcome.CRASHED, Outcome.ERROR, Outcome.INVALID, Outcome.REMEASURE]


@every_row("outcome", [Outcome.REGRESSED, Outcome.UNSTABLE, *NEVER])
def test_accepted_leaves_as_it_was(path: Path, record: Record, outcome: Outcome) -> None:
    record(measured())
    before = read_recorded(path)
    update = record(measured(outcome=outcome, batch_ms=(200.0,)))
    assert update.left_out == {CellKey("tk1", "resnet50", 2)}
    assert update.written == ()
    assert read_recorded(path) == before


@pytest.mark.parametrize("outcome", [Outcome.REGRESSED, Outcome.UNSTABLE])
def test_all_takes_regressed_and_unstable_too(record: Record, outcome: Outcome) -> None:
    assert record(measured(outcome=outcome), mode="all").written


@every_row("compared, mode, is_recorded", [(Outcome.OK, "accepted", True), (Outcome.NEW, "accepted", True),
           (Outcome.UNSTABLE, "accepted", False), (Outcome.UNSTABLE, "all", True)])  # fmt: skip
def test_a_cell_over_its_budget_is_recorded_as_it_compares_with_its_baseline(
    record: Record, compared: Outcome, mode: str, is_recorded: bool
) -> None:
    over = replace(measured(outcome=Outcome.OVER_BUDGET), compared=compared)
    assert bool(record(over, mode=mode).written) is is_recorded


@every_row("outcome", NEVER)
def test_all_does_not_take(record: Record, outcome: Outcome) -> None:
    assert not record(measured(outcome=outcome), mode="all").written


def test_a_cell_without_a_pass_by_its_clock_is_left_out(record: Record) -> None:
    one = measured()
    measurement = Measurement(one.key, CONDITIONS, (Round(0.0, (Pass(client_ms=9.0),)),))
    update = record(CellRecord(one.key, "", Outcome.OK, measurement=measurement))
    assert update.left_out == {one.key}


def test_a_cell_with_a_time_of_0_is_left_out(record: Record) -> None:
    one = measured(batch_ms=(1.0, 0.0))
    assert record(one).left_out == {one.key}


def test_an_unavailable_cell_is_kept_as_x(path: Path, record: Record) -> None:
    record(skipped("vgg16", 1))
    record(measured())
    assert read_recorded(path).cells[CellKey("tk1", "vgg16", 1)] == Unavailable(f"{path}, ddperf.unavailable")


def test_a_cell_that_was_measured_after_all_is_no_x_any_more(path: Path, record: Record) -> None:
    record(skipped("resnet50", 2))
    record(measured("resnet50", 2))
    assert isinstance(read_recorded(path).cells[CellKey("tk1", "resnet50", 2)], Baseline)
    assert json.loads(path.read_text())["ddperf"]["unavailable"] == []


def test_figures_are_not_lost_to_an_unavailable_cell(path: Path, record: Record) -> None:
    record(measured("resnet50", 2))
    record(skipped("resnet50", 2))
    assert isinstance(read_recorded(path).cells[CellKey("tk1", "resnet50", 2)], Baseline)


def test_an_update_says_what_was_recorded_before_and_what_is_now(record: Record) -> None:
    record(measured(), measured("vgg16"))
    update = record(measured(batch_ms=(80.0,)))
    key = CellKey("tk1", "resnet50", 2)
    assert (update.before[key].value_ms, update.after[key].value_ms) == (51.0, 40.0)
    assert set(update.before) == set(update.after) == {key}


def test_a_run_that_changes_no_cell_leaves_the_file_as_it_is(path: Path, record: Record) -> None:
    record(measured())
    before = path.read_bytes()
    record(measured(outcome=Outcome.ERROR), now=datetime(2026, 4, 1, tzinfo=UTC), commit_info={"id": "abc"})
    assert path.read_bytes() == before


def git(folder: Path, *words: str) -> str:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    done = subprocess.run(
        ["git", *who, *words],  # noqa: S607 - the one of this machine
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout


def hunks_of(folder: Path) -> list[str]:
    """The hunks of `git diff`, each with its heading."""
    return re.split(r"^(?=@@ )", git(folder, "diff"), flags=re.MULTILINE)[1:]


@pytest.fixture
def committed(path: Path, record: Record) -> Path:
    """A repository whose baseline of three cells is committed."""
    record(measured("vgg16", 1), measured("vgg16", 2, batch_ms=[100.0] * 15), measured("vgg16", 4), commit_info=COMMIT)
    git(path.parent, "init", "-q")
    git(path.parent, "add", ".")
    git(path.parent, "commit", "-qm", "first")
    return path


COMMIT = {
    "id": "a" * 40,
    "time": "2026-03-01",
    "author_time": "2026-03-01",
    "dirty": False,
    "project": "p",
    "branch": "m",
}


def test_every_hunk_of_a_diff_names_its_cell(committed: Path, record: Record) -> None:
    record(
        measured("vgg16", 2, batch_ms=[90.0 + each for each in range(15)]),
        commit_info={**COMMIT, "id": "b" * 40, "dirty": True},
        now=datetime(2026, 4, 1, tzinfo=UTC),
    )
    hunks = hunks_of(committed.parent)
    assert len(hunks) > 1
    for hunk in hunks:
        assert "tk1-vgg16-b2" in hunk


def test_a_hunk_names_its_cell_whichever_line_of_the_cell_changed(committed: Path) -> None:
    lines = committed.read_text(encoding="utf-8").splitlines()
    began = next(place for place, line in enumerate(lines) if line.startswith('null, "param": "tk1-vgg16-b2"'))
    ended = next(place for place, line in enumerate(lines) if line.startswith('null, "param": "tk1-vgg16-b4"'))
    digit = re.compile(r"[0-9](?=[^0-9]*$)")
    for place in range(began + 4, ended - 3):
        if not digit.search(lines[place]):
            continue
        changed_line = digit.sub(lambda found: str(9 - int(found[0])), lines[place])
        committed.write_text("\n".join([*lines[:place], changed_line, *lines[place + 1 :]]) + "\n", encoding="utf-8")
        (hunk,) = hunks_of(committed.parent)
        assert "tk1-vgg16-b2" in hunk
        assert "tk1-vgg16-b4" not in hunk.partition("\n")[0]


def test_a_diff_has_one_line_per_value_and_milliseconds_beside_seconds(committed: Path, record: Record) -> None:
    record(measured("vgg16", 2, batch_ms=[90.0 + each / 7 for each in range(15)]))
    added = [line[1:].strip() for line in git(committed.parent, "diff").splitlines() if re.match(r"\+ ", line)]
    data = [line.rstrip(",") for line in added if line.rstrip(",").endswith("e-3")]
    assert data[:2] == ["45e-3", "45.07143e-3"]
    assert len(data) == 15
    assert any(re.fullmatch(r'"median": 0\.0455, "median_ms": 45\.5,', line) for line in added)
    others = [line for line in added if not line.rstrip(",").endswith("e-3")]
    assert [line for line in others if line.count('": ') != (2 if "_ms" in line else 1)] == []


def test_a_recording_in_the_older_layout_is_read_and_rewritten(path: Path, record: Record) -> None:
    record(measured(), measured("vgg16"))
    held = read_recorded(path)
    document = json.loads(path.read_text(encoding="utf-8"))
    for one in document["benchmarks"]:
        one["stats"] = {name: value for name, value in one["stats"].items() if not name.endswith("_ms")}
        del one["extra_info"]["cell"]
    del document["ddperf"]["last"]
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_recorded(path).cells == held.cells
    record(measured("vgg16"))
    assert read_recorded(path) == held


def test_a_malformed_file_is_not_written_over(path: Path, record: Record) -> None:
    path.parent.mkdir()
    path.write_text("{")
    with pytest.raises(FileContentError):
        record(measured())
    assert path.read_text() == "{"


def test_a_file_that_cannot_be_written_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError) as caught:
        write_recorded(tmp_path / "file" / "tk1.json", [measured()], machine_info={})
    assert_names(caught, tmp_path / "file" / "tk1.json", "File exists")


def test_a_write_that_fails_leaves_the_old_file_and_no_other(path: Path, record: Record) -> None:
    record(measured())
    before = path.read_bytes()
    with pytest.raises(ValueError, match="not JSON compliant"):
        record(measured("vgg16"), machine_info={"load": float("nan")})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_link_to_a_baseline_stays_a_link(path: Path, record: Record, tmp_path: Path) -> None:
    record(measured())
    kept = tmp_path / "kept.json"
    path.rename(kept)
    path.symlink_to(kept)
    record(measured("vgg16"))
    assert path.is_symlink()
    assert len(read_recorded(kept).cells) == 2


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from recording import measured
from pytest_ddperf.baselines.recordings import write_recorded
for batch_size in range(1, 9):
    records = [measured(sys.argv[3], batch_size)]
    write_recorded(Path(sys.argv[2]), records, machine_info={})
"""


def test_two_runs_at_once_lose_nothing(path: Path) -> None:
    support = str(Path(recording.__file__).parent)
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, support, str(path), model]) for model in ("vgg16", "resnet50")
    ]
    assert [one.wait(timeout=120) for one in started] == [0, 0]
    assert len(read_recorded(path).cells) == 16
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_another_run_holds_is_given_up_with_the_lock_named(
    path: Path, record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(measured())
    (lock,) = (tmp_path / "pytest-ddperf" / "locks").iterdir()
    monkeypatch.setattr(recordings, "_LOCK_TIMEOUT_S", 0.0)
    with filelock.FileLock(lock), pytest.raises(ConfigurationError) as caught:
        record(measured("vgg16"))
    assert_names(caught, "another run", lock)
    assert len(read_recorded(path).cells) == 1


def test_pytest_benchmark_compares_two_recorded_files(path: Path, record: Record, tmp_path: Path) -> None:
    record(measured("vgg16"), measured("resnet50"))
    other = tmp_path / "other.json"
    write_recorded(other, [measured("vgg16", batch_ms=(50.0,))], machine_info={})
    command = [
        sys.executable,
        "-m",
        "pytest_benchmark",
        "compare",
        str(path),
        str(other),
        "--columns=median,rounds",
        "--group-by=param:model",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stdout + done.stderr
    assert "tk1-vgg16-b2" in done.stdout
    assert "resnet50" in done.stdout
    assert "25.0000" in done.stdout


def benchmark(**stats: object) -> dict[str, Any]:
    return {
        "name": "test_predict[tk1-vgg16-b1]",
        "fullname": "test_predict[tk1-vgg16-b1]",
        "extra_info": {"platform": "tk1", "model": "vgg16", "batch_size": 1},
        "stats": {"data": [0.1], **stats},
    }


def changed(place: str, value: object) -> dict[str, Any]:
    entry = copy.deepcopy(benchmark())
    *tables, key = place.split(".")
    at = entry
    for table in tables:
        at = at[table]
    at[key] = value
    return entry


def test_the_json_of_a_run_is_read_too_and_other_peoples_benchmarks_are_passed_over(path: Path) -> None:
    path.parent.mkdir()
    other = {"name": "test_other", "extra_info": {}, "stats": {"median": 1.0}}
    path.write_text(json.dumps({"machine_info": {}, "benchmarks": [other, benchmark()]}))
    baseline = read_recorded(path).cells[CellKey("tk1", "vgg16", 1)]
    assert isinstance(baseline, Baseline)
    assert (baseline.value_ms, baseline.conditions) == (100.0, None)


def judged(verdict: str, seconds: float) -> dict[str, Any]:
    one = changed("extra_info.verdict", verdict)
    return {**one, "fullname": f"test_{verdict}", "stats": {"data": [seconds]}}


@pytest.mark.parametrize(
    ("first", "second", "counts_ms"),
    [
        (judged("ok", 0.1), judged("regressed", 0.2), 200.0),
        (judged("regressed", 0.2), judged("ok", 0.1), 200.0),
        (judged("ok", 0.1), judged("ok", 0.2), 200.0),
        (judged("unstable", 0.1), judged("new", 0.2), 100.0),
        (judged("not a verdict", 0.1), judged("ok", 0.2), 200.0),
        (benchmark(data=[0.1]), benchmark(data=[0.2]), 200.0),
    ],
)
def test_of_a_cell_that_several_tests_measured_the_reddest_verdict_counts(
    path: Path, first: dict[str, Any], second: dict[str, Any], counts_ms: float
) -> None:
    path.parent.mkdir()
    path.write_text(file_of(first, second))
    baseline = read_recorded(path).cells[CellKey("tk1", "vgg16", 1)]
    assert isinstance(baseline, Baseline)
    assert baseline.value_ms == counts_ms


@pytest.mark.parametrize("reversed_", [False, True])
def test_a_cell_is_recorded_by_its_reddest_verdict(path: Path, record: Record, reversed_: bool) -> None:
    both = [replace(measured(outcome=Outcome.REGRESSED), nodeid="a"), replace(measured(), nodeid="b")]
    update = record(*(both[::-1] if reversed_ else both))
    assert update.written == ()
    assert update.left_out == {CellKey("tk1", "resnet50", 2)}


def test_a_baseline_of_an_earlier_version_is_read(path: Path, record: Record) -> None:
    record(measured(), machine_info={"node": "tk1", "system": "DeepDetect", "platform": "tk1", "url": "http://h:1"})
    assert set(read_recorded(path).cells) == {CellKey("tk1", "resnet50", 2)}
    record(measured("vgg16"), machine_info={"ddperf": {"platforms": {}}})
    assert set(read_recorded(path).cells) == {CellKey("tk1", "resnet50", 2), CellKey("tk1", "vgg16", 2)}


def test_other_peoples_benchmarks_stay_in_the_file(path: Path, record: Record) -> None:
    path.parent.mkdir()
    other = {"name": "test_other", "extra_info": {}, "stats": {"median": 1.0}}
    path.write_text(json.dumps({"benchmarks": [other, benchmark()]}))
    record(measured("vgg19"))
    document = json.loads(path.read_text())
    assert [one["name"] for one in document["benchmarks"]] == [
        "test_predict[tk1-vgg16-b1]",
        "test_predict[tk1-vgg19-b2]",
        "test_other",
    ]


def file_of(*benchmarks: object, **more: object) -> str:
    return json.dumps({"benchmarks": benchmarks, **more}, indent=1)


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("", ("line 1", "Expecting value", "pytest-benchmark JSON")),
        ('{\n"benchmarks": [,]}', ("line 2", "JSON")),
        ('{"benchmarks": [NaN]}', ("JSON", "NaN")),
        ("[" * 100_000, ("JSON",)),
        (b"\xff\xfe\x00", ("line 1", "UTF-8")),
        ("[]", ("`benchmarks`",)),
        ("3", ("`benchmarks`",)),
        ('{"benchmarks": 3}', ("`benchmarks`",)),
        ('{"benchmarks": [3]}', ("`benchmarks`",)),
        ('{"benchmarks": []}', ("platform, model", "batch_size", "extra_info")),
        (
            file_of(benchmark(), benchmark(), ddperf={"format": 1}),
            ("line 4", "tk1-vgg16-b1", "twice"),
        ),
        (file_of(changed("extra_info.batch_size", "1")), ("line 4", "benchmarks[0]", "`$.extra_info.batch_size`")),
        (file_of(changed("extra_info.batch_size", 0)), ("line 4", "benchmarks[0]", "`$.extra_info.batch_size`")),
        (file_of(changed("extra_info.conditions", {"clock": "sun"})), ("$.extra_info.conditions",)),
        (file_of(changed("stats", {"median": 1.0})), ("`stats.data`",)),
        (file_of(changed("stats", 3)), ("$.stats",)),
        (file_of(benchmark(data=[])), ("benchmarks[0]", "`$.stats.data`")),
        (file_of(benchmark(data=[1.0, 0.0])), ("`$.stats.data[1]`",)),
        (file_of(benchmark(data=[-1.0])), ("`$.stats.data[0]`",)),
        (file_of(benchmark(data=["fast"])), ("$.stats.data[0]",)),
        (file_of(benchmark()).replace("0.1", "1e999"), ("`$.stats.data[0]`",)),
        (file_of(ddperf=3), ("line 3", "`ddperf`")),
        (file_of(ddperf={"format": 2}), ("ddperf.format 2", 1)),
        (file_of(ddperf={"format": 1, "unavailable": [{}]}), ("`ddperf`", "$.unavailable[0]")),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_found_and_expected(
    path: Path, content: str | bytes, facts: tuple[object, ...]
) -> None:
    path.parent.mkdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(FileContentError) as caught:
        read_recorded(path)
    assert_names(caught, *facts)
    assert str(caught.value).startswith(str(path))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = ["extra_info", "extra_info.platform", "extra_info.model", "extra_info.batch_size", "extra_info.scenario",
          "extra_info.conditions", "extra_info.recorded", "stats", "stats.data", "fullname"]  # fmt: skip


# tests/fuzz tries many more
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(
    st.one_of(
        st.binary(max_size=60),
        JSON_VALUES.map(json.dumps),
        JSON_VALUES.map(file_of),
        JSON_VALUES.map(lambda value: file_of(benchmark(), ddperf=value)),
        st.tuples(st.sampled_from(PLACES), JSON_VALUES).map(lambda drawn: file_of(changed(*drawn))),
    )
)
@example(file_of(changed("extra_info.model", "\ud800")))
def test_any_bytes_are_a_recorded_run_or_refused(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with contextlib.suppress(FileContentError):
        read_recorded(path)


@pytest.mark.parametrize(
    ("old", "new", "facts"),
    [
        ('"vgg16"', r'"\ud800"', ("surrogate",)),
        ("50e-3,", "1e308,", ("benchmarks[0]", "`$.stats.data[0]`")),
        ('"batch_size": 7', '"batch_size": 0', ("batch_size", "ddperf.unavailable")),
    ],
    ids=["half of a character", "a time that no millisecond holds", "an `x` of no batch"],
)
def test_what_could_not_be_written_again_is_refused(
    path: Path, record: Record, old: str, new: str, facts: tuple[str, ...]
) -> None:
    record(measured(), skipped("vgg16", 7))
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(BaselineFileError) as caught:
        read_recorded(path)
    assert_names(caught, *facts)
