from __future__ import annotations

import pytest
from messages import assert_names

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.models.caffe.net import read_net


def test_layers_come_with_what_they_take_and_give() -> None:
    net = read_net('name: "n"\nlayer {\n name: "c" type: "Concat" bottom: "a" bottom: "b" top: "c" }')
    (layer,) = net.layers
    assert (net.name, layer.name, layer.type, layer.line) == ("n", "c", "Concat", 2)
    assert (layer.bottoms, layer.tops) == (("a", "b"), ("c",))


def test_older_files_name_their_types_otherwise() -> None:
    net = read_net('layers { name: "p" type: POOLING bottom: "a" top: "p" }')
    assert [layer.type for layer in net.layers] == ["Pooling"]


def test_the_oldest_files_have_a_layer_inside_the_layer() -> None:
    (layer,) = read_net('layers { layer { name: "c" type: "conv" } bottom: "a" top: "c" }').layers
    assert (layer.name, layer.type, layer.bottoms, layer.tops) == ("c", "conv", ("a",), ("c",))


def test_an_input_without_a_size_is_no_mistake() -> None:
    (one,) = read_net('input: "data" layer { type: "Silence" bottom: "data" }').inputs
    assert one.dims == ()


@pytest.mark.parametrize(
    ("rule", "there"),
    [
        ("include { phase: TRAIN }", False),
        ("include { phase: TEST }", True),
        ("exclude { phase: TEST }", False),
        ("exclude { phase: TRAIN }", True),
        ("include { phase: TRAIN } include { phase: TEST }", True),
        ("include { stage: 'deploy' }", True),
    ],
)
def test_layers_of_training_alone_are_left_out(rule: str, there: bool) -> None:
    net = read_net(f'layer {{ type: "Silence" }} layer {{ name: "x" type: "ReLU" {rule} }}')
    assert ("x" in [layer.name for layer in net.layers]) is there


@pytest.mark.parametrize(
    "head",
    [
        'input: "data" input_dim: 1 input_dim: 3 input_dim: 224 input_dim: 192',
        'input: "data" input_shape { dim: 1 dim: 3 dim: 224 dim: 192 }',
        'input: "data" input_shape { dim: 1 dim: 3 dim: 224 dim: 192 } input_shape { dim: 1 }',
    ],
)
def test_inputs_at_the_head_of_the_file(head: str) -> None:
    (one,) = read_net(f'{head} layer {{ type: "Silence" bottom: "data" }}').inputs
    assert (one.name, one.dims) == ("data", (1, 3, 224, 192))


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("", ("deploy.prototxt", "layer")),
        ('name: "n"', ("deploy.prototxt", "layer")),
        ('layer { name: "a" }', ("line 1", "type")),
        ('input: "a" input: "b" input_dim: 1 layer { type: "Silence" }', ("2 inputs", "1 sizes")),
        ("layer: 3", ("line 1", "layer: '3'")),
    ],
)
def test_what_is_no_network_is_refused(text: str, facts: tuple[str, ...]) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_net(text, "deploy.prototxt")
    assert_names(caught, *facts)
