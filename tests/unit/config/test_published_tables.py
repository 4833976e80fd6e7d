from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from every_row import every_row
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from messages import assert_names

from pytest_ddperf.config.load_catalog import find_package_data, load_catalog
from pytest_ddperf.config.published_tables import PublishedCell, read_networks, read_table
from pytest_ddperf.core.catalog import build_bare_catalog
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.errors import FileContentError

TABLES = (
    "gtx1080ti",
    "tx1",
    "tk1",
    "raspi3",
    "nano",
    "tx2",
    "tx2-tensorrt",
    "raspi3-ncnn",
    "raspi4-ncnn",
)
RAW_TABLES = ("gtx1080ti", "tx1", "tk1", "raspi3")
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "board.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


@every_row("platform", TABLES)
def test_every_cell_is_the_reports(platform: str) -> None:
    path = find_package_data() / f"{platform}.csv"
    printed = rows_of(path)
    catalog = load_catalog()
    columns = catalog.platform(platform).columns
    table = read_table(path, catalog, columns)
    header = [columns[name] if name in columns else catalog.model(name).id for name in printed[0][1:]]
    assert len(table.cells) == len(header) * (len(printed) - 1)
    for line, (batch_size, *cells) in enumerate(printed[1:], start=2):
        for model, text in zip(header, cells, strict=True):
            ms = None if text == "x" else float(text)
            assert table.cells[model, int(batch_size)] == PublishedCell(ms, line)


def test_accuracies_and_costs_of_the_networks_are_the_reports_as_text_and_as_number() -> None:
    printed = rows_of(find_package_data() / "networks.csv")
    networks = load_catalog().networks
    for model, (_, top1, giga_flops, million_params, top5) in zip(NETWORK_IDS, printed[1:], strict=True):
        network = networks[model]
        assert network.top1_accuracy_percent == (None if top1 == "missing" else float(top1))
        assert network.top5_accuracy_percent == (None if top5 == "missing" else float(top5))
        assert (network.giga_flops, network.giga_flops_text) == (float(giga_flops), giga_flops)
        assert (network.million_params, network.million_params_text) == (float(million_params), million_params)


def test_the_two_top_5_accuracies_of_the_reports_text_are_known() -> None:
    networks = load_catalog().networks.values()
    known = {one.id: one.top5_accuracy_percent for one in networks if one.top5_accuracy_percent is not None}
    assert known == {"mobilenet": 89.5, "densenet201": 93.64}


def test_the_four_raw_tables_hold_416_cells_194_of_them_x() -> None:
    catalog = load_catalog()
    tables = [read_table(find_package_data() / f"{platform}.csv", catalog) for platform in RAW_TABLES]
    cells = [cell for table in tables for cell in table.cells.values()]
    assert len(cells) == 416
    assert sum(cell.value_ms is None for cell in cells) == 194
    assert all(table.models == NETWORK_IDS for table in tables)


def test_a_table_of_ones_own_may_use_any_spelling_and_order(write: Write) -> None:
    table = read_table(write("batch size, VGG16 ,res50\n4,2.5,x\n1,1e1,3\n"), build_bare_catalog())
    assert table.models == ("resnet50", "vgg16")
    assert {batch_size for _, batch_size in table.cells} == {4, 1}
    assert table.cells["vgg16", 1].value_ms == 10.0
    assert table.cells["resnet50", 4].value_ms is None


def test_a_byte_order_mark_and_windows_line_ends_are_read(write: Write) -> None:
    table = read_table(write(b"\xef\xbb\xbfbatch_size,vgg16\r\n1,2.5\r\n\r\n"), build_bare_catalog())
    assert table.cells["vgg16", 1].value_ms == 2.5


def test_a_column_that_does_not_identify_its_network_may_be_assigned_to_one(write: Write) -> None:
    path = write("batch_size,SqueezeNet\n1,2\n")
    table = read_table(path, build_bare_catalog(), {"SqueezeNet": "squeezenet_unversioned"})
    assert table.models == ("squeezenet_unversioned",)


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("", ("empty", "batch_size")),
        ("\n \n", ("empty", "batch_size")),
        ("batch_size,vgg16\n", ("header", "batch size")),
        ("batch_size\n1\n", ("line 1", "columns", "batch_size")),
        ("model,vgg16\n1,2\n", ("line 1", "'model'", "batch_size")),
        ("batch_size,vgg16\n1,2,3\n", ("line 2", "3 cells", 2)),
        ("batch_size,vgg16\n1,2\n\n2\n", ("line 4", "1 cells", 2)),
        ("batch_size,vgg16\n1,fast\n", ("line 2", "'fast'", "vgg16", "milliseconds")),
        ("batch_size,vgg16\n1,\n", ("line 2", "''", "vgg16")),
        ("batch_size,vgg16\n1,X\n", ("line 2", "'X'", "vgg16")),
        ("batch_size,vgg16\n1,-2\n", ("line 2", "'-2'", "vgg16")),
        ("batch_size,vgg16\n1,0\n", ("line 2", "'0'", "vgg16")),
        ("batch_size,vgg16\n1,nan\n", ("line 2", "'nan'", "vgg16")),
        ("batch_size,vgg16\n1,inf\n", ("line 2", "'inf'", "vgg16")),
        ("batch_size,vgg16\n1,1e999\n", ("line 2", "'1e999'", "vgg16")),
        ("batch_size,vgg16\n1,1_0\n", ("line 2", "'1_0'", "vgg16")),
        ('batch_size,vgg16\n1,"2,5"\n', ("line 2", "'2,5'", "vgg16")),
        ("batch_size,vgg16\n1.5,2\n", ("line 2", "batch size '1.5'")),
        ("batch_size,vgg16\n0,2\n", ("line 2", "batch size '0'")),
        ("batch_size,vgg16\n1,2\n1,3\n", ("line 3", "batch size 1", "once")),
        ("batch_size,vgg16,VGG-16\n1,2,3\n", ("line 1", "'vgg16'", "'VGG-16'")),
        (
            "batch_size,resent50\n1,2\n",
            ("line 1", "'resent50'", "did you mean resnet50?"),
        ),
        ("batch_size,SqueezeNet\n1,2\n", ("line 1", "'SqueezeNet'", "squeezenet_v1.0 (squeezenet1_0)")),
        ("batch_size,zzz\n1,2\n", ("line 1", "'zzz'", "resnet50 (res50)")),
        ('batch_size,vgg16\n1,"2\n', ("CSV",)),
        (b"batch_size,vgg16\n1,\xff\xfe\n", ("line 2", "UTF-8")),
        (b"\x89PNG\r\n\x1a\n\x00\x00", ("line 1", "UTF-8")),
        (b"\x00\x01\x02\n", ("line 1", "column", "batch_size")),
    ],
)
def test_a_malformed_table_is_refused_with_line_found_and_expected(
    write: Write, content: str | bytes, facts: tuple[object, ...]
) -> None:
    path = write(content)
    with pytest.raises(FileContentError) as caught:
        read_table(path, build_bare_catalog())
    assert_names(caught, *facts)
    assert str(caught.value).startswith(str(path))


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileContentError) as caught:
        read_table(tmp_path / "gone.csv", build_bare_catalog())
    assert_names(caught, "gone.csv", "No such file")


HEADER = "model,top1_accuracy_percent,giga_flops,million_params,top5_accuracy_percent\n"


def test_a_figure_that_the_report_misses_is_none(write: Write) -> None:
    network = read_networks(write(HEADER + "shufflenet,missing,0.1234,1.8137,missing\n"))["shufflenet"]
    assert (network.top1_accuracy_percent, network.giga_flops_text) == (None, "0.1234")
    assert network.top5_accuracy_percent is None


TABLE_LIKE = st.text(st.sampled_from("batch_size,vgg16\n1234567890.x-e\"'\r \x00é"), max_size=60)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.one_of(st.binary(max_size=60), TABLE_LIKE, TABLE_LIKE.map("batch_size,vgg16\n".__add__)))
def test_any_bytes_are_a_table_or_refused(write: Write, content: str | bytes) -> None:
    path = write(content)
    try:
        table = read_table(path, build_bare_catalog())
    except FileContentError:
        pass
    else:
        assert all(cell.value_ms is None or cell.value_ms > 0 for cell in table.cells.values())


@every_row("mark", ["\x1c", "\x1f", "\x85", "\u2003", " "])
def test_white_space_of_every_kind_around_a_number_is_passed_over(write: Write, mark: str) -> None:
    table = read_table(write(f"batch_size,resnet50\n{mark}2{mark},37.2{mark}\n"), build_bare_catalog())
    assert table.cells["resnet50", 2].value_ms == 37.2
