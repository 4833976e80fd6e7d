from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from messages import assert_names

from pytest_ddperf.core.catalog import Catalog, build_bare_catalog, build_matrix
from pytest_ddperf.core.networks import NETWORK_IDS, OTHER_NETWORKS, REPORT_NETWORKS, TASK_NETWORKS, Network
from pytest_ddperf.core.platform import BATCH_SIZES_REPORT, Platform, build_batch_schedule
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.errors import ConfigurationError

BOARD = Platform("board", "A board", batch_sizes=(1, 2))


@pytest.fixture
def catalog() -> Catalog:
    platforms = {"tk1": Platform("tk1", "Jetson TK1"), "raspi3-ncnn": Platform("raspi3-ncnn", "Pi 3, NCNN")}
    return replace(build_bare_catalog(), platforms=platforms)


def test_the_13_networks_stand_in_the_reports_column_order(catalog: Catalog) -> None:
    assert tuple(one.id for one in REPORT_NETWORKS) == NETWORK_IDS
    assert tuple(catalog.networks)[:13] == NETWORK_IDS


@pytest.mark.parametrize(
    ("spelling", "model"),
    [
        ("mobilenet", "mobilenet"),
        (r"mobilenet\_depthwise", "mobilenet_depthwise"),
        ("res50", "resnet50"),
        ("res101", "resnet101"),
        ("res152", "resnet152"),
        ("ResNet-50", "resnet50"),
        ("googleNet", "googlenet"),
        ("GoogLeNet", "googlenet"),
        ("dense121", "densenet121"),
        ("dense201", "densenet201"),
        ("Densenet 121", "densenet121"),
        ("Squeezenetv1.0", "squeezenet_v1.0"),
        ("Squeezenetv1.1", "squeezenet_v1.1"),
        ("squeezenet1_1", "squeezenet_v1.1"),
        ("SqueezeNet v1.1", "squeezenet_v1.1"),
        ("VGG16", "vgg16"),
        ("ShuffleNet", "shufflenet"),
        ("CRNN-OCR", "crnn_ocr"),
        ("mobilenetv2", "mobilenet_v2"),
        ("SqueezeNet-SSD-faces", "squeezenet_ssd_faces"),
    ],
)
def test_the_reports_spellings_are_understood(catalog: Catalog, spelling: str, model: str) -> None:
    assert catalog.model(spelling).id == model


def test_no_two_networks_share_a_spelling() -> None:
    spellings = [spelling for one in (*REPORT_NETWORKS, *OTHER_NETWORKS) for spelling in (one.id, *one.aliases)]
    catalog = build_bare_catalog()
    assert all(spelling in (catalog.model(spelling).id, *catalog.model(spelling).aliases) for spelling in spellings)


def test_squeezenet_without_a_version_is_refused_and_both_are_named(catalog: Catalog) -> None:
    with pytest.raises(ConfigurationError) as caught:
        catalog.model("SqueezeNet")
    assert_names(caught, "squeezenet_v1.0, squeezenet_v1.1")


def test_an_unknown_model_is_refused_with_the_valid_ones_and_the_closest(catalog: Catalog) -> None:
    with pytest.raises(ConfigurationError) as caught:
        catalog.model("resent50")
    assert_names(caught, "Did you mean resnet50?", *NETWORK_IDS)


@pytest.mark.parametrize(
    ("spelling", "platform"),
    [("tk1", "tk1"), ("TK1", "tk1"), ("raspi3_ncnn", "raspi3-ncnn"), ("Raspi3-NCNN", "raspi3-ncnn")],
)
def test_a_platform_is_found_in_any_case(catalog: Catalog, spelling: str, platform: str) -> None:
    assert catalog.platform(spelling).id == platform


def test_an_unknown_platform_is_refused_with_the_valid_ones_and_the_closest(catalog: Catalog) -> None:
    with pytest.raises(ConfigurationError) as caught:
        catalog.platform("tk11")
    assert_names(caught, "'tk11'", "Did you mean tk1?", "tk1, raspi3-ncnn")


@given(st.text(max_size=20))
def test_any_name_is_a_network_or_refused(name: str) -> None:
    catalog = build_bare_catalog()
    with contextlib.suppress(ConfigurationError):
        assert catalog.model(name).id in catalog.networks


def test_the_schedule_pow2_is_the_reports() -> None:
    assert build_batch_schedule("pow2", 128) == BATCH_SIZES_REPORT


def test_the_schedule_pow2_stops_at_the_last_power_within() -> None:
    assert build_batch_schedule("pow2", 100) == (1, 2, 4, 8, 16, 32, 64)


def test_the_schedule_dd_bench_goes_on_in_steps_of_16() -> None:
    assert build_batch_schedule("dd_bench", 100) == (1, 2, 4, 8, 16, 32, 48, 64, 80, 96)


@given(st.sampled_from(["pow2", "dd_bench"]), st.integers(1, 2000))
def test_a_schedule_ascends_from_1_and_stays_within(kind: str, maximum: int) -> None:
    sizes = build_batch_schedule(kind, maximum)
    assert sizes[0] == 1
    assert sizes[-1] <= maximum
    assert list(sizes) == sorted(set(sizes))


def test_the_matrix_goes_model_by_model_batches_ascending() -> None:
    cells = build_matrix("board", ["vgg16", "googlenet"], [8, 1])
    assert [str(cell) for cell in cells] == [
        "board-vgg16-b1",
        "board-vgg16-b8",
        "board-googlenet-b1",
        "board-googlenet-b8",
    ]


def test_the_default_networks_of_a_platform_are_those_of_its_table_that_are_known() -> None:
    platform = Platform("nano", "Nano", models=("crnn_ocr", "shufflenet", "squeezenet_unversioned"))
    assert platform.default_models == ("shufflenet", "crnn_ocr")


def test_the_networks_of_the_pictures_have_their_task_and_input_size(catalog: Catalog) -> None:
    reported = {one.id: (one.task, one.width, one.height) for one in OTHER_NETWORKS}
    assert reported == {
        "squeezenet_unversioned": (Task.CLASSIFICATION, 224, 224),
        "mobilenet_v2": (Task.CLASSIFICATION, 224, 224),
        "seresnet50": (Task.CLASSIFICATION, 224, 224),
        "squeezenet_ssd_faces": (Task.DETECTION, 300, 300),
        "squeezenet_ssd_voc": (Task.DETECTION, 300, 300),
        "vgg16_ssd_600": (Task.DETECTION, 300, 300),
        "resnet18_ocr": (Task.OCR, 220, 136),
        "crnn_ocr": (Task.OCR, 220, 136),
    }


def test_there_is_a_network_of_the_embedded_servers_for_every_further_task(catalog: Catalog) -> None:
    assert [one.task for one in TASK_NETWORKS] == [task for task in Task if task is not Task.CLASSIFICATION]
    assert all(catalog.model(one.id) is one for one in TASK_NETWORKS)


def test_reading_errors_in_percent_and_milliseconds_add_up() -> None:
    platform = Platform("p", "P", reading_error_percent=1.0, reading_error_ms=0.5)
    assert platform.reading_error_of(200) == pytest.approx(2.5)


def test_unknown_networks_are_ordered_last_by_name(catalog: Catalog) -> None:
    names = ["zoo", "shufflenet", "own", "mobilenet"]
    assert sorted(names, key=catalog.model_order) == ["mobilenet", "shufflenet", "own", "zoo"]


def test_networks_of_ones_own_come_behind_the_others_in_their_order() -> None:
    catalog = build_bare_catalog()
    for own in (Network("zeta", "Z", repository="/z"), Network("alpha", "A", repository="/a")):
        catalog = catalog.with_model(own)
    assert [one.id for one in catalog.own_models] == ["zeta", "alpha"]
    assert catalog.model("Zeta").is_own
    assert not catalog.model("resnet50").is_own
    assert sorted(["alpha", "zeta", "vgg16"], key=catalog.model_order) == ["vgg16", "zeta", "alpha"]


@pytest.mark.parametrize("name", ["resnet50", "res50", "squeezenet-v1.1", "squeezenet_v11"])
def test_a_network_of_ones_own_may_not_go_by_another_ones_name(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_bare_catalog().with_model(Network(name, name, repository="/m"))
    assert_names(caught, name, f"models.my-{name}")


def test_the_same_network_may_be_named_again() -> None:
    own = Network("mine", "mine", repository="/m")
    assert build_bare_catalog().with_model(own).with_model(own).own_models == (own,)
