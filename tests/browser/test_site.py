"""The site in a real headless Chromium, from files: desktop and phone, light and dark, to a page and back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import webdriver
from nightly import cell, without_measurement, write_night
from webdriver import Chromium

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.records import Baseline, CellKey, Outcome
from pytest_ddperf.report.site import write_site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_ddperf.core.records import CellRecord

pytestmark = pytest.mark.slow

if why := webdriver.missing():
    pytest.skip(f"the site was not tried in a browser: {why}", allow_module_level=True)

PLATFORMS = (
    "gtx1080ti",
    "tx2",
    "tx2-tensorrt",
    "tx1",
    "nano",
    "tk1",
    "raspi3",
    "orin-with-quite-a-long-name.of-my.own",
)
RED, STALE, BROKEN = "tk1", "tx2", "tx1"
NIGHTS = 40
LAST = NIGHTS - 1


def measured(platform: str, size: int, night: int) -> CellRecord:
    is_slow = platform == RED and size == 8 and night in {5, LAST}
    outcome, ms = (Outcome.REGRESSED, 69.8) if is_slow else (Outcome.OK, 54.0 + night % 3)
    record = cell(CellKey(platform, "squeezenet_v1.1", size), [ms] * 5, outcome=outcome, change=ms / 54 - 1)
    return replace(record, now_ms=ms, baseline=Baseline("report", 54.0, "a table"), reason=f"{outcome} at {ms} ms")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of eight platforms: one is red, one was not measured for a week, one measured nothing at last."""
    folder = tmp_path_factory.mktemp("site of tonight #1")
    catalog = load_catalog()
    own = replace(catalog.platforms["nano"], id=PLATFORMS[-1], title="A board of my own whose title is quite long, v2")
    catalog = replace(catalog, platforms={**catalog.platforms, own.id: own})
    for night in range(NIGHTS):
        shown = [name for name in PLATFORMS if name != STALE or night < NIGHTS - 7]
        cells = [measured(name, size, night) for name in shown for size in (1, 8)]
        if night == LAST:
            cells = [
                without_measurement(one.key, Outcome.ERROR) if one.key.platform == BROKEN else one for one in cells
            ]
        write_night(folder / "history", night, cells, platforms=tuple(shown))
    write_site(catalog, folder / "history", folder / "site")
    return folder / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def index(browser: Chromium, site: Path) -> Iterator[Chromium]:
    """The index; whatever a test does, no page fails, and none asks for anything but pages of the site."""
    browser.open((site / "index.html").as_uri())
    yield browser
    assert browser.console() == []
    assert {address.partition("#")[0] for address in browser.requested()} <= {
        path.as_uri() for path in site.rglob("*.html")
    }
    browser.emulate("Emulation.clearDeviceMetricsOverride")
    browser.emulate("Emulation.setEmulatedMedia", features=[])


def resize(browser: Chromium, width: int) -> None:
    browser.emulate("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)


def set_scheme(browser: Chromium, scheme: str) -> None:
    browser.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


CUT = """
return [...document.querySelectorAll("body *")].filter((one) => {
  const box = one.getBoundingClientRect(), frame = document.documentElement.clientWidth;
  return box.width && (box.left < -0.5 || box.right > frame + 0.5);
}).map((one) => one.outerHTML.slice(0, 60))
"""
"""The elements that reach over the screen's edge."""

CONTRAST = """
const light = (colour) => {
  const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const back = (one) => {
  for (; one; one = one.parentElement) {
    const colour = getComputedStyle(one).backgroundColor;
    if (!colour.endsWith(", 0)")) return colour;
  }
};
const texts = [...document.querySelectorAll("h1, h2, h2 a, small, p, strong, li, .badge, .span span, footer p")];
return Math.min(...texts.map((one) => {
  const [a, b] = [light(getComputedStyle(one).color), light(back(one))];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}));
"""
"""The smallest contrast of a text with what is behind it, as WCAG 2 defines it."""


@pytest.mark.parametrize(("width", "columns"), [(360, 1), (390, 1), (1280, 3)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_index_is_readable_at_every_width_in_light_and_dark(
    index: Chromium, width: int, columns: int, scheme: str
) -> None:
    set_scheme(index, scheme)
    resize(index, width)
    assert index.run("return document.documentElement.scrollWidth") <= width
    assert index.run(CUT) == []
    lefts = index.run(
        "return [...document.querySelectorAll('article')].map((one) => Math.round(one.getBoundingClientRect().left))"
    )
    assert (len(lefts), len(set(lefts))) == (len(PLATFORMS), columns)
    assert index.run(CONTRAST) >= 4.5
    back = index.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(back) < 384) == (scheme == "dark")


def test_what_is_red_is_read_first_without_scrolling_on_a_phone(index: Chromium) -> None:
    resize(index, 390)
    said = "return document.querySelector(arguments[0]).innerText"
    assert index.run(said, "header p") == "2 of 8 platforms red: Jetson TX1 (2 cells), Jetson TK1 (1 cell)"
    assert index.run(said, "header p + p") == "2 without a new complete run: Jetson TX2, Jetson TX1"
    assert index.run("return document.querySelector('main').getBoundingClientRect().top") < 200


def test_the_colour_of_a_tile_is_that_of_its_platform(index: Chromium) -> None:
    colours = {
        name: index.run(
            "return getComputedStyle(document.getElementById(arguments[0])).borderLeftColor", name
        )
        for name in PLATFORMS
    }  # fmt: skip
    assert colours[RED] == colours[BROKEN] != colours[STALE]
    assert len(set(colours.values())) == 3


def test_a_bar_is_drawn_for_each_red_night_where_it_was(index: Chromium) -> None:
    chart, path = index.run(
        "const box = (one) => { const b = one.getBoundingClientRect(); return [b.left, b.right, b.height]; };"
        "const chart = document.querySelector(`#${arguments[0]} .nights`);"
        "return [box(chart), box(chart.querySelector('path'))]",
        RED,
    )
    night = (chart[1] - chart[0]) / NIGHTS
    assert path[0] == pytest.approx(chart[0] + 5 * night, abs=night)
    assert path[1] == pytest.approx(chart[1], abs=night)
    assert path[2] > 20


@pytest.mark.parametrize("width", [390, 1280])
def test_a_tile_leads_to_the_page_of_its_platform_and_back(index: Chromium, width: int) -> None:
    resize(index, width)
    index.click(f"#{RED} h2 a")
    assert index.run("return document.querySelector('main tbody tr .cell').textContent") == f"{RED}-squeezenet_v1.1-b8"
    assert index.run("return document.documentElement.scrollWidth") <= width
    index.click("[data-view='history']")
    assert len(index.run("return [...document.querySelectorAll('.nights .mark')]")) == NIGHTS
    index.click("nav a")
    assert index.run("return document.querySelectorAll('article').length") == len(PLATFORMS)


def test_a_red_platform_is_reached_from_the_first_line(index: Chromium) -> None:
    index.click("header p a:last-child")
    assert "Jetson TK1" in index.run("return document.querySelector('.runs').innerText")


def test_the_page_of_a_platform_that_measured_nothing_says_so(index: Chromium) -> None:
    index.click(f"#{BROKEN} h2 a")
    assert "measured nothing; 2 cells failed" in index.run("return document.querySelector('header .note').innerText")


def test_every_link_is_reached_with_the_tab_key(index: Chromium) -> None:
    reached = []
    for _ in range(len(PLATFORMS) + 4):
        index.press("Tab")
        reached.append(index.run("return document.activeElement.getAttribute('href')"))
    assert {f"platforms/{name}.html" for name in PLATFORMS} <= set(reached)
