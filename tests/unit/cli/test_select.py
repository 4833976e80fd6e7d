from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from every_row import every_row
from messages import assert_names
from nightly import cell, write_night

from pytest_ddperf.cli import main
from pytest_ddperf.core.records import Baseline, CellKey, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

REPO = Path(__file__).resolve().parents[3]
EXAMPLE = ("--min-fps", "25", "--max-watts", "15")
TK1 = CellKey("tk1", "resnet50", 1)


@pytest.fixture(autouse=True)
def _a_folder_of_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No history, no baseline of this machine, no ddperf.toml, and 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "80")


class Command:
    """`ddperf select`, called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *options: str) -> tuple[int, str, str]:
        """The exit status, and what was printed on standard output and error."""
        status = main.main(["select", *options])
        printed = self._capsys.readouterr()
        return status, printed.out, printed.err

    def rows(self, *options: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self(*options, "--csv")[1])))

    def json(self, *options: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self(*options, "--json")[1])
        return document


@pytest.fixture
def answer(capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(capsys)


def printed_rows(out: str) -> list[list[str]]:
    """The cells of the table's rows."""
    (table,) = re.findall(r"^platform .*\n((?:\S.*\n)+)", out, flags=re.MULTILINE)
    return [line.split() for line in table.splitlines()]


def counts(out: str) -> list[int]:
    """How many cells each group of what is ruled out has."""
    return [int(count) for count in re.findall(r"^ {1,4}(\d+)  \S", out, flags=re.MULTILINE)]


def as_printed(platform: str, model_column: str, batch_size: str) -> str:
    """One cell of a published table, as its file has it."""
    with (REPO / "baselines" / f"{platform}.csv").open(encoding="utf-8", newline="") as file:
        return next(row[model_column] for row in csv.DictReader(file) if row["batch_size"] == batch_size)


def published_cells(*platforms: str) -> int:
    """How many cells the published tables have, `x` included; of all platforms where none is named."""
    tables = [path for path in (REPO / "baselines").glob("*.csv") if path.stem in platforms or not platforms]
    return sum(
        len(row) - 1
        for path in tables
        if path.name != "networks.csv"
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines()[1:])
    )


# --- the table -----------------------------------------------------------------------------------------------------


def test_the_table_ranks_by_accuracy_and_its_figures_follow_from_the_published_ones(answer: Command) -> None:
    status, out, _ = answer(*EXAMPLE)
    published_ms = Decimal(as_printed("tx1", "googlenet", "2"))
    fps = 1000 / published_ms
    assert status == 0
    assert printed_rows(out)[0] == [
        "tx1",
        "googlenet",
        "2",
        f"{published_ms}",
        f"{fps:.1f}",
        f"{fps / 15:.2f}",
        "67.9",
        f"{2 * published_ms}",
        "published",
    ]
    assert len(printed_rows(out)) == 9


def test_a_time_at_the_very_limit_is_marked(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE)
    assert as_printed("tk1", "Squeezenetv1.1", "16") == "40"
    assert [row[:5] for row in printed_rows(out) if "~" in row[4]] == [
        ["tk1", "squeezenet_v1.1", "16", "40.0", "25.0~"]
    ]
    assert "~: a limit is within its error" in " ".join(out.split())


@every_row(
    "columns, options",
    itertools.product(
        [60, 80, 100, 140], [EXAMPLE, (*EXAMPLE, "--max-memory=0.1", "--allow-unknown"), ("--min-fps=999",)]
    ),
)
def test_no_line_is_wider_than_the_terminal(
    answer: Command, monkeypatch: pytest.MonkeyPatch, columns: int, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    _, out, _ = answer(*options)
    assert max(len(line) for line in out.splitlines()) <= columns


def test_columns_that_the_width_has_no_place_for_are_named(answer: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "left out at 80 columns: W" in answer(*EXAMPLE)[1]
    monkeypatch.setenv("COLUMNS", "120")
    _, out, _ = answer(*EXAMPLE)
    assert "left out" not in out
    assert printed_rows(out)[0][5] == "15"


def test_every_source_is_named_with_its_file_and_lines(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE)
    text = " ".join(out.split())
    assert (
        "tx1 (15 W), published: reference values of 2019 on Caffe: report, TX1 table (mean of 5 passes of head.time); "
        "baselines/tx1.csv, lines 2, 3"
    ) in text
    assert "tk1: Watts are those of the development board." in text


# --- what rules the others out -------------------------------------------------------------------------------------


def test_what_is_ruled_out_is_counted_once_and_adds_up_with_what_meets_it(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE)
    cells = published_cells()
    (met,) = re.findall(rf"(\d+) of {cells} cells meet the requirements", " ".join(out.split()))
    assert int(met) + sum(counts(out)) == cells
    (ruled_out,) = re.findall(r"Ruled out: (\d+) cells", out)
    assert int(ruled_out) == sum(counts(out))


def test_a_platform_over_the_watts_and_those_whose_watts_are_not_stated_are_reported_apart(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE)
    text = " ".join(out.split())
    silent = published_cells("tx2", "tx2-tensorrt", "raspi4-ncnn")
    assert f" {published_cells('gtx1080ti')} over 15 W: gtx1080ti (280 W)" in text
    assert (
        f" {silent} watts unknown (neither the report nor ddperf.toml states them): tx2, tx2-tensorrt, raspi4-ncnn;"
    ) in text


def test_unknown_figures_are_taken_where_that_is_allowed_as_many_as_was_said(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE)
    (promised,) = re.findall(r"(\d+)\s+would\s+meet\s+all", out)
    ranked = [
        [row for row in answer.rows(*EXAMPLE, "--all", *allowed) if row["rank"]]
        for allowed in ([], ["--allow-unknown"])
    ]
    assert len(ranked[1]) - len(ranked[0]) == int(promised) > 0


def test_the_nearest_misses_come_first(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE)
    nearest = re.findall(r"^  (\S+): ([\d.]+) images/s, minimum 25", out, flags=re.MULTILINE)
    assert nearest[0] == ("tk1-shufflenet-b16", f"{1000 / Decimal(as_printed('tk1', 'shufflenet', '16')):.1f}")
    assert [float(fps) for _, fps in nearest] == sorted((float(fps) for _, fps in nearest), reverse=True)
    assert len(nearest) == 5


def test_where_nothing_meets_it_the_status_is_1_and_the_nearest_misses_are_there(answer: Command) -> None:
    status, out, err = answer("--min-fps=500", "--max-watts=15")
    assert status == 1
    assert (
        f"None of {published_cells()} cells meets the requirements: at least 500 images/s, at most 15 W."
        in " ".join(out.split())
    )
    assert "Nearest misses" in out
    fps = 1000 / Decimal(as_printed("tx1", "Squeezenetv1.1", "64"))
    assert f"  tx1-squeezenet_v1.1-b64: {fps:.1f} images/s, minimum 500" in out
    assert err == ""


def test_a_platform_without_any_figure_is_named_with_what_to_do(answer: Command) -> None:
    status, out, _ = answer("--platform", "local")
    assert status == 1
    assert "No figures: local; measure with pytest benchmarks --platform=NAME." in out


# --- options -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "field", "fits"),
    [
        (("--min-accuracy=70",), "top1_accuracy_percent", lambda value: float(value) >= 70),
        (("--max-batch=1",), "batch_size", lambda value: value == "1"),
        (("--max-latency=100",), "batch_ms", lambda value: float(value) <= 100),
        (("--max-memory=0.01",), "memory_at_least_gib", lambda value: float(value) <= 0.01),
        (("--max-price=100",), "price_usd", lambda value: float(value) <= 100),
        (("--platform=tk1,NANO",), "platform", lambda value: value in {"tk1", "nano"}),
        (("--models=res50,vgg16",), "network", lambda value: value in {"resnet50", "vgg16"}),
        (("--task=ocr",), "task", lambda value: value == "ocr"),
    ],
)
def test_each_option_narrows_the_choice(
    answer: Command, options: tuple[str, ...], field: str, fits: Callable[[str], bool]
) -> None:
    every = [row for row in answer.rows("--all") if row["rank"]]
    rows = [row for row in answer.rows("--all", *options) if row["rank"]]
    assert rows
    assert len(rows) < len(every)
    assert all(row[field] and fits(row[field]) for row in rows)


def test_another_figure_can_rank_first(answer: Command) -> None:
    fps = [float(row["images_per_second"]) for row in answer.rows(*EXAMPLE, "--rank-by=speed")]
    assert fps == sorted(fps, reverse=True)


def test_all_shows_every_batch_size_and_all_that_is_ruled_out(answer: Command) -> None:
    _, out, _ = answer(*EXAMPLE, "--all")
    assert [row[2] for row in printed_rows(out) if row[:2] == ["tx1", "googlenet"]] == ["32", "64", "16", "8", "4", "2"]
    assert "  tx1-googlenet-b1: 22.9 images/s, minimum 25" in out.split("All cells that are ruled out:")[1]


def test_csv_and_json_hold_the_same_cells_as_the_table(answer: Command) -> None:
    shown = [tuple(row[:3]) for row in printed_rows(answer(*EXAMPLE)[1])]
    as_csv = [(row["platform"], row["network"], row["batch_size"]) for row in answer.rows(*EXAMPLE)]
    document = answer.json(*EXAMPLE)
    as_json = [(row["platform"], row["network"], str(row["batch_size"])) for row in document["candidates"]]
    assert shown == as_csv == as_json
    assert document["requirements"]["min_fps"] == 25
    assert document["ruled_out"] is None
    whole = answer.json(*EXAMPLE, "--all")
    ruled_out = sum(group["cells"] for group in document["ruled_out_by"])
    assert ruled_out == len(whole["ruled_out"]) == published_cells() - len(whole["candidates"])


def test_data_is_printed_alone_and_notes_go_to_standard_error(answer: Command) -> None:
    _, out, err = answer(*EXAMPLE, "--json")
    assert out.startswith("{")
    assert err.startswith("warning: There is no run in .ddperf yet")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--min-fps=fast",), ("--min-fps", "'fast'", "images per second above 0, such as 25")),
        (("--min-fps=nan",), ("--min-fps", "'nan'", "images per second above 0")),
        (("--max-watts=-1",), ("--max-watts", "'-1'", "watts above 0, such as 15")),
        (("--min-accuracy=101",), ("--min-accuracy", "'101'", "percent above 0 and up to 100")),
        (("--max-batch=1.5",), ("--max-batch", "'1.5'", "a whole number of 1 or more")),
        (("--max-memory=inf",), ("--max-memory", "'inf'", "GiB above 0")),
        (("--platform=,",), ("--platform", "','", "separated by commas")),
        (("--platform=tk2",), ("'tk2'", "Did you mean tx2?")),
        (("--models=densenet",), ("'densenet'", "ambiguous", "densenet121, densenet201")),
        (("--task=ocr,detect",), ("--task", "'detect'", "classification, detection, ocr", "did you mean detection?")),
        (("--rank-by=fast",), ("--rank-by", "'fast'", "accuracy, efficiency, speed, latency")),
        (("--storage=nowhere",), ("--storage", "'nowhere'", "not a folder")),
    ],
)
def test_bad_input_is_one_paragraph_and_status_2(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: tuple[str, ...]
) -> None:
    try:
        status: object = main.main(["select", *options])
    except SystemExit as ended:  # argparse
        status = ended.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert_names(err, *said)
    assert len(err.splitlines()) == 1


def test_a_name_may_be_followed_by_a_comma_as_with_pytest(answer: Command) -> None:
    assert {row["platform"] for row in answer.rows("--platform=tk1, raspi3,")} == {"tk1", "raspi3"}


def test_a_broken_baseline_of_the_project_is_named_with_its_line(answer: Command, tmp_path: Path) -> None:
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tk1.csv").write_text("batch_size,resnet50\n1,fast\n", encoding="utf-8")
    status, _, err = answer()
    assert status == 2
    assert_names(err, "tk1.csv, line 2", "'fast'", "resnet50")


# --- stored runs ---------------------------------------------------------------------------------------------------


def test_what_a_stored_run_measured_goes_before_the_report_and_is_called_measured(
    answer: Command, tmp_path: Path
) -> None:
    published_ms = float(as_printed("tk1", "res50", "1"))
    assert published_ms > 40
    fast = replace(
        cell(TK1, [20.0, 20.5, 19.5]), now_ms=20.0, baseline=Baseline("report", published_ms, "report, TK1 table")
    )
    path = write_night(tmp_path / "runs", 0, [fast])
    _, out, err = answer(*EXAMPLE, "--platform=tk1", "--storage=runs")
    assert printed_rows(out)[0] == [
        "tk1",
        "resnet50",
        "1",
        "20.0",
        "50.0",
        "12.5",
        "4",
        "75.3",
        "20.0",
        "measured",
    ], "accuracy of ResNet-50 by the report, watts of the board"
    assert f"tk1 (12.5 W), measured: run {path.stem}, clock predict" in out
    assert printed_rows(out)[1][-1] == "published"
    assert err == ""


def test_each_cell_is_answered_by_its_newest_run_and_names_it(answer: Command, tmp_path: Path) -> None:
    other = CellKey("tk1", "resnet50", 2)
    older = write_night(tmp_path / "runs", 0, [replace(cell(key, [20.0]), now_ms=20.0) for key in (TK1, other)])
    newest = write_night(tmp_path / "runs", 1, [replace(cell(TK1, [21.0]), now_ms=21.0)])
    status, out, _ = answer(*EXAMPLE, "--platform=tk1", "--models=resnet50", "--storage=runs", "--all")
    assert status == 0
    assert newest.stem in out
    assert older.stem in out
    assert " ".join(out.split()).count("tk1: 1 of the 2 cells shown comes from an earlier run") == 1


def test_a_recorded_baseline_that_is_broken_costs_its_own_platform_alone(answer: Command, tmp_path: Path) -> None:
    whole = answer.rows(*EXAMPLE)
    (tmp_path / "baselines").mkdir()
    (tmp_path / "baselines" / "tx1.json").write_text("{", encoding="utf-8")
    status, out, err = answer(*EXAMPLE, "--csv")
    assert status == 0
    assert_names(err, "warning", "tx1", "tx1.json")
    left = [row for row in whole if row["platform"] != "tx1"]
    assert [(row["platform"], row["network"]) for row in csv.DictReader(io.StringIO(out))] == [
        (row["platform"], row["network"]) for row in left
    ]
    assert answer(*EXAMPLE, "--platform=tx1")[0] == 2


def test_a_cell_that_was_measured_too_slow_is_out_though_the_report_has_it_fast(
    answer: Command, tmp_path: Path
) -> None:
    key = CellKey("tk1", "squeezenet_v1.1", 16)
    assert answer.rows(*EXAMPLE, "--platform=tk1")
    slow = replace(cell(key, [50.0], outcome=Outcome.REGRESSED), now_ms=50.0)
    write_night(tmp_path / ".ddperf", 0, [slow])
    status, out, _ = answer(*EXAMPLE, "--platform=tk1")
    assert status == 1
    assert "  tk1-squeezenet_v1.1-b64: 22.1 images/s, minimum 25" in out, "published; the measured cell is further off"
    (row,) = [row for row in answer.rows(*EXAMPLE, "--platform=tk1", "--all") if row["source"] == "measured"]
    assert (row["batch_size"], row["ms_per_image"], row["ruled_out_by"]) == ("16", "50.0", "20.0 images/s, minimum 25")


def test_a_broken_file_of_the_history_is_named_and_the_rest_counts(answer: Command, tmp_path: Path) -> None:
    write_night(tmp_path / ".ddperf", 0, [replace(cell(TK1, [20.0]), now_ms=20.0)])
    (tmp_path / ".ddperf" / "broken.jsonl").write_text("{", encoding="utf-8")
    status, out, _ = answer(*EXAMPLE, "--platform=tk1")
    assert status == 0
    assert "note: .ddperf/broken.jsonl, line 1:" in out
    assert printed_rows(out)[0][-1] == "measured"


# --- the command ---------------------------------------------------------------------------------------------------


BUDGETS = '[platforms.tk1.budgets]\n"*" = { min_fps = 5 }\nresnet50 = { max_ms = 150 }\n'


def test_the_output_says_how_many_cells_each_budget_rules_out(answer: Command) -> None:
    Path("ddperf.toml").write_text(BUDGETS, encoding="utf-8")
    _, out, _ = answer("--platform", "tk1,tx1", "--min-fps", "1")
    assert_names(" ".join(out.split()), "At least 1 images/s, the budgets of tk1:", "min_fps 5 of tk1 (14)",
                 "max_ms 150 of resnet50 on tk1 (3)")  # fmt: skip


def test_the_json_has_the_budgets_and_the_csv_names_the_one_that_rules_a_cell_out(answer: Command) -> None:
    Path("ddperf.toml").write_text(BUDGETS, encoding="utf-8")
    asked = ("--platform", "tk1", "--models", "resnet50", "--all")
    assert answer.json(*asked)["budgets"] == {"tk1": {"*": {"min_fps": 5.0}, "resnet50": {"max_ms": 150.0}}}
    assert "budget of resnet50 on tk1" in answer.rows(*asked)[0]["ruled_out_by"]


def test_what_a_stored_run_measured_has_to_meet_the_budget(answer: Command, tmp_path: Path) -> None:
    Path("ddperf.toml").write_text('[platforms.tk1.budgets]\n"*" = { max_ms = 300 }\n', encoding="utf-8")
    write_night(tmp_path / "runs", 0, [replace(cell(TK1, [301.0]), now_ms=301.0)])
    asked = ("--platform", "tk1", "--models", "resnet50", "--max-batch", "1")
    assert answer(*asked)[0] == 0, "the published time is shorter"
    status, out, _ = answer(*asked, "--storage=runs")
    assert status == 1
    assert "max_ms 300 of tk1 (1)" in " ".join(out.split())


def test_the_page_shows_what_the_command_prints(tmp_path: Path) -> None:
    page = (REPO / "docs" / "select.md").read_text(encoding="utf-8")
    ((command, shown),) = re.findall(r"^```console\n\$ (ddperf select .*)\n((?:.*\n)*?)```$", page, flags=re.MULTILINE)
    script = shutil.which("ddperf", path=str(Path(sys.executable).parent))
    assert script is not None
    folder = tmp_path / "page"
    (folder / ".ddperf").mkdir(parents=True)
    done = subprocess.run(
        [script, *command.split()[1:]],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == shown


def test_neither_pytest_nor_pandas_nor_matplotlib_is_loaded() -> None:
    code = (
        "import sys; from pytest_ddperf.cli import main as cli; status = cli.main(['select', '--min-fps=25']); "
        "heavy = {'pytest', '_pytest', 'pandas', 'matplotlib', 'numpy', 'onnx', 'onnxruntime', 'requests'}; "
        "sys.exit(status or ', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
