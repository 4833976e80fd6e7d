from __future__ import annotations

import re
import shutil
import socket
import tomllib
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias

import pytest
from every_row import every_row
from messages import assert_names
from nightly import cell, moment, write_night
from recording import measured, skipped

from pytest_ddperf.baselines.recordings import write_recorded
from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.config import load_catalog as load_catalog_module
from pytest_ddperf.config.load_catalog import find_package_data, find_tables, load_catalog
from pytest_ddperf.config.published_tables import read_table
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.platform import BATCH_SIZES_REPORT
from pytest_ddperf.core.records import Baseline, CellKey, CellRecord, Clock, Outcome, Unavailable, convert_published
from pytest_ddperf.errors import BaselineFileError, ConfigurationError
from pytest_ddperf.history.nights import Nights, read_nights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

REPORT_PLATFORMS = (
    "gtx1080ti",
    "tx2",
    "tx2-tensorrt",
    "tx1",
    "nano",
    "tk1",
    "raspi4-ncnn",
    "raspi3",
    "raspi3-ncnn",
)
NewStore: TypeAlias = "Callable[[], BaselineStore]"
KEY = CellKey("tk1", "resnet50", 2)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "baselines").mkdir(parents=True)
    return tmp_path / "project"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "pytest-ddperf"


@pytest.fixture
def store(project: Path) -> NewStore:
    return lambda: BaselineStore(load_catalog(project), project_dir=project)


def record(path: Path, *records: CellRecord, now: str = "2026-03-01T00:00:00+00:00") -> None:
    write_recorded(path, records, machine_info={}, now=datetime.fromisoformat(now))


def test_the_catalogue_holds_the_reports_platforms_and_local() -> None:
    platforms = load_catalog().platforms
    assert tuple(platforms) == (*REPORT_PLATFORMS, "local")
    assert [one.id for one in platforms.values() if one.report] == list(REPORT_PLATFORMS)


def test_the_rows_of_every_published_table_are_its_platforms_batch_sizes() -> None:
    catalog = load_catalog()
    for platform in REPORT_PLATFORMS:
        described = catalog.platform(platform)
        table = read_table(find_package_data() / f"{platform}.csv", catalog, described.columns)
        assert {batch_size for _, batch_size in table.cells} == set(described.batch_sizes)
        assert table.models == described.models


def test_every_key_of_the_packages_platform_file_is_taken_over() -> None:
    tables = tomllib.loads((find_package_data() / "platforms.toml").read_text(encoding="utf-8"))["platforms"]
    for platform_id, values in tables.items():
        described = load_catalog().platform(platform_id)
        for key, value in values.items():
            assert described.value_of(key) == (tuple(value) if isinstance(value, list) else value)


def test_what_the_report_states_of_the_tk1() -> None:
    tk1 = load_catalog().platform("tk1")
    assert (tk1.peak_gflops, tk1.cores, tk1.watts, tk1.price_usd, tk1.memory_gib) == (300, 192, 12.5, 200, None)
    assert (tk1.parameters.mllib, tk1.parameters.gpu, tk1.tolerance, tk1.url) == (
        "caffe",
        True,
        0.1,
        "http://localhost:8080",
    )
    assert tk1.batch_sizes == BATCH_SIZES_REPORT


def test_local_is_the_embedded_server_with_the_13_networks_at_1_to_8() -> None:
    local = load_catalog().platform("local")
    assert (local.url, local.default_models, local.batch_sizes) == ("embedded", NETWORK_IDS, (1, 2, 4, 8))


def test_the_networks_of_a_picture_run_by_default_but_for_the_one_that_it_does_not_tell() -> None:
    nano = load_catalog().platform("nano")
    assert nano.default_models == (
        "shufflenet",
        "squeezenet_ssd_faces",
        "squeezenet_ssd_voc",
        "vgg16_ssd_600",
        "resnet18_ocr",
        "crnn_ocr",
    )
    assert "squeezenet_unversioned" in nano.models
    baseline = BaselineStore(load_catalog()).load("nano").get(CellKey("nano", "crnn_ocr", 1))
    assert isinstance(baseline, Baseline)
    assert baseline.value_ms == 346


@pytest.mark.parametrize("platform", ["nano", "tx2", "tx2-tensorrt"])
def test_a_squeezenet_without_version_is_held_against_neither(platform: str) -> None:
    baseline = BaselineStore(load_catalog()).load(platform)
    assert baseline.get(CellKey(platform, "squeezenet_unversioned", 1)) is not None
    assert baseline.get(CellKey(platform, "squeezenet_v1.0", 1)) is None
    assert baseline.get(CellKey(platform, "squeezenet_v1.1", 1)) is None


def test_a_published_value_names_its_source_and_line() -> None:
    assert BaselineStore(load_catalog()).load("tk1").get(CellKey("tk1", "squeezenet_v1.1", 8)) == Baseline(
        "report",
        53.6,
        "reference values of 2019 on Caffe: report, TK1 table (mean of 5 passes of head.time); "
        "baselines/tk1.csv, line 5",
    )


def test_a_published_x_is_unavailable_and_names_its_line() -> None:
    assert BaselineStore(load_catalog()).load("tk1").get(CellKey("tk1", "densenet201", 2)) == Unavailable(
        "baselines/tk1.csv, line 3"
    )


@pytest.mark.parametrize(
    ("key", "reading_error_ms"),
    [
        (CellKey("nano", "shufflenet", 1), 68.5 * 0.007),
        (CellKey("raspi4-ncnn", "shufflenet", 1), 4.7),
        (CellKey("tx1", "shufflenet", 1), 0.0),
    ],
)
def test_a_published_value_carries_its_reading_error(key: CellKey, reading_error_ms: float) -> None:
    baseline = BaselineStore(load_catalog()).load(key.platform).get(key)
    assert isinstance(baseline, Baseline)
    assert baseline.reading_error_ms == pytest.approx(reading_error_ms)


def test_a_cell_that_nobody_published_has_no_baseline() -> None:
    assert BaselineStore(load_catalog()).load("tk1").get(CellKey("tk1", "resnet50", 3)) is None


def test_the_cells_of_a_platform_are_all_of_its_table() -> None:
    assert len(BaselineStore(load_catalog()).load("tk1")) == 104


@pytest.mark.parametrize(("clock", "value_ms"), [(Clock.PREDICT, 10.125), (Clock.HEAD, 10.0), (Clock.CLIENT, 10.125)])
def test_a_published_value_misses_half_a_millisecond_for_the_batch(clock: Clock, value_ms: float) -> None:
    assert convert_published(clock, 10.0, 4) == value_ms


def test_a_projects_platform_file_adds_and_overrides(project: Path) -> None:
    (project / "ddperf.toml").write_text('[platforms.tk1]\nurl = "http://a"\n[platforms.own]\nmodels = ["res50"]\n')
    catalog = load_catalog(project)
    assert (catalog.platform("tk1").url, catalog.platform("tk1").watts) == ("http://a", 12.5)
    assert catalog.platform("own").models == ("resnet50",)


@pytest.mark.parametrize("line", ['models = ["res51"]', 'columns = {Own = "res51"}'])
def test_an_unknown_network_in_a_platform_file_is_refused(project: Path, line: str) -> None:
    (project / "ddperf.toml").write_text(f"[platforms.own]\n{line}\n")
    with pytest.raises(BaselineFileError) as caught:
        load_catalog(project)
    assert_names(caught, "ddperf.toml, line 2", "platforms.own", "'res51'")


def test_the_networks_of_a_projects_own_table_are_its_platforms(project: Path) -> None:
    (project / "ddperf.toml").write_text("[platforms.own]\n")
    (project / "baselines" / "own.csv").write_text("batch_size,vgg16,res50\n1,2,3\n")
    assert load_catalog(project).platform("own").models == ("resnet50", "vgg16")


def test_a_projects_own_table_comes_before_the_packages(project: Path, store: NewStore) -> None:
    (project / "baselines" / "nano.csv").write_text("batch_size,ShuffleNet\n1,7\n")
    baseline = store().load("nano")
    file = project / "baselines" / "nano.csv"
    assert baseline.get(CellKey("nano", "shufflenet", 1)) == Baseline("report", 7.0, f"{file}, line 2")
    published = baseline.get(CellKey("nano", "shufflenet", 2))
    assert isinstance(published, Baseline)
    assert published.value_ms == 41.4


def test_a_projects_own_reading_error_holds_for_its_own_table(project: Path, store: NewStore) -> None:
    (project / "ddperf.toml").write_text('[platforms.tk1]\nreading_error_ms = 1\nsource = "my desk"\n')
    (project / "baselines" / "tk1.csv").write_text("batch_size,vgg16\n1,7\n")
    assert store().load("tk1").get(CellKey("tk1", "vgg16", 1)) == Baseline(
        "report", 7.0, f"my desk; {project / 'baselines' / 'tk1.csv'}, line 2", reading_error_ms=1.0
    )


def test_a_file_below_the_current_folder_is_shown_from_there_on(
    project: Path, store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2))
    monkeypatch.chdir(project)
    found = store().load("tk1").get(KEY)
    assert isinstance(found, Baseline)
    assert found.source.startswith("baselines/tk1.json, recorded 2026-03-01")


@pytest.fixture
def board(project: Path) -> Path:
    (project / "ddperf.toml").write_text('[platforms.board2]\nlike = "tk1"\n')
    return project


@pytest.mark.usefixtures("board")
def test_a_board_has_the_published_table_of_the_platform_that_it_is_like(store: NewStore) -> None:
    ours, theirs = store().load("board2"), store().load("tk1")
    assert [replace(key, platform="tk1") for key in ours] == list(theirs)
    assert ours.get(CellKey("board2", "resnet50", 2)) == theirs.get(KEY)


def test_a_board_has_recordings_of_its_own(board: Path, store: NewStore) -> None:
    record(board / "baselines" / "tk1.json", measured("resnet50", 2))
    found = store().load("board2").get(CellKey("board2", "resnet50", 2))
    assert isinstance(found, Baseline)
    assert found.kind == "report"
    assert store().recorded_path("board2") == board / "baselines" / "board2.json"


def test_a_boards_own_table_comes_before_that_of_the_platform(board: Path, store: NewStore) -> None:
    (board / "baselines" / "board2.csv").write_text("batch_size,ResNet 50\n2,7\n")
    values = [store().load("board2").get(CellKey("board2", "resnet50", size)) for size in (2, 4)]
    assert [one.value_ms for one in values if isinstance(one, Baseline)] == [7.0, 234.0]


def test_a_board_has_the_networks_and_batch_sizes_of_the_platform(board: Path) -> None:
    catalog = load_catalog(board)
    ours, theirs = catalog.platform("board2"), catalog.platform("tk1")
    assert (ours.models, ours.batch_sizes, ours.watts) == (theirs.models, theirs.batch_sizes, theirs.watts)


def test_the_knobs_of_a_board_win_network_by_network(board: Path) -> None:
    (board / "ddperf.toml").write_text(
        '[platforms.board2]\nlike = "tk1"\n[platforms.board2.knobs.resnet50]\nscale = 2.0\n'
        "[platforms.tk1.knobs.ResNet-50]\nscale = 3.0\nrgb = true\n[platforms.tk1.knobs.vgg16]\nbw = true\n"
    )
    assert load_catalog(board).platform("board2").knobs == {
        "resnet50": {"scale": 2.0, "rgb": True},
        "vgg16": {"bw": True},
    }


def test_recorded_wins_over_published_cell_by_cell(project: Path, store: NewStore) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2), skipped("googlenet", 1))
    baseline = store().load("tk1")
    recorded, published = baseline.get(KEY), baseline.get(CellKey("tk1", "resnet50", 1))
    assert isinstance(recorded, Baseline)
    assert isinstance(published, Baseline)
    assert (recorded.kind, recorded.value_ms) == ("recorded", 51.0)
    assert (published.kind, published.value_ms) == ("report", 203.0)
    assert isinstance(baseline.get(CellKey("tk1", "googlenet", 1)), Unavailable)


def test_only_recorded_or_only_published_can_be_asked_for(project: Path, store: NewStore) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2))
    assert store().load("tk1", "recorded").keys() == {KEY}
    published = store().load("tk1", "report").get(KEY)
    assert isinstance(published, Baseline)
    assert published.value_ms == 231.0


def test_cells_of_other_platforms_in_a_file_are_passed_over(project: Path, store: NewStore) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2, platform="tx1"))
    assert store().load("tk1", "recorded") == {}


def nights_of(folder: Path, count: int, *keys: CellKey, first: int = 0) -> Nights:
    """A history of the TK1: so many accepted nights."""
    for night in range(first, first + count):
        write_night(folder, night, [cell(key, [70.0]) for key in keys])
    return read_nights(folder, "tk1")


def kind_of(baseline: Mapping[CellKey, Baseline | Unavailable], key: CellKey = KEY) -> str:
    found = baseline.get(key)
    return found.kind if isinstance(found, Baseline) else repr(found)


@pytest.mark.parametrize(("count", "kind"), [(7, "report"), (8, "history")])
def test_the_history_comes_first_from_8_accepted_nights_cell_by_cell(
    tmp_path: Path, store: NewStore, count: int, kind: str
) -> None:
    baseline = store().load("tk1", nights=nights_of(tmp_path, count, KEY))
    assert kind_of(baseline) == kind
    assert kind_of(baseline, CellKey("tk1", "resnet50", 1)) == "report"


@pytest.mark.parametrize(("count", "kind"), [(7, "recorded"), (8, "history")])
def test_only_nights_since_the_recorded_baseline_count(
    tmp_path: Path, project: Path, store: NewStore, count: int, kind: str
) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2), now=moment(9))
    nights_of(tmp_path, 10, KEY)
    assert kind_of(store().load("tk1", nights=nights_of(tmp_path, count, KEY, first=10))) == kind


def test_a_regressed_cell_whose_nights_do_not_count_keeps_its_recorded_baseline(
    tmp_path: Path, project: Path, store: NewStore
) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2), now=moment(0))
    for night in range(1, 20):
        write_night(tmp_path, night, [cell(KEY, [90.0], outcome=Outcome.REGRESSED)])
    assert kind_of(store().load("tk1", nights=read_nights(tmp_path, "tk1"))) == "recorded"


def test_the_history_alone_can_be_asked_for_from_one_night(tmp_path: Path, store: NewStore) -> None:
    baseline = store().load("tk1", "history", nights_of(tmp_path, 1, KEY))
    assert baseline.keys() == {KEY}
    assert kind_of(baseline) == "history"


def test_the_history_alone_begins_after_the_recorded_baseline_too(
    tmp_path: Path, project: Path, store: NewStore
) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2), now=moment(5))
    assert store().load("tk1", "history", nights_of(tmp_path, 5, KEY)) == {}


def test_a_history_that_there_is_none_of_holds_nothing(store: NewStore) -> None:
    assert store().load("tk1", "history") == {}
    assert store().load("tk1", "history", Nights("tk1")) == {}


@pytest.mark.parametrize("kind", ["recorded", "report"])
def test_the_history_is_left_aside_where_another_baseline_is_asked_for(
    tmp_path: Path, project: Path, store: NewStore, kind: str
) -> None:
    record(project / "baselines" / "tk1.json", measured("resnet50", 2))
    assert kind_of(store().load("tk1", kind, nights_of(tmp_path, 30, KEY))) == kind


@pytest.mark.parametrize("key", [CellKey("tk1", "densenet201", 2), CellKey("tk1", "googlenet", 1)])
def test_an_x_stays_whatever_the_history_holds(tmp_path: Path, project: Path, store: NewStore, key: CellKey) -> None:
    record(project / "baselines" / "tk1.json", skipped("googlenet", 1))
    baseline = store().load("tk1", nights=nights_of(tmp_path, 8, key))
    assert isinstance(baseline.get(key), Unavailable)


def test_the_store_says_since_when_each_cell_is_recorded(project: Path, store: NewStore) -> None:
    path = project / "baselines" / "tk1.json"
    record(path, measured("resnet50", 2), measured("vgg16", 1))
    record(path, measured("vgg16", 1), now="2026-04-02T10:00:00+00:00")
    assert store().recorded_since("tk1") == {
        KEY: "2026-03-01T00:00:00+00:00",
        CellKey("tk1", "vgg16", 1): "2026-04-02T10:00:00+00:00",
    }


def test_a_path_to_a_table_is_the_baseline(tmp_path: Path, store: NewStore) -> None:
    path = tmp_path / "old.csv"
    path.write_text("batch_size,res50\n2,7\n")
    baseline = store().load("tk1", str(path))
    assert baseline.keys() == {KEY}
    assert isinstance(found := baseline.get(KEY), Baseline)
    assert (found.value_ms, found.kind) == (7.0, "report")


def test_a_path_to_a_recorded_run_is_the_baseline(tmp_path: Path, store: NewStore) -> None:
    record(tmp_path / "runs" / "monday.json", measured("resnet50", 2))
    assert store().load("tk1", str(tmp_path / "runs" / "monday.json")).keys() == {KEY}


def test_a_path_to_a_folder_is_its_recorded_run_and_its_table(tmp_path: Path, store: NewStore) -> None:
    record(tmp_path / "old" / "tk1.json", measured("resnet50", 2))
    (tmp_path / "old" / "tk1.csv").write_text("batch_size,res50\n1,7\n2,9\n")
    baseline = store().load("tk1", str(tmp_path / "old"))
    assert baseline.keys() == {CellKey("tk1", "resnet50", 1), KEY}
    assert isinstance(found := baseline.get(KEY), Baseline)
    assert found.kind == "recorded"


def test_a_path_that_holds_nothing_of_the_platform_is_refused(tmp_path: Path, store: NewStore) -> None:
    record(tmp_path / "runs" / "tx1.json", measured("resnet50", 2, platform="tx1"))
    for path in (tmp_path / "runs" / "tx1.json", tmp_path / "runs"):
        with pytest.raises(ConfigurationError) as caught:
            store().load("tk1", str(path))
        assert_names(caught, path, "tk1")


@pytest.mark.parametrize("kind", ["recordet", "x" * 5000, "a\0b", ""])
def test_what_is_neither_a_word_nor_a_path_is_refused(store: NewStore, kind: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        store().load("tk1", kind)
    assert_names(caught, "baseline", repr(kind))


def test_a_misspelt_kind_is_guessed(store: NewStore) -> None:
    with pytest.raises(ConfigurationError) as caught:
        store().load("tk1", "recordet")
    assert_names(caught, "'recordet'", "Did you mean recorded?")


def test_a_file_of_another_kind_is_refused(tmp_path: Path, store: NewStore) -> None:
    (tmp_path / "notes.txt").touch()
    with pytest.raises(BaselineFileError) as caught:
        store().load("tk1", str(tmp_path / "notes.txt"))
    assert_names(caught, "notes.txt", ".csv")


def test_a_run_is_recorded_in_the_project(project: Path, store: NewStore) -> None:
    assert store().recorded_path("tk1") == project / "baselines" / "tk1.json"


def test_a_run_without_a_project_has_no_place() -> None:
    with pytest.raises(ConfigurationError) as caught:
        BaselineStore(load_catalog()).recorded_path("tk1")
    assert_names(caught, "project folder")


def test_local_is_recorded_in_the_cache_under_this_hosts_name_and_read_again(
    cache: Path, store: NewStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "my host/1")
    path = store().recorded_path("local")
    assert path.parent == cache / "baselines"
    assert re.fullmatch(r"local-my_host_1-project-[0-9a-f]{12}\.json", path.name)
    record(path, measured("vgg16", 1, platform="local"))
    (key,) = store().load("local")
    assert key == CellKey("local", "vgg16", 1)
    found = store().load("local").get(key)
    assert isinstance(found, Baseline)
    assert found.source.startswith(f"{path}, ")
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    assert store().load("local") == {}


def test_projects_of_one_name_share_no_local_baseline(tmp_path: Path) -> None:
    folders = [tmp_path / parent / "project" for parent in "ab"]
    stores = [BaselineStore(load_catalog(), project_dir=folder) for folder in folders]
    record(stores[0].recorded_path("local"), measured("mine", 1, platform="local"))
    assert [list(one.load("local")) for one in stores] == [[CellKey("local", "mine", 1)], []]


def test_a_project_has_one_local_baseline_whichever_link_leads_to_it(project: Path) -> None:
    link = project.parent / "link"
    link.symlink_to(project)
    paths = {BaselineStore(load_catalog(), folder).recorded_path("local") for folder in (project, link)}
    assert len(paths) == 1


@every_row("name", ["baselines/tk1.json", "baselines/tk1.csv", "ddperf.toml"])
def test_a_link_to_nothing_is_an_error_and_is_not_ignored(project: Path, name: str) -> None:
    (project / name).symlink_to("/not/mounted")
    with pytest.raises(ConfigurationError) as caught:
        BaselineStore(load_catalog(project), project).load("tk1")
    (project / name).unlink()
    assert_names(caught, project / name, "/not/mounted")


@every_row("name", ["baselines/tk1.json", "baselines/tk1.csv", "ddperf.toml"])
def test_a_folder_in_the_place_of_a_file_is_an_error_and_is_not_ignored(project: Path, name: str) -> None:
    (project / name).mkdir()
    with pytest.raises(ConfigurationError) as caught:
        BaselineStore(load_catalog(project), project).load("tk1")
    (project / name).rmdir()
    assert_names(caught, project / name, "folder")


def test_a_folder_of_baselines_that_is_a_link_to_nothing_is_an_error(project: Path) -> None:
    (project / "baselines").rmdir()
    (project / "baselines").symlink_to("/not/mounted")
    with pytest.raises(ConfigurationError) as caught:
        BaselineStore(load_catalog(project), project).load("tk1")
    assert_names(caught, project / "baselines", "/not/mounted")


def test_what_was_recorded_for_the_whole_host_is_read_but_for_networks_of_the_users_own(
    store: NewStore,
) -> None:
    of_host = BaselineStore(load_catalog()).recorded_path("local")
    own = [measured(model, 1, platform="local") for model in ("vgg16", "resnet50", "mine")]
    record(of_host, *own)
    record(store().recorded_path("local"), measured("vgg16", 1, platform="local", batch_ms=(7.0,)))
    baseline = store().load("local")
    assert baseline.keys() == {CellKey("local", "resnet50", 1), CellKey("local", "vgg16", 1)}
    found = baseline.get(CellKey("local", "vgg16", 1))
    assert isinstance(found, Baseline)
    assert found.value_ms == 7.0


def test_a_local_baseline_that_the_project_keeps_is_read_and_written_there(project: Path, store: NewStore) -> None:
    record(store().recorded_path("local"), measured("vgg16", 1, platform="local"))
    own = project / "baselines" / "local.json"
    record(own, measured("vgg16", 1, platform="local", batch_ms=(7.0,)))
    found = store().load("local").get(CellKey("local", "vgg16", 1))
    assert isinstance(found, Baseline)
    assert found.value_ms == 7.0
    assert store().recorded_path("local") == own


def test_the_users_cache_folder_is_where_xdg_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert BaselineStore(load_catalog()).recorded_path("local").parent == tmp_path / "pytest-ddperf" / "baselines"


def test_in_a_source_checkout_no_table_is_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(find_package_data(), tmp_path / "baselines")
    checkout = tmp_path / "pytest_ddperf" / "config" / "load_catalog.py"
    monkeypatch.setattr(load_catalog_module, "__file__", str(checkout))
    assert find_package_data() == tmp_path / "baselines"
    catalog = load_catalog(tmp_path)
    assert len(find_tables(tmp_path, find_package_data(), catalog.platform("nano"))) == 1
    baseline = BaselineStore(catalog, project_dir=tmp_path).load("nano")
    assert isinstance(found := baseline.get(CellKey("nano", "shufflenet", 1)), Baseline)
    assert found.reading_error_ms > 0


def test_the_tables_of_an_installed_package_are_found_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "pytest_ddperf"
    shutil.copytree(find_package_data(), installed / "_data" / "baselines")
    monkeypatch.setattr(load_catalog_module, "__file__", str(installed / "config" / "load_catalog.py"))
    assert find_package_data() == installed / "_data" / "baselines"
