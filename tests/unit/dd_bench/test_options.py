"""dd_bench's options: what they make of a run before a server is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.core.service_parameters import DD_BENCH_DEFAULTS
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.dd_bench.options import BenchOptions
from pytest_ddperf.errors import ConfigurationError

OPTIONS = BenchOptions(service="imageserv", remote_bench_data_dir="/srv/bench")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("localhost", "http://localhost:8080"),
        ("tk1.lan", "http://tk1.lan:8080"),
        ("::1", "http://[::1]:8080"),
        ("[::1]", "http://[::1]:8080"),
        ("https://tk1.lan/dd", "https://tk1.lan/dd"),
        ("http://tk1.lan", "http://tk1.lan:8080"),
        ("http://me:pw@[::1]/dd", "http://me:pw@[::1]:8080/dd"),
        ("http://tk1.lan:80", "http://tk1.lan:80"),
        ("http://tk1.lan:port", "http://tk1.lan:port"),
    ],
)
def test_the_server_is_at_host_and_port(host: str, url: str) -> None:
    assert replace(OPTIONS, host=host).url == url


@every_row("host", ["tk1.lan", "http://tk1.lan", "https://tk1.lan"])
def test_the_port_that_is_given_is_that_of_a_url_too(host: str) -> None:
    assert replace(OPTIONS, host=host, port=9000).url.endswith("://tk1.lan:9000")


@pytest.mark.parametrize(
    ("given", "task"),
    [
        ({}, Task.CLASSIFICATION),
        ({"detection": True}, Task.DETECTION),
        ({"segmentation": True}, Task.SEGMENTATION),
        ({"regression": True}, Task.REGRESSION),
        ({"search": True}, Task.SEARCH),
        ({"detection": True, "search": True}, Task.ROI_SEARCH),
        ({"detection": True, "search_multibox": True}, Task.MULTIBOX_SEARCH),
        ({"detection": True, "search": True, "search_multibox": True}, Task.MULTIBOX_SEARCH),
        ({"segmentation": True, "search": True}, Task.SEGMENTATION),
        ({"search_multibox": True}, Task.CLASSIFICATION),
    ],
)
def test_the_task_is_what_dd_bench_makes_of_its_options(given: dict[str, bool], task: Task) -> None:
    assert replace(OPTIONS, **given).task is task  # type: ignore[arg-type]


def test_batch_sizes_double_to_32_and_then_rise_by_16() -> None:
    assert OPTIONS.batch_sizes == (1, 2, 4, 8, 16, 32, *range(48, 257, 16))
    assert replace(OPTIONS, max_batch_size=128).batch_sizes == (1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128)
    assert replace(OPTIONS, max_batch_size=20).batch_sizes == (1, 2, 4, 8, 16)


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        ({"service": ""}, ("service", "--sname NAME")),
        ({"service": "  "}, ("service", "--sname NAME")),
        ({"remote_bench_data_dir": None}, ("--remote-bench-data-dir DIR",)),
        ({"parameters": replace(DD_BENCH_DEFAULTS, recreate=True)}, ("--create DIR", "--recreate")),
        ({"detection": True, "segmentation": True}, ("--detection", "--segmentation")),
        ({"parameters": replace(DD_BENCH_DEFAULTS, scale=float("nan"))}, ("--scale nan",)),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, object], facts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        replace(OPTIONS, **given).check()  # type: ignore[arg-type]
    assert_names(caught, *facts)


@pytest.mark.parametrize(
    ("given", "facts"),
    [
        ({"search_multibox": True}, ("--search-multibox", "--detection")),
        ({"regression": True, "search": True}, ("--search",)),
        (
            {"parameters": replace(DD_BENCH_DEFAULTS, mllib="tensorrt"), "create": "m"},
            ("TensorRT", "256 images"),
        ),
    ],
)
def test_what_may_surprise_is_said(given: dict[str, object], facts: tuple[str, ...]) -> None:
    (remark,) = replace(OPTIONS, **given).check()  # type: ignore[arg-type]
    assert_names(remark, *facts)


def test_the_usual_run_needs_no_remark() -> None:
    assert replace(OPTIONS, create="squeezenet", auto_kill=True).check() == []


@pytest.mark.parametrize(("given", "folder"), [("/srv/bench/", "/srv/bench"), ("/", "/"), ("bench", "bench")])
def test_the_folder_has_no_slash_at_its_end(given: str, folder: str) -> None:
    assert replace(OPTIONS, remote_bench_data_dir=given).data_dir == folder
