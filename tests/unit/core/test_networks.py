from __future__ import annotations

import pytest
from replay import load

from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.service_parameters import TEMPLATES
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.protocol import parse_service


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_has_the_parameters_that_a_torch_server_reported(name: str) -> None:
    recorded = {one.name: one.answer for one in load("torch-v0.29")}
    assert parse_service(recorded[f"template_get_{name}"]).model_stats.params == TEMPLATES[name].count_params(1000)


@pytest.mark.parametrize(
    ("network", "template"),
    [
        (Network("resnet50", "ResNet-50"), "resnet50"),
        (Network("resnet18", "Mine", repository="/opt/resnet18"), "resnet18"),
        (Network("vgg16", "VGG-16"), None),
        (Network("mobilevit_s", "MobileViT"), None),
        (Network("resnet18", "Boxes", task=Task.DETECTION), None),
    ],
)
def test_a_network_has_the_template_of_exactly_its_name(network: Network, template: str | None) -> None:
    assert network.template == template
