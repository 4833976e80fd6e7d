"""A server's number of parameters beside that of the network it is said to run."""

from __future__ import annotations

from pathlib import Path

import pytest
from replay import load

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.core.networks import NETWORK_IDS, Network
from pytest_ddperf.core.records import ModelStats
from pytest_ddperf.core.service_parameters import TEMPLATES
from pytest_ddperf.deepdetect.protocol import parse_service
from pytest_ddperf.embedded.networks.cost import count_parameters
from pytest_ddperf.embedded.networks.networks import build

NETWORKS = load_catalog(Path("/")).networks


@pytest.mark.parametrize(
    ("params", "is_other"),
    [(25_557_032, False), (25_503_912, False), (17_100_000, False), (38_000_000, False), (17_000_000, True),
     (38_400_000, True), (11_689_512, True), (86_567_656, True), (None, False)],
)  # fmt: skip
def test_a_factor_above_1_5_means_another_network(params: int | None, is_other: bool) -> None:
    text = NETWORKS["resnet50"].describe_other(params)
    assert bool(text) is is_other
    assert ("25.56" in text and "resnet50" in text) is is_other


@pytest.mark.parametrize("name", NETWORK_IDS)
def test_the_embedded_server_s_networks_are_those_of_the_catalogue(name: str) -> None:
    assert NETWORKS[name].describe_other(count_parameters(build(name).model)) == ""


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_without_published_figures_has_its_own(name: str) -> None:
    network = Network(name, name)
    assert network.describe_other(TEMPLATES[name].params) == ""
    assert network.describe_other(2 * TEMPLATES[name].params)


def test_a_network_without_known_parameters_is_never_another_one() -> None:
    assert Network("mine", "Mine", repository="/m").describe_other(5) == ""


def answered(model_stats: object) -> object:
    return {"body": {"name": "x", "model_stats": model_stats}}


@pytest.mark.parametrize(
    ("reported", "stats"),
    [
        ({"params": 11_689_512}, ModelStats(11_689_512)),
        ({"params": 5, "gflops": 1.5, "data_mem_test": 7}, ModelStats(5, 1.5)),
        ({"gflops": 4}, ModelStats(None, 4.0)),
        ({}, ModelStats()),
        (None, ModelStats()),
        ([], ModelStats()),
        ({"params": "5", "gflops": True}, ModelStats()),
        ({"params": -5, "gflops": 0}, ModelStats()),
        ({"params": 10**400, "gflops": 1e308}, ModelStats()),
    ],
)
def test_each_figure_is_optional(reported: object, stats: ModelStats) -> None:
    assert parse_service(answered(reported)).model_stats == stats


@pytest.mark.parametrize(("recording", "stats"), [("torch-v0.29", ModelStats(11_689_512)), ("ncnn-v0.29", None)])
def test_the_recorded_servers_report_parameters_or_nothing(recording: str, stats: ModelStats | None) -> None:
    found = [
        parse_service(one.answer).model_stats
        for one in load(recording)
        if one.method == "GET" and one.path.startswith("/services/") and one.status == 200
    ]
    assert (stats or ModelStats()) in found
