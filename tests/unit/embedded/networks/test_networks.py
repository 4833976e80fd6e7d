"""The 13 networks: their shapes inside, and real passes through them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from every_row import every_row
from onnx import shape_inference

from pytest_ddperf.embedded.networks.networks import NETWORK_IDS, build
from pytest_ddperf.embedded.runtime.engine import load_builtin


@cache
def images(count: int = 2) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Pictures less their mean: patches of colour with some noise, [N, 3, 224, 224]."""
    random = np.random.default_rng(3)
    patches = random.uniform(-120, 135, (count, 3, 7, 7)).repeat(32, axis=2).repeat(32, axis=3)
    return (patches + random.standard_normal(patches.shape) * 5).astype(np.float32)


@cache
def sizes(name: str) -> dict[str, list[int]]:
    """Channels, height and width of every result inside a network."""
    inferred = shape_inference.infer_shapes(build(name).model, strict_mode=True)
    return {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim][1:] for value in inferred.graph.value_info
    }


@cache
def probabilities_of(name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The probabilities of a network for these pictures."""
    engine = load_builtin(name, threads=2)
    try:
        return engine.run(images())
    finally:
        engine.close()


@pytest.mark.slow
@every_row("name", NETWORK_IDS)
def test_a_pass_gives_each_image_probabilities_of_its_own(name: str) -> None:
    probabilities = probabilities_of(name)
    assert probabilities.shape == (2, 1000)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-4)
    assert probabilities.max() < 0.999, "no class takes everything"
    assert probabilities.max() > 0.002, "nor are all classes alike"
    assert np.abs(probabilities[0] - probabilities[1]).max() > 0.001


def test_the_networks_are_the_reports_in_its_order() -> None:
    assert NETWORK_IDS == (
        "mobilenet",
        "mobilenet_depthwise",
        "resnet50",
        "resnet101",
        "resnet152",
        "googlenet",
        "densenet121",
        "densenet201",
        "squeezenet_v1.0",
        "squeezenet_v1.1",
        "vgg16",
        "vgg19",
        "shufflenet",
    )


@every_row("name", NETWORK_IDS)
def test_a_graph_takes_any_number_of_images_and_gives_1000_probabilities(name: str) -> None:
    graph = build(name).model.graph
    (data,), (prob,) = graph.input, graph.output
    dims = [[d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in (data, prob)]
    assert (data.name, prob.name) == ("data", "prob")
    assert dims == [["N", 3, 224, 224], ["N", 1000]]


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("resnet50", "pool1", [64, 56, 56]),
        ("resnet50", "stage3.0.a", [128, 28, 28]),
        ("googlenet", "pool1", [64, 56, 56]),
        ("googlenet", "inception_3b", [480, 28, 28]),
        ("googlenet", "inception_5b", [1024, 7, 7]),
        ("densenet121", "pool1", [64, 57, 57]),
        ("densenet121", "pool2", [128, 29, 29]),
        ("densenet201", "pool4", [896, 8, 8]),
        ("densenet201", "block5.31", [1920, 8, 8]),
        ("squeezenet_v1.0", "conv1", [96, 109, 109]),
        ("squeezenet_v1.0", "conv10", [1000, 15, 15]),
        ("squeezenet_v1.1", "conv10", [1000, 13, 13]),
        ("mobilenet_depthwise", "unit13.pointwise", [1024, 7, 7]),
        ("shufflenet", "stage2.0.a", [54, 56, 56]),
        ("shufflenet", "stage2.0.c", [216, 28, 28]),
        ("shufflenet", "stage2.0", [240, 28, 28]),
        ("shufflenet", "stage4.3", [960, 7, 7]),
        ("vgg16", "pool5", [512, 7, 7]),
    ],
)
def test_results_inside_have_the_sizes_of_the_original(name: str, layer: str, size: list[int]) -> None:
    assert sizes(name)[layer] == size


def test_mobilenet_runs_one_convolution_for_each_group_and_its_sibling_one_for_each_layer() -> None:
    split, whole = (
        sum(node.op_type == "Conv" for node in build(name).model.graph.node)
        for name in ("mobilenet", "mobilenet_depthwise")
    )
    assert whole == 1 + 2 * 13 + 1
    assert split == whole - 13 + 32 + 64 + 2 * 128 + 2 * 256 + 6 * 512 + 1024


@pytest.mark.slow
def test_both_mobilenets_give_the_same_probabilities() -> None:
    split, whole = (probabilities_of(name) for name in ("mobilenet", "mobilenet_depthwise"))
    np.testing.assert_allclose(split, whole, rtol=1e-3, atol=1e-6)


def test_an_unknown_network_is_no_graph() -> None:
    with pytest.raises(KeyError, match="alexnet"):
        build("alexnet")
