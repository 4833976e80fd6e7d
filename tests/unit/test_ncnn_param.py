from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from model_folders import NCNN

from pytest_ddperf.errors import ModelFileError
from pytest_ddperf.ncnn_param import read_param


def test_layers_with_what_they_take_and_give() -> None:
    net = read_param(NCNN)
    assert [(one.type, one.name, one.bottoms, one.tops) for one in net.layers[:2]] == [
        ("Input", "data", (), ("data",)),
        ("Convolution", "conv", ("data",), ("conv",)),
    ]
    assert [one.name for one in net.outputs] == ["prob"]


def test_parameters_are_counted_without_biases() -> None:
    assert read_param(NCNN).parameters == 216 + 40


def test_batch_normalisation_and_scale_count_one_a_channel_each() -> None:
    text = "7767517\n3 3\nInput d 0 1 d\nBatchNorm b 1 1 d b 0=8\nScale s 1 1 b s 0=8 1=1\n"
    assert read_param(text).parameters == 16


def test_a_scale_whose_factors_are_given_has_none_of_its_own() -> None:
    assert read_param("7767517\n2 3\nInput d 0 2 d e\nScale s 2 1 d e s 0=-233\n").parameters == 0


@pytest.mark.parametrize(("settings", "size"), [("0=320 1=240 2=3", (320, 240, 3)), ("", None), ("0=224", None)])
def test_the_input_tells_its_size_or_leaves_it_open(settings: str, size: tuple[int, int, int] | None) -> None:
    assert read_param(f"7767517\n1 1\nInput data 0 1 data {settings}\n").inputs == {"data": size}


def test_arrays_among_the_settings_are_no_mistake() -> None:
    assert read_param("7767517\n1 1\nReshape r 0 1 r -23303=2,2,3\n").layers[0].settings == {-23303: "2,2,3"}


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("", 1, "an empty file"),
        ("\nhello\n", 2, "'hello'"),
        ("7767517\n", 1, "no counts"),
        ("7767517\n2 2\nInput d 0 1 d\n", 3, "1 layers; expected 2, as line 2 says"),
        ("7767517\n1 1\nInput d 0\n", 3, "'Input d 0'"),
        ("7767517\n1 1\nInput d 0 3 d\n", 3, "'Input d 0 3 d'"),
        ("7767517\n1 1\nInput d 0 1 d 0:3\n", 3, "'Input d 0 1 d 0:3'"),
        ("7767517\n1 1\nConvolution c 0 1 c 6=many\n", 3, "6=many of 'c'"),
    ],
)
def test_a_broken_file_is_named_with_its_line(text: str, line: int, found: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        read_param(text, "net.param")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"net.param, line {line}: {found}")


@given(st.lists(st.text(alphabet="7165 \nConvolutonIpd=-,.", max_size=30), max_size=4))
def test_garbage_is_a_network_or_the_projects_own_error(parts: list[str]) -> None:
    with contextlib.suppress(ModelFileError):
        assert read_param("7767517\n" + "\n".join(parts)).parameters >= 0
