from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

import pytest
from every_row import every_row
from hypothesis import given
from hypothesis import strategies as st
from load_made import loaded, result
from markdown_it import MarkdownIt
from report_examples import B8, RUN, measured, published
from results_made import results

from pytest_ddperf.config.load_catalog import find_package_data, load_catalog
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.records import Creep, Outcome
from pytest_ddperf.plots.draw import dispatch, parallel
from pytest_ddperf.report import markdown
from pytest_ddperf.report.files import write
from pytest_ddperf.report.formats import parse_report
from pytest_ddperf.report.markdown import Figures
from pytest_ddperf.report.markdown_escape import escape_inline
from pytest_ddperf.report.markdown_tables import render_table
from pytest_ddperf.text import remove_control_characters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_ddperf.core.results import Results

CATALOG = load_catalog()
NO_FIGURES = Figures([], Path("r_figures"))
PUBLISHED = [name for name in CATALOG.platforms if name != "local"]


def rendered(text: str) -> str:
    return str(MarkdownIt("commonmark").enable("table").render(text))


def tables(text: str) -> dict[str, list[list[str]]]:
    """The tables by the heading above them, as a reader of Markdown sees them."""
    parser = MarkdownIt("commonmark").enable("table")
    found: dict[str, list[list[str]]] = {}
    heading, opened = "", ""
    for token in parser.parse(text):
        opened = token.type if token.type.endswith("_open") else opened
        if token.type == "table_open":
            found[heading] = []
        elif token.type == "tr_open":
            found[heading].append([])
        elif token.type == "inline" and opened == "heading_open":
            heading = shown(token.children or [])
        elif token.type == "inline" and opened in {"th_open", "td_open"}:
            found[heading][-1].append(shown(token.children or []))
    return found


def shown(children: Sequence[object]) -> str:
    return "".join(getattr(child, "content", "") for child in children)


def headings(text: str) -> list[str]:
    return re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)


@every_row("platform", PUBLISHED)
def test_the_raw_table_of_a_platform_is_the_published_one_cell_for_cell(platform: str) -> None:
    title = CATALOG.platforms[platform].title
    by_heading = tables(markdown.render_text(published(), NO_FIGURES))
    ((_, rows),) = [each for each in by_heading.items() if f"rocessing time({title}):" in each[0]]
    with (find_package_data() / f"{platform}.csv").open(encoding="utf-8", newline="") as file:
        names, *lines = list(csv.reader(file))
    known = CATALOG.platforms[platform].columns
    models = [known[name] if name in known else CATALOG.model(name).id for name in names[1:]]
    expected = {(model, line[0]): cell for line in lines for model, cell in zip(models, line[1:], strict=True)}
    accuracy, head, *body = rows
    assert (accuracy[0], head[0]) == ("Top 1 accuracy", "batch size")
    found = {(model, row[0]): cell for row in body for model, cell in zip(head[1:], row[1:], strict=True)}
    assert found == expected


def test_the_accuracy_row_says_missing_where_the_report_does() -> None:
    rows = tables(markdown.render_text(published(), NO_FIGURES))["5 pass average processing time(GTX 1080 Ti):"]
    accuracy = "70.81 missing 75.3 76.4 77 67.9 74.9 77.3 59.5 59.5 70.5 71.3 missing"
    assert rows[0] == ["Top 1 accuracy", *accuracy.split()]
    assert rows[1] == ["batch size", *NETWORK_IDS]


def test_the_costs_are_those_of_the_report_to_the_digit() -> None:
    rows = tables(markdown.render_text(published(), NO_FIGURES))["flops and params for each model:"]
    with (find_package_data() / "networks.csv").open(encoding="utf-8", newline="") as file:
        networks = list(csv.reader(file))[1:]
    assert rows[1] == ["Giga flops", *(network[2] for network in networks)]
    assert rows[2] == ["million params", *(network[3] for network in networks)]


def test_the_top_5_accuracies_of_the_reports_text_are_shown() -> None:
    rows = tables(markdown.render_text(published(), NO_FIGURES))["flops and params for each model:"]
    top5 = dict(zip(rows[0][1:], rows[3][1:], strict=True))
    assert rows[3][0] == "Top 5 accuracy"
    assert {model: text for model, text in top5.items() if text != "missing"} == {
        "mobilenet": "89.5",
        "densenet201": "93.64",
    }


def test_the_headings_are_the_report_s_in_its_order_behind_the_run() -> None:
    report = [
        "dd\\_performances", "DeepDetect performance report", "Reference platforms", "Reference networks",
        "FLOPS and Parameters", "Results Overview", "Discussion", "Platforms", "Networks comparison across platforms",
        "Selecting an embedded platform and network", "MobileNet", "ShuffleNet", "Methodology", "benchmarking",
        "Using additional models", "Raw Data", "5 pass average processing time(GTX 1080 Ti):",
        "5 pass average processing time(Jetson TX1):", "5 pass average processing time(Jetson TK1):",
        "flops and params for each model:",
    ]  # fmt: skip
    found = headings(markdown.render_text(published(), NO_FIGURES))
    assert found[2] == "This run"
    assert [heading for heading in found if heading in report] == report


def test_without_a_run_it_says_so() -> None:
    text = markdown.render_text(replace(published(), warnings=("There is no run in .ddperf yet",)), NO_FIGURES)
    assert "No run: only the baselines follow" in text
    assert "> Warning: There is no run in .ddperf yet" in text
    assert "Measured processing time" not in text


def test_a_run_is_reported_with_its_commit_its_server_and_its_totals() -> None:
    text = markdown.render_text(measured(), NO_FIGURES)
    row = tables(text)["This run"][1]
    assert row[:4] == ["Jetson TK1", "20261103T020000.000Z-00000002", "2026-11-03T02:00:00+00:00", "4f3a1c9d2b7e"]
    assert row[4] == "http://tk1.lan:8080, v0.28.0, 9f1c2ab, Release"
    assert "**7 cells: 1 regressed, 1 error" in text
    assert "> Warning: .ddperf/broken.jsonl: 1 line could not be read" in text


def noted(note: str) -> Results:
    """Every cell with that note."""
    results = measured()
    return replace(results, cells=tuple(replace(cell, notes=(note,)) for cell in results.cells if cell.outcome))


def test_how_measurement_and_baseline_are_unlike_is_reported() -> None:
    text = markdown.render_text(noted("the table is of caffe"), NO_FIGURES)
    assert "> Note: tk1, 7 cells: the table is of caffe." in text
    assert tables(text)["Regressions and other failures"][1][7].endswith("Note: the table is of caffe.")


def test_an_ok_cell_beyond_the_tolerance_is_one_to_know_of() -> None:
    results = measured()
    cells = [replace(cell, change=0.2) if cell.outcome is Outcome.OK else cell for cell in results.cells]
    rows = tables(markdown.render_text(replace(results, cells=tuple(cells)), NO_FIGURES))["Other notable cells"]
    assert [row[1] for row in rows[1:]] == ["unstable", "new", "improved", "ok", "ok"]


def test_a_commit_is_shown_by_the_digits_that_distinguish_it() -> None:
    results = measured()
    longer = replace(results, runs={"tk1": replace(results.runs["tk1"], commit="4f3a1c9d2b7e" + "0" * 28)})
    assert tables(markdown.render_text(longer, NO_FIGURES))["This run"][1][3] == "4f3a1c9d2b7e"


def test_regressions_come_first_with_their_numbers() -> None:
    by_heading = tables(markdown.render_text(measured(), NO_FIGURES))
    failed = by_heading["Regressions and other failures"]
    assert failed[1][:7] == ["tk1-squeezenet_v1.1-b8", "regressed", "69.8", "53.6", "+29.1 %", "10 %", "6.8 %"]
    assert [row[0] for row in failed[2:]] == ["tk1-googlenet-b4"]
    assert [row[1] for row in by_heading["Other notable cells"][1:]] == ["unstable", "new", "improved"]


def test_an_interrupted_run_says_so() -> None:
    results = measured()
    stopped = replace(results, runs={"tk1": replace(results.runs["tk1"], complete=False)})
    assert tables(markdown.render_text(stopped, NO_FIGURES))["This run"][1][1].endswith(" (interrupted)")


def test_measured_values_stand_in_a_table_of_the_same_layout() -> None:
    by_heading = tables(markdown.render_text(measured(), NO_FIGURES))
    ((_, rows),) = [each for each in by_heading.items() if each[0].startswith("Measured processing time(Jetson TK1")]
    assert rows[1] == ["batch size", "resnet50", "googlenet", "squeezenet_v1.1", "shufflenet"]
    assert rows[2] == ["1", "", "", "90.9 (+0.2 %)", "66.1 (-20.6 %) improved"]
    assert rows[5] == ["4", "", "error", "", ""]
    assert rows[6] == ["8", "", "", "69.8 (+29.1 %) regressed", ""]


def test_a_cell_of_another_scenario_has_its_own_table(tmp_path: Path) -> None:
    results = measured()
    key = replace(B8, scenario="c4")
    own = replace(next(cell for cell in results.cells if cell.key == B8), key=key, now_ms=88.0, outcome=Outcome.OK)
    by_heading = tables(markdown.render_text(replace(results, cells=(*results.cells, own)), NO_FIGURES))
    assert by_heading["Measured in other scenarios(Jetson TK1):"][1][:3] == [str(key), "ok", "88.0"]
    ((_, rows),) = [each for each in by_heading.items() if each[0].startswith("Measured processing time(Jetson TK1")]
    assert rows[6][3] == "69.8 (+29.1 %) regressed"


def test_a_recorded_baseline_is_not_called_the_report_s() -> None:
    results = measured()
    cells = tuple(replace(cell, baseline_kind="recorded" if cell.baseline_kind else "") for cell in results.cells)
    found = headings(markdown.render_text(replace(results, cells=cells), NO_FIGURES))
    assert "Baseline of the processing time(Jetson TK1):" in found
    assert "5 pass average processing time(Jetson TK1):" not in found


def test_the_discussion_counts_what_the_table_holds() -> None:
    rows = {row[0]: row[1:] for row in tables(markdown.render_text(published(), NO_FIGURES))["Discussion"][1:]}
    assert rows["Jetson TK1"] == ["squeezenet_v1.1, b16", "40.0", "25.0", "1 of 11", "4 of 11"]
    assert rows["GTX 1080 Ti"][3:] == ["13 of 13", "13 of 13"]


def test_the_depthwise_layer_s_gain_is_computed_from_the_tables() -> None:
    rows = {row[0]: row[1:] for row in tables(markdown.render_text(published(), NO_FIGURES))["MobileNet"][1:]}
    assert rows["Jetson TK1"] == [f"{464 / 336:.2f}", "1", f"{453 / 135:.2f}", "4"]
    assert rows["Raspberry Pi 3"] == [f"{1246 / 1443:.2f}", "1", f"{1230 / 1370:.2f}", "2"]


def links_of(text: str) -> set[str]:
    return {unquote(one or other) for one, other in re.findall(r'<img src="([^"]+)"|!\[[^\]]*\]\(([^)]+)\)', text)}


def written(results: Results, folder: Path, name: str = "r.md") -> tuple[str, set[str]]:
    """The text of the report, and the files beside it."""
    write(parse_report(name, folder), results, [])
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    return (folder / name).read_text(encoding="utf-8"), files - {name}


def test_the_files_beside_the_report_are_exactly_those_that_it_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "_cores", lambda: 1)  # which files there are does not depend on what they show
    monkeypatch.setattr(dispatch, "build_figure", lambda _: None)
    monkeypatch.setattr(parallel, "encode_figure", lambda *_: b"")
    text, files = written(measured(), tmp_path, "my report (1).md")
    assert files == links_of(text)
    assert "my report (1)_figures/latency/tk1_log.png" in files


@pytest.mark.parametrize("runs", [["tk1"], ["tk1", "raspi4-ncnn"]])
def test_only_the_platforms_of_the_run_have_figures(runs: list[str], tmp_path: Path) -> None:
    results = replace(published(), runs=dict.fromkeys(runs, RUN))
    _, charts = markdown.render_with_figures(results, [], tmp_path / "r_figures")
    own = [name for name in charts if re.match("latency|throughput|pareto|mobilenet|efficiency/(?!per_)", name)]
    assert {re.split("[/_]", name)[1] for name in own} == set(runs)


def test_without_a_run_every_platform_has_figures(tmp_path: Path) -> None:
    _, charts = markdown.render_with_figures(published(), [], tmp_path / "r_figures")
    found = {re.split("[/_]", name)[1] for name in charts if name.startswith("latency")}
    assert found == set(published().platforms)


def test_of_one_platform_no_figure_compares_platforms(tmp_path: Path) -> None:
    _, charts = markdown.render_with_figures(measured(), [], tmp_path / "r_figures")
    assert not [name for name in charts if name.startswith(("model/", "efficiency/per_"))]
    _, charts = markdown.render_with_figures(published().only(["tk1", "tx1"]), [], tmp_path / "r_figures")
    assert {"model/resnet50", "efficiency/per_watt"} <= charts.keys()


def test_the_linear_plot_is_folded_behind_the_logarithmic_one(tmp_path: Path) -> None:
    text, _ = markdown.render_with_figures(measured(), [], tmp_path / "r_figures")
    platforms = text[text.index("## Platforms") :]
    log, folded = platforms.index("tk1_log.png"), platforms.index("<summary>see linear plot</summary>")
    assert log < folded < platforms.index("tk1_linear.png")


def test_what_was_not_drawn_is_not_shown() -> None:
    assert "](" not in markdown.render_text(published(), NO_FIGURES).replace("](#", "")
    assert "<img" not in markdown.render_text(published(), NO_FIGURES)


HOSTILE = "a|b\n# c <img src=x onerror=alert(1)> `d` [e](javascript:f) **g** \\| </details> &lt; \x1b[31m"


@given(st.text() | st.just(HOSTILE))
def test_any_text_is_shown_as_it_is_in_one_cell(text: str) -> None:
    html = rendered("\n".join(render_table(["one", "two"], [[escape_inline(text), "end"]])))
    assert re.findall(r"<(?!/?(?:table|thead|tbody|tr|th|td)\b)", html) == []
    assert html.count("<td") == 2
    (cell,) = [
        row[0] for row in tables("\n".join(render_table(["one", "two"], [[escape_inline(text), "end"]])))[""][1:]
    ]
    assert cell == remove_control_characters(" ".join(text.split()))


def test_strings_of_a_server_and_of_the_configuration_stay_text() -> None:
    results = measured()
    run = results.runs["tk1"]
    server = replace(run.servers["tk1"], version=HOSTILE, commit=HOSTILE)
    catalog = replace(
        results.catalog, platforms={"tk1": replace(results.catalog.platforms["tk1"], title=HOSTILE, note=HOSTILE)}
    )
    cells = tuple(replace(cell, reason=HOSTILE) for cell in results.cells)
    hostile = replace(
        results,
        catalog=catalog,
        cells=cells,
        runs={"tk1": replace(run, commit=HOSTILE, servers={"tk1": server})},
        warnings=(HOSTILE,),
    )
    html = rendered(markdown.render_text(hostile, NO_FIGURES))
    assert "<img" not in html
    assert "javascript:" not in "".join(re.findall(r"<[^>]*>", html))
    assert html.count("<details>") == html.count("</details>")
    assert "<strong>g</strong>" not in html


def test_cells_under_load_have_a_chapter_with_percentiles_and_figures(tmp_path: Path) -> None:
    cells = (result(loaded("c4")), result(loaded("r10", kept_up=False)))
    made, _ = markdown.render_with_figures(results(*cells), [], tmp_path / "r_figures")
    chapter = made.partition("## Measured under load")[2].partition("## Methodology")[0]
    assert "| tk1-squeezenet\\_v1.1-b1-c4 | new |  | 77.0 |  | 200 | 51.9 (51.7 to 52.2) |" in chapter
    assert "| 5 | 5 of 10 | 200 |" in chapter
    assert "(r_figures/concurrency/tk1/squeezenet_v1.1_b1.png)" in chapter
    assert "(r_figures/rate/tk1/squeezenet_v1.1_b1.png)" in chapter


def test_cells_under_load_are_no_fastest_network(tmp_path: Path) -> None:
    fast = replace(result(loaded("c4", model="vgg16", batch_size=1)), now_ms=0.001)
    plain = replace(fast, key=replace(fast.key, scenario=""), now_ms=50.0, samples_ms=(50.0,), load=None)
    made = markdown.render_text(results(plain, fast), Figures([], tmp_path / "r_figures"))
    assert "| Jetson TK1 | vgg16, b1 | 50.0 |" in made


def test_a_platform_that_shifted_comes_first_and_its_cells_are_no_rows() -> None:
    every = measured()
    slow = [replace(cell, change=0.3, suite_shift=0.3, platform_shifted=cell.fails) for cell in every.cells]
    text = markdown.render_text(replace(every, cells=tuple(slow)), NO_FIGURES)
    assert text.index("as a whole is 30.0 % slower") < text.index("| platform")
    assert "Regressions and other failures" not in text


def test_cells_that_crept_are_a_table_of_their_own() -> None:
    every = measured()
    creep = Creep("2026-11-03T02:00:00+00:00", 14, 0.086)
    red = [replace(cell, creep=creep if cell.outcome is Outcome.REGRESSED else None) for cell in every.cells]
    by_heading = tables(markdown.render_text(replace(every, cells=tuple(red)), NO_FIGURES))
    assert {row[1] for row in by_heading["Slower night by night"][1:]} == {"regressed"}
    assert "regressed" not in {row[1] for row in by_heading.get("Regressions and other failures", [])[1:]}
