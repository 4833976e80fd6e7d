"""The page over the figures in a real headless Chromium, from a file: wide and narrow, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import webdriver
from figure_results import published
from webdriver import Chromium

from pytest_ddperf.plots import api
from pytest_ddperf.plots.describe import names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow

if why := webdriver.missing():
    pytest.skip(f"the page over the figures was not tried in a browser: {why}", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The figures of a platform that has few."""
    drawn = tmp_path_factory.mktemp("figures of tonight #1")
    api.draw(published(), [], drawn, ["raspi4-ncnn"])
    return drawn


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture
def page(browser: Chromium, folder: Path) -> Iterator[Chromium]:
    browser.open((folder / names.INDEX).as_uri())
    yield browser
    assert browser.console() == []


def test_every_picture_is_loaded_and_nothing_else_is_asked_for(page: Chromium, folder: Path) -> None:
    pictures = {path.as_uri() for path in folder.rglob("*.png")}
    assert page.run("return [...document.images].every((one) => one.naturalWidth > 500)")
    assert set(page.requested()) == pictures | {(folder / names.INDEX).as_uri()}


def test_it_is_readable_at_every_width_in_light_and_dark(page: Chromium) -> None:
    for scheme in ("light", "dark"):
        page.emulate("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        for width, columns in ((390, 1), (1280, 2)):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            page.emulate("Emulation.setDeviceMetricsOverride", **size)
            assert page.run("return document.documentElement.scrollWidth") <= width
            lefts = page.run("return [...document.images].map((one) => Math.round(one.getBoundingClientRect().left))")
            assert len(set(lefts)) == columns
            back = page.run("return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
            assert (sum(back) < 384) == (scheme == "dark")


def test_a_family_is_reached_from_the_top_and_a_picture_leads_to_its_drawing(page: Chromium) -> None:
    page.click("nav a[href='#efficiency']")
    assert page.run("return document.querySelector('#efficiency').getBoundingClientRect().top") < 900
    link = "return document.querySelector('figure a').getAttribute('href')"
    assert page.run(link) == "cost/all.svg"
