"""The HTML report in a real headless Chromium, from a file: figures, choices, hovering, sorting, by mouse and keys."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import webdriver
from figure_results import with_budgets
from load_made import loaded, result
from report_examples import B8, RUN, measured, published, trend
from webdriver import Chromium

from pytest_ddperf.core.budgets import Budget, TimeLimit
from pytest_ddperf.core.records import CellKey, Outcome
from pytest_ddperf.core.results import Trend
from pytest_ddperf.report import html

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_ddperf.core.results import Results

pytestmark = pytest.mark.slow

if why := webdriver.missing():
    pytest.skip(f"the HTML report was not tried in a browser: {why}", allow_module_level=True)

SQUEEZENET = "squeezenet_v1.1"
TK1 = {cell.key: cell for cell in measured().cells}

SERIES = """
return [...document.querySelectorAll("#plot .series")].map((group) => ({
  id: group.dataset.series, side: group.dataset.side,
  line: group.querySelector(".line")?.getAttribute("d") ?? "",
  marks: [...group.querySelectorAll(".mark")].map((mark) => ({
    cell: mark.dataset.cell, value: Number(mark.dataset.value),
    at: mark.getAttribute("transform").match(/translate\\(([^,]+),([^)]+)\\)/).slice(1).map(Number),
  })),
}))
"""
TICKS = """
return [...document.querySelectorAll("#plot .tick")].map((tick) => [Number(tick.dataset.value), Number(tick.dataset.y)])
"""
DASHES = """
const lines = [...document.querySelectorAll("[data-side=now] .line")];
return [...new Set(lines.map((line) => line.getAttribute("stroke-dasharray")))]
"""
ROWS = 'return [...document.querySelectorAll("#table tbody tr")].map((row) => row.dataset.cell)'


def everything() -> Results:
    """All platforms, TK1 with its run."""
    others = [cell for cell in published().cells if cell.key.platform != "tk1"]
    return replace(measured(), cells=(*others, *measured().cells))


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(browser: Chromium, tmp_path: Path) -> Iterator[Chromium]:
    """The page of a run; whatever a test does with it, nothing fails in it and it asks for nothing."""
    yield from opened(browser, tmp_path, html.render_page(everything(), [trend()]))


def opened(browser: Chromium, folder: Path, text: str) -> Iterator[Chromium]:
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    browser.open(path.as_uri())
    yield browser
    assert browser.console() == []
    assert browser.requested() == [path.as_uri()]


def lines(page: Chromium) -> dict[tuple[str, str], Any]:
    """What is drawn, by series and side."""
    return {(one["id"], one["side"]): one for one in page.run(SERIES)}


def models(page: Chromium) -> set[str]:
    return {series.split("/")[1] for series, _ in lines(page)}


def drawn_values(page: Chromium, *, logarithmic: bool) -> dict[str, float]:
    """What each mark stands for, read from where it is drawn between the axis's ticks; baselines left out."""
    scale = math.log if logarithmic else float
    (low, low_y), *_, (high, high_y) = page.run(TICKS)
    found = {}
    for (_, side), one in lines(page).items():
        for mark in one["marks"] if side == "now" else []:
            share = (mark["at"][1] - low_y) / (high_y - low_y)
            place = scale(low) + share * (scale(high) - scale(low))
            found[mark["cell"]] = math.exp(place) if logarithmic else place
    return found


def test_the_page_opens_with_the_regression_and_the_measured_platform(page: Chromium) -> None:
    assert page.run('return document.querySelector("main tbody tr .cell").textContent') == str(B8)
    assert {series.split("/")[0] for series, _ in lines(page)} == {"tk1"}
    assert page.run(ROWS)[0] == str(B8)


def test_the_marks_stand_where_their_values_are_on_the_logarithmic_axis(page: Chromium) -> None:
    expected = {str(key): cell.now_ms for key, cell in TK1.items() if cell.now_ms is not None}
    assert drawn_values(page, logarithmic=True) == pytest.approx(expected, rel=2e-3)


def test_the_baselines_are_drawn_as_the_table_has_them(page: Chromium) -> None:
    held = {
        mark["cell"]: mark["value"]
        for (_, side), one in lines(page).items()
        if side == "baseline"
        for mark in one["marks"]
    }
    assert held == {str(key): cell.baseline_ms for key, cell in TK1.items() if cell.baseline_ms is not None}


def test_linear_changes_the_axis_and_moves_the_marks(page: Chromium) -> None:
    before, ticks = lines(page), page.run(TICKS)
    page.click("[data-scale='linear']")
    after = lines(page)
    assert page.run(TICKS) != ticks
    assert page.run(TICKS)[0][0] == 0
    steps = [tick for tick, _ in page.run(TICKS)]
    assert len({round(b - a, 6) for a, b in itertools.pairwise(steps)}) == 1
    assert {key: one["line"] for key, one in before.items()} != {key: one["line"] for key, one in after.items()}
    expected = {str(key): cell.now_ms for key, cell in TK1.items() if cell.now_ms is not None}
    assert drawn_values(page, logarithmic=False) == pytest.approx(expected, rel=1e-2)
    page.click("[data-scale='log']")
    assert page.run(TICKS) == ticks


def test_a_model_that_is_pressed_in_the_legend_disappears_and_comes_back(page: Chromium) -> None:
    button = f"#legend [data-model='{SQUEEZENET}']"
    assert SQUEEZENET in models(page)
    page.click(button)
    assert SQUEEZENET not in models(page)
    assert "shufflenet" in models(page)
    assert page.run("return document.querySelector(arguments[0]).getAttribute('aria-pressed')", button) == "false"
    page.click(button)
    assert SQUEEZENET in models(page)


def test_all_models_can_be_hidden_at_once_and_one_shown_alone(page: Chromium) -> None:
    page.click("#legend [data-model='']")
    assert models(page) == set()
    assert "Every model is hidden" in page.run("return document.querySelector('#plot').textContent")
    page.click("#legend [data-model='shufflenet']")
    assert models(page) == {"shufflenet"}


def test_a_platform_that_is_chosen_is_drawn_with_its_table(page: Chromium) -> None:
    page.click("[data-platform='raspi3']")
    page.click("[data-platform='tk1']")
    found = {mark["cell"]: mark["value"] for one in page.run(SERIES) for mark in one["marks"]}
    expected = {str(cell.key): cell.baseline_ms for cell in published().of("raspi3") if cell.baseline_ms is not None}
    assert found == expected
    assert "Raspberry Pi 3" in page.run("return document.querySelector('#figure-title').textContent")


def test_a_platform_of_one_batch_size_is_drawn(page: Chromium) -> None:
    page.click("[data-platform='raspi4-ncnn']")
    page.click("[data-platform='tk1']")
    found = {mark["cell"]: mark["value"] for one in page.run(SERIES) for mark in one["marks"]}
    assert found == {str(cell.key): cell.baseline_ms for cell in published().of("raspi4-ncnn")}


def test_a_point_that_is_hovered_tells_its_values(page: Chromium) -> None:
    assert page.run("return document.querySelector('#tip').hidden")
    page.hover(f"[data-side='now'] [data-cell='{B8}']")
    reported = page.run("return document.querySelector('#tip').innerText")
    assert "SqueezeNet v1.1, batch 8" in reported
    assert "Jetson TK1" in reported
    assert "measured 69.8 ms per image, 14.3 images/s" in reported
    assert "baseline 53.6 ms per image (report)" in reported
    assert re.search(r"change \+29\.1\s%, resolution 6\.8\s%", reported)
    assert "regressed" in reported
    page.hover("h1")
    assert page.run("return document.querySelector('#tip').hidden")


def test_points_can_be_visited_with_the_arrow_keys(page: Chromium) -> None:
    page.run("document.querySelector('#plot svg').focus()")
    page.press("ArrowRight")
    first = page.run("return document.querySelector('#tip').innerText")
    page.press("ArrowRight")
    second = page.run("return document.querySelector('#tip').innerText")
    assert "ms per image" in first
    assert first != second
    page.press("Escape")
    assert page.run("return document.querySelector('#tip').hidden")


def test_images_per_second_are_the_inverse(page: Chromium) -> None:
    page.click("[data-view='speed']")
    expected = {str(key): 1000 / cell.now_ms for key, cell in TK1.items() if cell.now_ms is not None}
    assert drawn_values(page, logarithmic=True) == pytest.approx(expected, rel=2e-3)


def test_the_change_against_the_baseline_is_a_map_that_frames_what_failed(page: Chromium) -> None:
    page.click("[data-view='against']")
    tiles = page.run(
        "return [...document.querySelectorAll('.tile')].map((tile) => [tile.dataset.cell, tile.getAttribute('class')])"
    )
    found = dict(tiles)
    assert found.keys() == {str(key) for key, cell in TK1.items() if cell.outcome is not None}
    assert [cell for cell, kind in found.items() if "fails" in kind] == ["tk1-googlenet-b4", str(B8)]
    assert [cell for cell, kind in found.items() if "faster" in kind] == ["tk1-shufflenet-b1", "tk1-shufflenet-b2"]
    page.hover(f".tile[data-cell='{B8}']")
    assert "measured 69.8 ms" in page.run("return document.querySelector('#tip').innerText")


def test_the_history_of_a_cell_is_drawn_night_by_night(page: Chromium) -> None:
    page.click("[data-view='history']")
    values = page.run(
        "return [...document.querySelectorAll('.nights .mark')].map((mark) => Number(mark.dataset.value))"
    )
    assert values == [night.now_ms for night in trend().nights]
    page.hover(".nights .mark.red")
    reported = page.run("return document.querySelector('#tip').innerText")
    assert "69.8 ms per image" in reported
    assert "regressed" in reported
    assert "commit 000000b" in reported


BUDGET_LINES = """
return [...document.querySelectorAll("#plot path.budget")].map((line) => ({
  text: line.dataset.budget, stroke: getComputedStyle(line).stroke,
  ys: line.getAttribute("d").slice(1).split("L").map((point) => Number(point.split(",")[1])),
}))
"""
BUDGET_LABELS = 'return [...document.querySelectorAll("#plot text.budget")].map((one) => one.textContent)'


def with_budget(browser: Chromium, folder: Path, **of_tk1: Budget) -> Iterator[Chromium]:
    """The page of a run on a TK1 with budgets; `every`: of all networks."""
    budgets = {"*" if name == "every" else name: budget for name, budget in of_tk1.items()}
    yield from opened(browser, folder, html.render_page(with_budgets(everything(), {"tk1": budgets}), [trend()]))


def value_at(page: Chromium, y: float, *, logarithmic: bool) -> float:
    """The value of a position on the axis, from its ticks."""
    (low, low_y), *_, (high, high_y) = page.run(TICKS)
    share = (y - low_y) / (high_y - low_y)
    return float(low * (high / low) ** share if logarithmic else low + share * (high - low))


@pytest.mark.parametrize("scale", ["log", "linear"])
@pytest.mark.parametrize(("view", "value"), [("history", 40.0), ("latency", 40.0), ("speed", 25.0)])
def test_a_budget_is_a_labelled_line_at_its_value(
    browser: Chromium, tmp_path: Path, view: str, value: float, scale: str
) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(min_fps=25)):
        page.click(f"[data-view='{view}']")
        page.click(f"[data-scale='{scale}']")
        (line,) = page.run(BUDGET_LINES)
        assert len(set(line["ys"])) == 1
        assert value_at(page, line["ys"][0], logarithmic=scale == "log") == pytest.approx(value, rel=5e-3)
        assert page.run(BUDGET_LABELS) == ["budget25 fps"], "on two lines"
        assert "budget 25 fps" in page.run("return document.querySelector('#plot svg').getAttribute('aria-label')")


def test_a_budget_that_changed_is_a_step_of_the_nights(browser: Chromium, tmp_path: Path) -> None:
    nights = trend().nights
    limits = [None, *[TimeLimit("50 ms", 50.0)] * 2, *[TimeLimit("25 fps", 40.0)] * (len(nights) - 3)]
    changed = Trend(trend().key, tuple(replace(one, budget=limit) for one, limit in zip(nights, limits, strict=True)))
    for page in opened(browser, tmp_path, html.render_page(everything(), [changed])):
        page.click("[data-view='history']")
        page.click("[data-scale='linear']")
        (line,) = page.run(BUDGET_LINES)
        found = [value_at(page, y, logarithmic=False) for y in line["ys"]]
        assert found == pytest.approx([limit.ms for limit in limits if limit for _ in range(2)], rel=5e-3)
        assert line["text"] == "budget 50 ms, 25 fps"
        assert page.run(BUDGET_LABELS) == ["budget25 fps"]
        page.hover(".nights .mark:nth-of-type(3)")
        assert "budget 50 ms" in page.run("return document.querySelector('#tip').innerText")


def test_a_budget_far_from_the_times_is_within_the_axes(browser: Chromium, tmp_path: Path) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(max_ms=0.5)):
        for view, scale in itertools.product(("latency", "speed", "history"), ("log", "linear")):
            page.click(f"[data-view='{view}']")
            page.click(f"[data-scale='{scale}']")
            (line,) = page.run(BUDGET_LINES)
            bottom = page.run("return Number(document.querySelector('#plot line.axis').getAttribute('y1'))")
            assert 0 < line["ys"][0] <= bottom


def test_a_budget_per_request_falls_with_the_batch_size_on_the_page(browser: Chromium, tmp_path: Path) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(max_latency_ms=800)):
        (line,) = page.run(BUDGET_LINES)
        assert line["text"] == "budget 800 ms/request"
        found = [value_at(page, y, logarithmic=True) for y in line["ys"]]
        sizes = sorted({cell.key.batch_size for cell in measured().cells if cell.value_ms is not None})
        assert found == pytest.approx([800 / size for size in sizes], rel=5e-3)


def test_networks_of_few_batch_sizes_share_the_line_of_the_others(browser: Chromium, tmp_path: Path) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(max_ms=100, max_latency_ms=400)):
        (line,) = page.run(BUDGET_LINES)
        assert line["text"] == "budget 100 ms, 400 ms/request"
        sizes = sorted({cell.key.batch_size for cell in measured().cells if cell.value_ms is not None})
        found = [value_at(page, y, logarithmic=True) for y in line["ys"]]
        assert found == pytest.approx([min(100, 400 / size) for size in sizes], rel=5e-3)
        assert page.run(BUDGET_LABELS) == ["budget400 ms/request"]


def test_the_budget_of_one_network_has_its_colour(browser: Chromium, tmp_path: Path) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(min_fps=25), resnet50=Budget(max_ms=30)):
        strokes = {line["text"]: line["stroke"] for line in page.run(BUDGET_LINES)}
        own = page.run(
            "return getComputedStyle(document.querySelector(\"#plot [data-series='tk1/resnet50'] .line\")).stroke"
        )
        assert strokes["budget 30 ms"] == own != strokes["budget 25 fps"]


def test_a_value_states_how_far_it_is_from_its_budget(browser: Chromium, tmp_path: Path) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(max_ms=60)):
        tip = "return document.querySelector('#tip').innerText"
        page.hover(f"[data-side='now'] [data-cell='{B8}']")
        assert re.search(r"budget 60 ms, 16\.3\s% over", page.run(tip))
        page.click("[data-view='history']")
        page.hover(".nights .mark")
        assert re.search(r"budget 60 ms, 10\s% left", page.run(tip))


def test_the_table_has_the_budget_of_each_cell(browser: Chromium, tmp_path: Path) -> None:
    for page in with_budget(browser, tmp_path, every=Budget(min_fps=25), resnet50=Budget(max_ms=30)):
        budget = "return document.querySelector(`tr[data-cell='${arguments[0]}'] [data-column=budget]`).textContent"
        assert page.run(budget, str(B8)) == "25 fps"
        assert page.run(budget, "tk1-resnet50-b3") == "30 ms"


def test_a_page_without_a_budget_has_neither_a_line_nor_a_column(page: Chromium) -> None:
    assert page.run("return document.querySelectorAll('[data-column=budget], .budget').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_labels_of_budgets_are_beside_the_lines_and_readable(
    browser: Chromium, tmp_path: Path, width: int, scheme: str
) -> None:
    budgets = {"every": Budget(max_latency_ms=800), "resnet50": Budget(max_ms=39), "vgg16": Budget(max_ms=41)}
    for page in with_budget(browser, tmp_path, **budgets, googlenet=Budget(max_ms=40)):
        page.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.emulate("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        try:
            for view in ("latency", "speed", "history"):
                page.click(f"[data-view='{view}']")
                boxes = page.run(
                    "return [...document.querySelectorAll('#plot text.budget, #plot text.fps')].map((one) => {"
                    "const box = one.getBBox(); return [box.x, box.x + box.width, box.y, box.y + box.height] })"
                )
                assert boxes
                limit = page.run("return document.querySelector('#plot svg').viewBox.baseVal.width")
                end = page.run("return Number(document.querySelector('#plot line.axis').getAttribute('x2'))")
                assert all(end < left and right <= limit for left, right, _, _ in boxes)
                assert all(
                    one[3] <= other[2] + 1 or other[3] <= one[2] + 1 for one, other in itertools.combinations(boxes, 2)
                )
                line, back = page.run(
                    "return [getComputedStyle(document.querySelector('#plot text.budget')).fill,"
                    " getComputedStyle(document.querySelector('figure')).backgroundColor]"
                )
                assert (sum(map(int, re.findall(r"\d+", line)[:3])) > 382) == (scheme == "dark"), (line, back)
                assert page.run("return document.documentElement.scrollWidth") <= width
        finally:
            page.emulate("Emulation.clearDeviceMetricsOverride")
            page.emulate("Emulation.setEmulatedMedia", features=[])


def test_a_column_sorts_the_table_both_ways_what_is_empty_last(page: Chromium) -> None:
    order = page.run(ROWS)
    changes = {str(key): cell.change for key, cell in TK1.items() if cell.outcome is not None}
    known = [cell for cell, change in changes.items() if change is not None]
    empty = {cell for cell, change in changes.items() if change is None}
    page.click("[data-sort='change']")
    upwards = page.run(ROWS)
    page.click("[data-sort='change']")
    downwards = page.run(ROWS)
    assert upwards[: len(known)] == sorted(known, key=lambda cell: changes[cell] or 0.0)
    assert downwards[: len(known)] == sorted(known, key=lambda cell: -(changes[cell] or 0.0))
    assert set(upwards[len(known) :]) == set(downwards[len(known) :]) == empty
    assert sorted(order) == sorted(upwards)


@pytest.mark.parametrize("column", ["verdict", "platform", "model", "batch", "now", "baseline", "speed", "sees"])
def test_every_column_sorts(page: Chromium, column: str) -> None:
    texts = (
        f"return [...document.querySelectorAll('#table td[data-column=\"{column}\"]')].map((cell) => cell.textContent)"
    )
    page.click("[data-verdict='not run']")
    if column == "verdict":  # it is sorted by it already
        page.click("[data-sort='batch']")
    page.click(f"[data-sort='{column}']")
    upwards = page.run(texts)
    page.click(f"[data-sort='{column}']")
    downwards = page.run(texts)
    assert sorted(upwards) == sorted(downwards)
    assert [text for text in upwards if text] != [text for text in downwards if text]
    assert len(upwards) == len(everything().cells)
    if column in {"batch", "now", "baseline", "speed"}:
        numbers = [float(text) for text in upwards if text not in {"", "x"}]
        assert numbers == sorted(numbers)


def test_the_table_is_sorted_with_the_keyboard_and_says_how(page: Chromium) -> None:
    sort = "return document.querySelector('th[data-column=\"batch\"]').getAttribute('aria-sort')"
    assert page.run(sort) == "none"
    page.run("document.querySelector('[data-sort=\"batch\"]').focus()")
    page.press("Enter")
    assert page.run(sort) == "ascending"
    page.press(" ")  # the focus stayed
    assert page.run(sort) == "descending"
    batches = [int(cell.rsplit("-b", 1)[1]) for cell in page.run(ROWS)]
    assert batches == sorted(batches, reverse=True)


def test_every_control_can_be_reached_with_the_tab_key(page: Chromium) -> None:
    page.run("document.querySelector('[data-view]').focus()")
    reached = []
    for _ in range(60):
        reached.append(
            page.run("return JSON.stringify({...document.activeElement.dataset}) + document.activeElement.id")
        )
        page.press("Tab")
    text = " ".join(reached)
    for wanted in ("scale", "platform", "model", "filter", "verdict", "sort"):
        assert wanted in text


def test_a_text_filters_the_table(page: Chromium) -> None:
    page.run("document.querySelector('#filter').focus()")
    page.press(*"squeezenet b8")
    assert page.run(ROWS) == [str(B8)]
    assert page.run("return document.querySelector('#count').textContent") == f"1 of {len(everything().cells)} cells"


def test_verdicts_are_chosen_and_what_was_not_run_is_shown_on_request(page: Chromium) -> None:
    judged = {str(key) for key, cell in TK1.items() if cell.outcome is not None}
    assert set(page.run(ROWS)) == judged
    page.click("[data-verdict='ok']")
    assert set(page.run(ROWS)) == judged - {"tk1-squeezenet_v1.1-b1", "tk1-shufflenet-b2"}
    page.click("[data-verdict='not run']")
    assert len(page.run(ROWS)) == len(everything().cells) - 2


def test_a_cell_of_the_table_is_shown_in_the_figure(page: Chromium) -> None:
    page.click(f"tr[data-cell='{B8}'] [data-column='model'] button")
    assert page.run("return document.querySelector('#figure-title').textContent") == str(B8)
    page.click("tr[data-cell='tk1-shufflenet-b1'] [data-column='model'] button")
    assert models(page) == {"shufflenet"}


CUT = """
return [...document.querySelectorAll("main *, #plot text")].filter((one) => {
  const box = one.getBoundingClientRect(), frame = document.documentElement.clientWidth;
  return box.width && one.textContent.trim() && (box.left < -0.5 || box.right > frame + 0.5);
}).map((one) => one.textContent.trim().slice(0, 40))
"""
"""The texts that reach over the screen's edge."""

SCROLLED = """
return [...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth).length
"""


def long_names() -> Results:
    """Cells of every kind, under load too, and one of a network whose name is long."""
    under_load = (result(loaded("c4")), result(loaded("r10", kept_up=False)))
    own = replace(TK1[B8], key=CellKey("tk1", "a_network_of_my_own_with_quite_a_long_name_v12", 128))
    return replace(everything(), cells=(*everything().cells, own, *under_load))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1201, 1280])
def test_no_table_is_scrolled_sideways_and_nothing_is_cut(
    browser: Chromium, tmp_path: Path, width: int, scheme: str
) -> None:
    for page in opened(browser, tmp_path, html.render_page(long_names(), [trend()])):
        page.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.emulate("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        try:
            page.click("[data-verdict='not run']")
            for view in ("latency", "speed", "against", "history"):
                page.click(f"[data-view='{view}']")
                assert page.run("return document.documentElement.scrollWidth") <= width
                assert page.run(SCROLLED) == 0
                assert page.run(CUT) == []
        finally:
            page.emulate("Emulation.clearDeviceMetricsOverride")
            page.emulate("Emulation.setEmulatedMedia", features=[])


def test_on_a_phone_every_value_has_its_column_s_name_and_networks_their_whole_name(page: Chromium) -> None:
    page.emulate("Emulation.setDeviceMetricsOverride", width=390, height=900, deviceScaleFactor=1, mobile=False)
    try:
        label = "return getComputedStyle(document.querySelector(arguments[0]), '::before').content"
        assert page.run(label, f"tr[data-cell='{B8}'] [data-column='now']") == '"Now, ms "'
        assert page.run(label, "tr.details td") == '"Change "'
        page.click("[data-view='against']")
        shown = page.run("return [...document.querySelectorAll('#plot .name')].map((name) => name.textContent)")
        assert {"SqueezeNet v1.1", "ShuffleNet", "GoogLeNet", "ResNet-50"} == set(shown)
        texts = page.run("return [...document.querySelectorAll('#plot .change')].map((one) => one.textContent)")
        assert "error" in texts
    finally:
        page.emulate("Emulation.clearDeviceMetricsOverride")


def test_the_names_of_frame_rates_are_beside_the_lines(page: Chromium) -> None:
    ends = "return Math.max(...[...document.querySelectorAll('#plot line.fps')].map((one) => one.getAttribute('x2')))"
    begins = "return Math.min(...[...document.querySelectorAll('#plot text.fps')].map((one) => one.getBBox().x))"
    for scale in ("log", "linear"):
        page.click(f"[data-scale='{scale}']")
        marks = [mark["at"][0] for one in page.run(SERIES) for mark in one["marks"]]
        assert page.run(begins) > max(page.run(ends), *marks)
        tops = page.run("return [...document.querySelectorAll('#plot text.fps')].map((one) => one.getBBox().y)")
        assert all(abs(one - other) > 11 for one, other in itertools.combinations(tops, 2))


def test_what_needs_a_look_links_to_its_history(page: Chromium) -> None:
    link = f"a.cell[data-cell='{B8}']"
    assert page.run("return document.querySelector(arguments[0]).getAttribute('href')", link) == "#explore"
    page.click(link)
    assert page.run("return document.querySelector('[data-view=\"history\"]').getAttribute('aria-pressed')") == "true"
    assert page.run("return document.querySelector('#figure-title').textContent") == str(B8)
    page.click("a.cell[data-cell='tk1-googlenet-b4']")  # measured once: it has no history
    assert models(page) == {"googlenet"}


def test_a_filter_that_finds_nothing_says_so_and_can_be_cleared(page: Chromium) -> None:
    said = "return document.querySelector('#table tbody').textContent"
    page.run("document.querySelector('#filter').focus()")
    page.press(*"alexnet")
    assert "No cell matches \u201calexnet\u201d" in page.run(said)
    page.click("#show-all")
    assert len(page.run(ROWS)) == len(everything().cells)
    assert page.run("return document.querySelector('#filter').value") == ""
    assert "No cell matches" not in page.run(said)


def test_a_filter_that_finds_only_cells_of_hidden_verdicts_counts_them(page: Chromium) -> None:
    page.run("document.querySelector('#filter').focus()")
    page.press(*"raspi4-ncnn")
    said = page.run("return document.querySelector('#table tbody').textContent")
    assert f"{len(published().of('raspi4-ncnn'))} have verdicts that you switched off" in said


def test_platforms_are_ordered_from_most_to_least_powerful(browser: Chromium, tmp_path: Path) -> None:
    for page in opened(browser, tmp_path, html.render_page(published(), [])):
        order = page.run("return [...document.querySelectorAll('[data-platform]')].map((one) => one.dataset.platform)")
        assert order == [
            "gtx1080ti", "tx2", "tx2-tensorrt", "tx1", "nano", "tk1", "raspi4-ncnn", "raspi3", "raspi3-ncnn",
        ]  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1900])
def test_the_page_fits_narrow_and_wide_screens_in_light_and_dark(page: Chromium, scheme: str, width: int) -> None:
    page.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    page.emulate("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    try:
        for view in ("latency", "speed", "against", "history"):
            page.click(f"[data-view='{view}']")
            assert page.run("return document.documentElement.scrollWidth") <= width
        texts, back = page.run("const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]")
        assert abs(lightness(texts) - lightness(back)) > 0.6
        assert (lightness(back) < 0.5) == (scheme == "dark")
    finally:
        page.emulate("Emulation.clearDeviceMetricsOverride")
        page.emulate("Emulation.setEmulatedMedia", features=[])


def test_on_paper_the_tables_are_whole_and_the_colours_light(page: Chromium) -> None:
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    page.emulate("Emulation.setEmulatedMedia", media="print", features=[dark])
    page.emulate("Emulation.setDeviceMetricsOverride", width=720, height=1000, deviceScaleFactor=1, mobile=False)
    try:
        assert page.run("return document.documentElement.scrollWidth") <= 720
        assert page.run("return getComputedStyle(document.querySelector('#cells .scroll')).overflowY") == "visible"
        assert lightness(page.run("return getComputedStyle(document.body).backgroundColor")) > 0.9
        assert page.run("return document.querySelector('#views').offsetHeight") == 0
    finally:
        page.emulate("Emulation.clearDeviceMetricsOverride")
        page.emulate("Emulation.setEmulatedMedia", media="", features=[])


def lightness(colour: str) -> float:
    """Of `rgb(r, g, b)`, from 0 to 1."""
    return sum(float(part) for part in re.findall(r"\d+", colour)[:3]) / 3 / 255


def test_without_a_run_the_published_tables_are_there_to_explore(browser: Chromium, tmp_path: Path) -> None:
    for page in opened(browser, tmp_path, html.render_page(published(), [])):
        assert len(page.run(ROWS)) == len(published().cells)
        found = {mark["cell"]: mark["value"] for one in page.run(SERIES) for mark in one["marks"]}
        own = published().of("gtx1080ti")
        assert found == {str(cell.key): cell.baseline_ms for cell in own if cell.baseline_ms is not None}
        assert page.run("return document.querySelector('[data-view=\"history\"]').disabled")


def test_the_policy_stops_what_got_into_the_page_all_the_same(browser: Chromium, tmp_path: Path) -> None:
    inside = "<script>window.broken = 1</script><img src='http://127.0.0.1:9/x' onerror='window.broken = 2'>"
    path = tmp_path / "report.html"
    path.write_text(html.render_page(measured(), []).replace("</main>", f"{inside}</main>"), encoding="utf-8")
    browser.open(path.as_uri())
    assert browser.run("return window.broken ?? null") is None
    said = browser.console()
    assert any("Content Security Policy" in line and "script" in line for line in said)
    assert any("Content Security Policy" in line and "127.0.0.1:9" in line for line in said)
    assert len(browser.run(ROWS)) == 7
    browser.requested()


def test_of_several_platforms_the_one_that_regressed_is_shown_first(browser: Chromium, tmp_path: Path) -> None:
    results = published().only(["tx1", "tk1"])
    good = {
        cell.key: replace(cell, now_ms=cell.baseline_ms, change=0.0, outcome=Outcome.OK) for cell in results.of("tx1")
    }
    both = replace(results, cells=(*good.values(), *measured().cells), runs={"tx1": RUN, "tk1": RUN})
    for page in opened(browser, tmp_path, html.render_page(both, [])):
        assert {series.split("/")[0] for series, _ in lines(page)} == {"tk1"}
        page.click("[data-platform='tx1']")
        assert {series.split("/")[0] for series, _ in lines(page)} == {"tk1", "tx1"}
        assert len(page.run(DASHES)) == 2  # a dash for each platform, a colour for each model


def test_hostile_strings_do_nothing(browser: Chromium, tmp_path: Path) -> None:
    hostile = "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
    cells = tuple(replace(cell, reason=hostile, baseline_source=hostile) for cell in measured().cells)
    odd = replace(cells[0], key=CellKey("tk1", hostile, 1), now_ms=1.0, outcome=cells[0].outcome)
    results = replace(measured(), cells=(*cells, odd), warnings=(hostile,))
    for page in opened(browser, tmp_path, html.render_page(results, [])):
        page.click("[data-verdict='not run']")
        assert page.run("return window.broken ?? null") is None
        assert page.run("return document.querySelectorAll('img').length") == 0
        assert hostile in page.run("return document.querySelector('#legend').textContent")


@pytest.mark.parametrize("width", [400, 1200])
def test_cells_under_load_stand_in_their_table_and_in_no_figure(browser: Chromium, tmp_path: Path, width: int) -> None:
    under_load = (result(loaded("c4")), result(loaded("r10", kept_up=False)))
    results = replace(measured(), cells=(*measured().cells, *under_load))
    for page in opened(browser, tmp_path, html.render_page(results, [trend()])):
        page.emulate("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        assert page.run("return document.documentElement.scrollWidth") <= width
        shown = page.run("return document.querySelector('section[aria-labelledby=load]').textContent")
        assert all(str(cell.key) in shown for cell in under_load)
        drawn = {mark["cell"] for one in lines(page).values() for mark in one["marks"]}
        assert not drawn & {str(cell.key) for cell in under_load}
        assert {str(cell.key) for cell in under_load} <= set(page.run(ROWS))
        page.emulate("Emulation.clearDeviceMetricsOverride")
