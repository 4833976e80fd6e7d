from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest
import results_made
from every_row import every_row
from figure_results import with_budgets
from hypothesis import given
from hypothesis import strategies as st
from load_made import loaded, result
from report_examples import B8, measured, published, trend

from pytest_ddperf.core.budgets import Budget, TimeLimit
from pytest_ddperf.core.records import FAILING, CellKey, Outcome
from pytest_ddperf.report import html, page_data, phrases

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & \" ' \u2028 <!-- ]]>"


class Reader(HTMLParser):
    """The tags of a page with their attributes, and the texts of its scripts, styles and other elements."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[tuple[str, str]] = []
        self.styles: list[str] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        self._inside = tag if tag in {"script", "style"} else self._inside
        if tag == "script":
            self.scripts.append((attributes.get("type", ""), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    @property
    def data(self) -> dict[str, object]:
        (text,) = [text for kind, text in self.scripts if kind == "application/json"]
        found: dict[str, object] = json.loads(text)
        return found

    @property
    def policy(self) -> str:
        (meta,) = [tag for name, tag in self.tags if name == "meta" and "http-equiv" in tag]
        assert meta["http-equiv"] == "Content-Security-Policy"
        return meta["content"]


def cells_of(reader: Reader) -> dict[CellKey, dict[str, object]]:
    """The cells that the page carries, as its script reads them."""
    data = json.loads(json.dumps(reader.data))
    found = {}
    for row in data["cells"]:
        values: dict[str, Any] = dict.fromkeys(data["fields"])
        values |= dict(zip(data["fields"], row, strict=False))
        platform, model = data["platforms"][values["platform"]]["id"], data["models"][values["model"]]["id"]
        found[CellKey(platform, model, values["batch"], values["scenario"])] = values
    return found


def test_the_page_names_nothing_that_would_be_loaded() -> None:
    reader = Reader(html.render_page(measured(), [trend()]))
    loading = {"src", "href", "srcset", "data", "action", "poster", "background", "xlink:href"}
    within = [attributes.pop("href") for tag, attributes in reader.tags if tag == "a"]
    assert set(within) == {"#explore"}
    assert [(tag, attributes) for tag, attributes in reader.tags if loading & attributes.keys()] == []
    assert {"link", "iframe", "object", "embed", "base", "form"}.isdisjoint(tag for tag, _ in reader.tags)
    assert re.findall(r"@import|url\(", "".join(reader.styles)) == []


def test_a_cell_that_failed_links_to_its_history_where_it_has_one() -> None:
    titles = {
        attributes["data-cell"]: attributes["title"]
        for tag, attributes in Reader(html.render_page(measured(), [trend()])).tags
        if tag == "a"
    }
    assert titles.keys() == {"tk1-squeezenet_v1.1-b8", "tk1-squeezenet_v1.1-b2", "tk1-googlenet-b4"}
    assert [cell for cell, title in titles.items() if "history" in title] == ["tk1-squeezenet_v1.1-b8"]


def test_its_policy_allows_its_own_script_and_style_and_no_connection() -> None:
    reader = Reader(html.render_page(measured(), []))
    (script,) = [text for kind, text in reader.scripts if kind == ""]
    (style,) = reader.styles
    policy = dict(part.strip().split(" ", 1) for part in reader.policy.split(";"))

    def hashed(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == hashed(script)
    assert policy["style-src"] == hashed(style)
    assert set(policy) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}


def test_all_platforms_stay_far_under_a_mebibyte() -> None:
    assert len(html.render_page(published(), []).encode()) < 200_000


def test_a_long_history_is_cut_to_the_latest_nights_and_says_so() -> None:
    cells = [CellKey("tk1", f"model{number}", 1) for number in range(40)]
    page = html.render_page(measured(), [trend(key, nights=400) for key in cells])
    assert len(page.encode()) < 1 << 20
    data = Reader(page).data
    assert data["shortened"] == page_data.MOST_NIGHTS // 40
    trends = json.loads(json.dumps(data["trends"]))
    assert {len(nights) for _, nights in trends} == {page_data.MOST_NIGHTS // 40}
    runs = json.loads(json.dumps(data["runs"]))
    assert runs[trends[0][1][-1][0]][1] == "night-399"


def test_every_cell_is_there_with_its_numbers() -> None:
    results = measured()
    found = cells_of(Reader(html.render_page(results, [])))
    assert list(found) == [cell.key for cell in results.cells]
    for cell in results.cells:
        values = found[cell.key]
        assert values["baseline"] == cell.baseline_ms
        assert values["now"] == cell.now_ms
        assert values["change"] == cell.change
        assert bool(values["x"]) == cell.unavailable


def test_the_networks_of_the_page_have_both_accuracies() -> None:
    models = {one["id"]: one for one in page_data.build_page_data(published(), [])["models"]}
    assert (models["mobilenet"]["top1"], models["mobilenet"]["top5"]) == (70.81, 89.5)
    assert models["resnet50"]["top5"] is None


def test_the_nights_of_a_cell_are_there() -> None:
    shown = trend()
    data = json.loads(json.dumps(Reader(html.render_page(measured(), [shown])).data))
    ((key, nights),) = data["trends"]
    assert key == str(shown.key)
    assert [night[1] for night in nights] == [night.now_ms for night in shown.nights]
    assert [data["runs"][night[0]][2] for night in nights] == [night.commit for night in shown.nights]
    assert [data["severity"][night[2]] for night in nights] == [str(night.outcome) for night in shown.nights]
    assert [bool(night[3]) for night in nights] == [night.accepted for night in shown.nights]


def test_a_cell_of_the_page_has_its_strictest_limit() -> None:
    budgets = {"*": Budget(min_fps=10), "squeezenet_v1.1": Budget(max_latency_ms=200)}
    reader = Reader(html.render_page(with_budgets(measured(), {"tk1": budgets}), []))
    limits: Any = reader.data["budgets"]
    of_cell: dict[CellKey, Any] = {key: values["budget"] for key, values in cells_of(reader).items()}
    assert limits[of_cell[CellKey("tk1", "resnet50", 1)]] == ["10 fps", 100.0]
    assert limits[of_cell[B8]] == ["200 ms/request", 25.0]


def test_a_page_without_a_budget_has_none() -> None:
    assert page_data.build_page_data(measured(), [])["budgets"] == []
    assert {values["budget"] for values in cells_of(Reader(html.render_page(measured(), []))).values()} == {None}


def test_what_failed_is_written_into_the_page_the_regression_first() -> None:
    text = " ".join(" ".join(Reader(html.render_page(measured(), [])).texts).split())
    assert "7 cells: 1 regressed, 1 error" in text
    first = text.index("tk1-squeezenet_v1.1-b8 ")
    assert first < text.index("tk1-googlenet-b4 ") < text.index("tk1-squeezenet_v1.1-b2 ")
    assert "+29.1 % 69.8 ms 53.6 ms 10 % 6.8 % (the change is 4.3 times this)" in text


def test_the_run_is_reported_with_its_commit_and_server() -> None:
    text = " ".join(" ".join(Reader(html.render_page(measured(), [])).texts).split())
    assert "run 20261103T020000.000Z-00000002 , 2026-11-03T02:00:00+00:00, commit 4f3a1c9d2b7e" in text
    assert "server http://tk1.lan:8080 (v0.28.0, 9f1c2ab, Release)" in text


def test_a_night_of_the_page_has_the_budget_of_its_run() -> None:
    limits = [TimeLimit("50 ms", 50.0), None, TimeLimit("25 fps", 40.0)]
    nights = tuple(replace(one, budget=limit) for one, limit in zip(trend().nights[:3], limits, strict=True))
    data = page_data.build_page_data(measured(), [replace(trend(), nights=nights)])
    ((_, rows),) = data["trends"]
    assert [row[6:] and data["budgets"][row[6]] for row in rows] == [["50 ms", 50.0], [], ["25 fps", 40.0]]


def test_a_long_reason_is_shown_whole() -> None:
    results, reason = measured(), " ".join(f"word{number}" for number in range(300))
    shown = replace(results, cells=tuple(replace(cell, reason=reason) for cell in results.cells if cell.outcome))
    rows = page_data.build_page_data(shown, [])["cells"]
    assert {row[page_data.FIELDS.index("why")] for row in rows} == {reason}
    whys = re.findall(r"<tr class='why'><td colspan='7'><p>(.*?)</p>", html.render_page(shown, []))
    assert set(whys) == {reason}


def test_how_measurement_and_baseline_are_unlike_is_reported() -> None:
    results = measured()
    cells = tuple(replace(cell, notes=("the table is of caffe",)) for cell in results.cells if cell.outcome)
    page = html.render_page(replace(results, cells=cells), [])
    text = " ".join(" ".join(Reader(page).texts).split())
    assert "tk1, 7 cells: the table is of caffe." in text
    assert "for a reason. Note: the table is of caffe." in text
    rows = page_data.build_page_data(replace(results, cells=cells), [])["cells"]
    assert {row[page_data.FIELDS.index("why")].endswith("Note: the table is of caffe.") for row in rows} == {True}


def test_an_interrupted_run_says_so() -> None:
    results = measured()
    stopped = replace(results, runs={"tk1": replace(results.runs["tk1"], complete=False)})
    assert "interrupted" in html.render_page(stopped, []).split("<main>")[0].split("<header>")[1]


def test_where_nothing_failed_it_says_so() -> None:
    results = measured()
    good = tuple(cell for cell in results.cells if cell.outcome in {None, Outcome.OK})
    page = html.render_page(replace(results, cells=good), [])
    assert "No cell failed or is unstable." in page


def test_without_a_run_there_are_the_tables_alone() -> None:
    page = html.render_page(published(), [])
    assert "No run: only the baselines are shown" in page
    assert "Needs attention" not in page


def test_the_passes_of_a_failed_cell_are_drawn_over_its_baseline() -> None:
    page = html.render_page(measured(), [])
    strip = re.findall(r"<svg class='strip'.*?</svg>", page)[0]
    assert "5 passes from 69.1 to 71.2 ms" in strip
    dots = [float(x) for x in re.findall(r"cx='([\d.]+)'", strip)]
    (line,) = re.findall(r"class='held' x1='([\d.]+)'", strip)
    (band,) = re.findall(r"class='band' x='[\d.]+' y='2' width='([\d.]+)'", strip)
    held = next(cell.baseline_ms for cell in measured().cells if cell.key == B8) or 0.0
    per_ms = float(band) / (held * 0.1)
    shown = [held + (dot - float(line)) / per_ms for dot in dots]
    assert shown == pytest.approx([69.8 * share for share in (0.99, 1.0, 1.0, 1.01, 1.02)], rel=2e-3)


@every_row("outcome", list(Outcome))
def test_only_what_passed_is_green_and_what_fails_is_red(outcome: Outcome) -> None:
    assert (phrases.css_class(outcome) == "green") == (outcome in {Outcome.OK, Outcome.IMPROVED})
    assert (phrases.css_class(outcome) == "red") == (outcome in FAILING)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    )
)
def test_embedded_data_cannot_end_its_element_and_comes_back(value: object) -> None:
    text = html.embed_json(value)
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == value


def test_strings_of_a_server_and_of_the_configuration_add_no_element() -> None:
    results = measured()
    run = results.runs["tk1"]
    server = replace(run.servers["tk1"], url=HOSTILE, version=HOSTILE, commit=HOSTILE, build_type=HOSTILE)
    catalog = replace(results.catalog, platforms={"tk1": replace(results.catalog.platforms["tk1"], title=HOSTILE)})
    hostile = replace(
        results,
        catalog=catalog,
        cells=tuple(replace(cell, reason=HOSTILE, baseline_source=HOSTILE) for cell in results.cells),
        runs={"tk1": replace(run, run=HOSTILE, commit=HOSTILE, started=HOSTILE, servers={"tk1": server})},
        warnings=(HOSTILE,),
    )
    plain = [tag for tag, _ in Reader(html.render_page(results, [])).tags]
    reader = Reader(html.render_page(hostile, []))
    assert [tag for tag, _ in reader.tags] == plain
    assert not any(name.startswith("on") for _, attributes in reader.tags for name in attributes)
    assert len(cells_of(reader)) == len(results.cells)


def test_cells_under_load_stand_in_a_table_with_their_percentiles() -> None:
    page = html.render_page(results_made.results(result(loaded("c4")), result(loaded("r10", kept_up=False))), [])
    table = page.partition('<h2 id="load">')[2].partition("</section>")[0]
    assert "tk1-squeezenet_v1.1-b1-c4" in table
    assert "51.9 (51.7 to 52.2)" in table
    assert "5 of 10" in table


def test_a_run_without_a_load_says_nothing_of_it() -> None:
    assert 'id="load"' not in html.render_page(results_made.results(results_made.measured()), [])


def shifted_platform() -> str:
    slow = [
        replace(
            results_made.measured(model, now_ms=130.0, outcome=Outcome.REGRESSED),
            suite_shift=0.3,
            platform_shifted=True,
        )
        for model in ("alexnet", "vgg16", "googlenet")
    ]
    own = replace(results_made.measured("resnet50", now_ms=150.0, outcome=Outcome.REGRESSED), limit=0.12)
    return html.render_page(results_made.results(*slow, own), [])


def test_a_page_begins_with_a_platform_that_shifted() -> None:
    page = shifted_platform()
    assert "tk1 as a whole is 30.0 % slower" in page
    assert page.index("as a whole") < page.index("Needs attention")


def test_the_cells_of_a_platform_that_shifted_are_not_in_the_list_of_the_others() -> None:
    attention = shifted_platform().partition("Needs attention")[2].partition("</section>")[0]
    assert "tk1-resnet50-b8" in attention
    assert "tk1-alexnet-b8" not in attention


def test_the_change_in_the_list_is_beside_its_limit() -> None:
    assert "<strong>+50.0 %</strong> (limit +12.0 %)" in shifted_platform()


def test_a_page_contains_the_limit_and_a_removed_shift() -> None:
    cell = replace(results_made.measured(), limit=0.12, shift_removed=0.042)
    (row,) = page_data.build_page_data(results_made.results(cell), [])["cells"]
    values = dict(zip(page_data.FIELDS, row, strict=False))
    assert (values["limit"], values["removed"]) == (0.12, 0.042)
