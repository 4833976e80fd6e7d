"""The static site of a history: which pages are written, and what the index shows of each platform."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from messages import assert_names
from nightly import FIRST_NIGHT, cell, moment, without_measurement, write_night

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.records import FAILING, CellKey, Outcome
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.report.site import MOST_NIGHTS, Site, write_site

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.core.records import CellRecord

B1, B8 = CellKey("tk1", "squeezenet_v1.1", 1), CellKey("tk1", "squeezenet_v1.1", 8)
TX1 = CellKey("tx1", "squeezenet_v1.1", 8)
PAGES = ["index.html", "platforms/tk1.html", "platforms/tx1.html"]


class Tiles(HTMLParser):
    """Of an index page: the texts of each tile by platform, its colour, and every address."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: dict[str, list[str]] = {"": []}
        self.colours: dict[str, str] = {}
        self.bars: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.addresses: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "article":
            self._inside = values["id"]
            self.texts[self._inside] = []
            self.colours[self._inside] = values["class"]
        if tag == "a":
            self.links.append(values["href"])
        if tag == "path":
            self.bars[self._inside] = re.findall(r"M[\d.]+ 24v-[\d.]+", values["d"])
        self.addresses += [values[name] for name in ("src", "href", "action", "data", "poster") if name in values]

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == "article" else self._inside

    def handle_data(self, data: str) -> None:
        self.texts[self._inside].append(data)

    def text(self, platform: str = "") -> str:
        return " ".join(" ".join(self.texts[platform]).split())


def at(key: CellKey, ms: float = 50.0, outcome: Outcome = Outcome.OK) -> CellRecord:
    return replace(cell(key, [ms] * 5, outcome=outcome), now_ms=ms)


def night(folder: Path, number: int, *cells: CellRecord, ended: bool = True) -> Path:
    platforms = tuple(dict.fromkeys(one.key.platform for one in cells))
    return write_night(folder / "history", number, cells, platforms=platforms, ended=ended)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A history of three nights of two platforms."""
    for number in range(3):
        night(tmp_path, number, at(B1), at(B8), at(TX1))
    return tmp_path


def build(folder: Path, platforms: Sequence[str] | None = None) -> Site:
    return write_site(load_catalog(), folder / "history", folder / "site", platforms=platforms)


def written(site: Site, folder: Path) -> list[str]:
    return sorted(path.relative_to(folder / "site").as_posix() for path in site.written)


def index(folder: Path) -> Tiles:
    build(folder)
    return Tiles((folder / "site" / "index.html").read_text(encoding="utf-8"))


def page(folder: Path, platform: str = "tk1") -> str:
    return (folder / "site" / "platforms" / f"{platform}.html").read_text(encoding="utf-8")


def test_an_index_and_a_page_for_each_platform_are_written(folder: Path) -> None:
    site = build(folder)
    assert written(site, folder) == PAGES
    there = [path.relative_to(folder / "site").as_posix() for path in (folder / "site").rglob("*") if path.is_file()]
    assert sorted(there) == PAGES
    assert (site.unchanged, site.warnings) == (0, [])


def test_nothing_is_written_where_nothing_changed(folder: Path) -> None:
    build(folder)
    before = {path: path.stat().st_mtime_ns for path in (folder / "site").rglob("*.html")}
    again = build(folder)
    assert (again.written, again.unchanged) == ([], 3)
    assert {path: path.stat().st_mtime_ns for path in (folder / "site").rglob("*.html")} == before


def test_of_an_added_night_only_the_index_and_the_page_of_its_platform_are_written(folder: Path) -> None:
    build(folder)
    night(folder, 3, at(TX1))
    assert written(build(folder), folder) == ["index.html", "platforms/tx1.html"]


def test_a_page_that_somebody_changed_is_written_again(folder: Path) -> None:
    build(folder)
    (folder / "site" / "platforms" / "tk1.html").write_text("mine", encoding="utf-8")
    assert written(build(folder), folder) == ["platforms/tk1.html"]


def test_other_files_in_the_folder_are_left_as_they_are(folder: Path) -> None:
    (folder / "site").mkdir()
    (folder / "site" / "CNAME").write_text("speed.example.org", encoding="utf-8")
    build(folder)
    assert (folder / "site" / "CNAME").read_text(encoding="utf-8") == "speed.example.org"


def test_only_the_platforms_that_were_named_are_shown_in_their_order(folder: Path) -> None:
    assert written(build(folder, ["tx1", "nano"]), folder) == ["index.html", "platforms/tx1.html"]
    build(folder, ["tx1", "tk1"])
    tiles = Tiles((folder / "site" / "index.html").read_text(encoding="utf-8"))
    assert list(tiles.colours) == ["tx1", "tk1"]


def test_each_tile_leads_to_its_page_and_back(folder: Path) -> None:
    tiles = index(folder)
    assert set(tiles.links) == {"platforms/tk1.html", "platforms/tx1.html"}
    assert '<a href="../index.html">' in page(folder)


def test_the_index_names_nothing_that_would_be_loaded(folder: Path) -> None:
    text = (folder / "site" / "index.html").read_text(encoding="utf-8") if index(folder) else ""
    assert set(index(folder).addresses) == {"platforms/tk1.html", "platforms/tx1.html"}
    assert "<script" not in text
    assert not re.search(r"url\(|@import|https?:", text)
    assert "default-src 'none'" in text


def test_the_page_of_a_platform_has_its_cells_and_nights_alone(folder: Path) -> None:
    build(folder)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page(folder))
    assert found
    data = json.loads(found[1])
    assert [one["id"] for one in data["platforms"]] == ["tk1"]
    assert {key: len(nights) for key, nights in data["trends"]} == {str(B1): 3, str(B8): 3}


def test_a_green_platform_is_green_with_its_verdicts_and_date(folder: Path) -> None:
    tiles = index(folder)
    assert tiles.colours == {"tk1": "green", "tx1": "green"}
    assert_names(tiles.text("tk1"), "Jetson TK1", "2 ok", "2026-11-03 02:00 UTC", "None red in 3 nights", "2026-11-01")
    assert tiles.bars["tk1"] == []
    assert_names(tiles.text(), "2 platforms, none red")


@every_row("outcome", sorted(FAILING))
def test_a_cell_that_failed_makes_its_platform_red(outcome: Outcome, tmp_path: Path) -> None:
    for number in range(3):
        night(tmp_path, number, at(B1), at(TX1))
    night(tmp_path, 3, at(B1), at(B8, outcome=outcome))
    night(tmp_path, 4, at(TX1))
    tiles = index(tmp_path)
    assert tiles.colours == {"tk1": "red", "tx1": "green"}
    assert_names(tiles.text("tk1"), f"1 {outcome}", "Red on 1 of 4 nights, at most 1 cell")
    assert_names(tiles.text(), "1 of 2 platforms red", "Jetson TK1 (1 cell)")


def test_the_red_cells_of_each_night_are_drawn(folder: Path) -> None:
    slow = Outcome.REGRESSED
    night(folder, 3, at(B1, outcome=slow), at(B8, outcome=slow), at(TX1))
    night(folder, 4, at(B1), at(B8, outcome=Outcome.ERROR), at(TX1))
    night(folder, 5, at(B1), at(B8), at(TX1))
    tiles = index(folder)
    assert tiles.colours["tk1"] == "green"
    assert_names(tiles.text("tk1"), "Red on 2 of 6 nights, at most 2 cells")
    assert tiles.bars["tk1"] == ["M27.5 24v-24", "M28.5 24v-12"]  # of 30 places, the newest night is the last


def test_a_bar_of_one_cell_can_be_seen_beside_one_of_very_many(tmp_path: Path) -> None:
    keys = [replace(B1, batch_size=size) for size in range(1, 101)]
    night(tmp_path, 0, *(at(key, outcome=Outcome.REGRESSED) for key in keys))
    night(tmp_path, 1, *(at(key, outcome=Outcome.REGRESSED if key == B1 else Outcome.OK) for key in keys))
    assert index(tmp_path).bars["tk1"] == ["M28.5 24v-24", "M29.5 24v-3"]


def test_unstable_and_new_cells_are_not_red(folder: Path) -> None:
    night(folder, 3, at(B1, outcome=Outcome.UNSTABLE), at(B8, outcome=Outcome.NEW), at(TX1))
    tiles = index(folder)
    assert tiles.colours["tk1"] == "green"
    assert_names(tiles.text("tk1"), "1 unstable", "1 new", "None red in 4 nights")


def test_a_red_cell_that_the_newest_run_did_not_measure_stays_red(folder: Path) -> None:
    night(folder, 3, at(B1), at(B8, outcome=Outcome.REGRESSED), at(TX1))
    night(folder, 4, at(B1))
    tiles = index(folder)
    assert tiles.colours["tk1"] == "red"
    assert_names(tiles.text("tk1"), "1 regressed", "1 ok")


def test_a_newest_run_that_measured_nothing_is_red_and_its_page_says_so(folder: Path) -> None:
    last = night(folder, 3, *(without_measurement(key, Outcome.ERROR) for key in (B1, B8)), at(TX1))
    tiles = index(folder)
    assert tiles.colours == {"tk1": "red", "tx1": "green"}
    assert_names(tiles.text("tk1"), "nothing measured", "2 error", "Red on 1 of 4 nights")
    assert "ok" not in tiles.text("tk1")
    assert_names(tiles.text(), "1 of 2 platforms red", "Jetson TK1 (2 cells)", "1 without a new complete run")
    assert_names(page(folder), last.stem, "measured nothing", "2 cells failed")


def test_a_platform_that_was_never_measured_in_time_has_a_tile(tmp_path: Path) -> None:
    night(tmp_path, 0, without_measurement(B1, Outcome.ERROR))
    tiles = index(tmp_path)
    assert tiles.colours == {"tk1": "red"}
    assert_names(tiles.text("tk1"), "nothing measured", "1 error", "Red on 1 of 1 night")
    assert_names(page(tmp_path), "measured nothing; 1 cell failed")


def test_a_newest_run_that_failed_in_some_cells_leaves_the_others_their_verdicts(folder: Path) -> None:
    night(folder, 3, at(B1), at(B8, outcome=Outcome.REGRESSED), at(TX1))
    night(folder, 4, without_measurement(B1, Outcome.CRASHED))
    night(folder, 5, without_measurement(replace(B1, batch_size=2), Outcome.OOM))
    tiles = index(folder)
    assert_names(tiles.text("tk1"), "1 regressed", "1 crashed", "1 oom", "nothing measured")
    assert "Jetson TK1 (3 cells)" in tiles.text()


def test_a_newest_run_without_any_time_and_without_a_failure_is_doubtful(folder: Path) -> None:
    night(folder, 3, without_measurement(B1, Outcome.UNAVAILABLE), at(TX1))
    assert index(folder).colours["tk1"] == "amber"


@pytest.mark.parametrize(("hours", "said"), [(12, ""), (35, ""), (37, "2 days older"), (24 * 7, "7 days older")])
def test_a_platform_whose_newest_run_is_more_than_36_hours_older_is_doubtful(
    folder: Path, hours: int, said: str
) -> None:
    path = night(folder, 3, at(TX1))
    started = (FIRST_NIGHT + timedelta(days=2, hours=hours)).isoformat()
    path.write_text(path.read_text(encoding="utf-8").replace(moment(3), started), encoding="utf-8")
    tiles = index(folder)
    assert tiles.colours == {"tk1": "amber" if said else "green", "tx1": "green"}
    assert said in tiles.text("tk1")
    assert ("1 without a new complete run" in tiles.text()) == ("older" in tiles.text("tk1")) == bool(said)
    assert "2 platforms, none red" in tiles.text()


def test_an_interrupted_run_is_doubtful(folder: Path) -> None:
    night(folder, 3, at(B1), at(B8), ended=False)
    tiles = index(folder)
    assert tiles.colours == {"tk1": "amber", "tx1": "green"}
    assert_names(tiles.text("tk1"), "interrupted")


def test_the_chart_has_at_most_a_year_of_nights(tmp_path: Path) -> None:
    for number in range(MOST_NIGHTS + 5):
        night(tmp_path, number, at(B1, outcome=Outcome.OK if number else Outcome.REGRESSED))
    assert_names(index(tmp_path).text("tk1"), f"None red in {MOST_NIGHTS} nights")


def test_a_title_is_text(folder: Path, tmp_path: Path) -> None:
    catalog = load_catalog()
    hostile = "<img src=x onerror=alert(1)> & \"'"
    platforms = {**catalog.platforms, "tk1": replace(catalog.platforms["tk1"], title=hostile)}
    write_site(replace(catalog, platforms=platforms), folder / "history", folder / "site")
    tiles = Tiles((folder / "site" / "index.html").read_text(encoding="utf-8"))
    assert_names(tiles.text("tk1"), hostile)
    assert set(tiles.addresses) == {"platforms/tk1.html", "platforms/tx1.html"}


def test_a_platform_that_is_not_known_is_a_warning(folder: Path) -> None:
    night(folder, 3, at(replace(B1, platform="gone")))
    site = build(folder)
    assert_names(" ".join(site.warnings), "'gone'", "ddperf.toml")
    assert written(site, folder) == PAGES


def test_a_file_that_cannot_be_read_is_a_warning(folder: Path) -> None:
    (folder / "history" / "torn.jsonl").write_text('{"type": "ru', encoding="utf-8")
    assert_names(" ".join(build(folder).warnings), "torn.jsonl")


@pytest.mark.parametrize("platforms", [None, ["nano", "tx2"]])
def test_without_a_run_nothing_is_written(tmp_path: Path, platforms: list[str] | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(tmp_path, platforms)
    assert_names(caught, "no run", tmp_path / "history", *(platforms or []))
    assert not (tmp_path / "site").exists()


def test_a_folder_that_cannot_be_written_is_refused(folder: Path) -> None:
    (folder / "site").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        build(folder)
    assert_names(caught, folder / "site", "--site=DIR")


def test_a_page_whose_place_is_taken_by_a_folder_is_refused(folder: Path) -> None:
    (folder / "site" / "index.html").mkdir(parents=True)
    with pytest.raises(ConfigurationError) as caught:
        build(folder)
    assert_names(caught, folder / "site", "Is a directory")
    assert [path.name for path in (folder / "site").iterdir() if path.name.endswith(".tmp")] == []
