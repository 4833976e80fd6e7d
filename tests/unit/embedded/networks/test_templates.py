"""The templates of DeepDetect's Torch backend, compared with what a recorded server reported of its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")

from pytest_ddperf.core.service_parameters import TEMPLATES
from pytest_ddperf.embedded.networks.templates import TEMPLATE_NAMES, build_template, count_torch_parameters
from pytest_ddperf.embedded.runtime.engine import load_template

RECORDED = Path(__file__).resolve().parents[3] / "data" / "transcripts-torch-v0.29.json"


def test_every_template_has_the_recorded_number_of_parameters() -> None:
    exchanges = {exchange["name"]: exchange for exchange in json.loads(RECORDED.read_text())}
    recorded = {
        name: exchanges[f"template_get_{name}"]["response"]["body"]["body"]["model_stats"]["params"]
        for name in TEMPLATE_NAMES
    }
    assert {name: count_torch_parameters(build_template(name, 1000)) for name in TEMPLATE_NAMES} == recorded


def test_the_last_layer_has_the_number_of_classes_asked_for() -> None:
    few, many = (count_torch_parameters(build_template("resnet18", classes)) for classes in (10, 1000))
    assert many - few == 990 * (512 + 1)


def test_an_unknown_template_is_no_graph() -> None:
    with pytest.raises(KeyError, match="vit"):
        build_template("vit", 1000)


@pytest.mark.parametrize(
    "name", ["resnet18", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "resnext50_32x4d"))]
)
def test_images_of_any_size_get_probabilities_of_their_own(name: str) -> None:
    engine = load_template(name, classes=7, seed=1, threads=2)
    try:
        assert (engine.input_size, engine.fixed_batch) == (None, 0)
        for side in (1, 33, 64):
            images = np.random.default_rng(side).uniform(-120, 135, (2, 3, side, side)).astype(np.float32)
            probabilities = engine.run(images)
            assert probabilities.shape == (2, 7)
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
            assert np.abs(probabilities[0] - probabilities[1]).max() > 0
    finally:
        engine.close()


@pytest.mark.slow
def test_the_seed_determines_the_weights() -> None:
    image = np.full((1, 3, 32, 32), 50, np.float32)
    answers = []
    for seed in (1, 1, 2):
        engine = load_template("resnet18", classes=5, seed=seed, threads=1)
        answers.append(engine.run(image).tolist())
        engine.close()
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize("classes", [1, 10, 1000])
def test_the_catalogue_has_the_parameters_of_every_template(classes: int) -> None:
    built = {name: count_torch_parameters(build_template(name, classes)) for name in TEMPLATE_NAMES}
    assert {name: TEMPLATES[name].count_params(classes) for name in TEMPLATE_NAMES} == built
