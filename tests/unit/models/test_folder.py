from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from model_folders import caffe_folder, ncnn_folder

from pytest_ddperf.core.networks import Network
from pytest_ddperf.errors import ConfigurationError, ModelFileError
from pytest_ddperf.models.caffe.net import read_net
from pytest_ddperf.models.folder import (
    Kind,
    check_embedded,
    count_labels,
    digests,
    find_model_files,
    is_runnable_embedded,
    read_text,
)
from pytest_ddperf.models.ncnn import read_param

if TYPE_CHECKING:
    from pathlib import Path


def folder_of(tmp_path: Path, *names: str) -> Path:
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize(
    ("names", "kinds", "whole"),
    [
        (("deploy.prototxt", "model.caffemodel"), [Kind.CAFFE], [Kind.CAFFE]),
        (("my_deploy.prototxt", "iter_9.caffemodel", "corresp.txt"), [Kind.CAFFE], [Kind.CAFFE]),
        (("train_val.prototxt",), [Kind.CAFFE], []),
        (("model.caffemodel",), [Kind.CAFFE], []),
        (("deploy.prototxt~",), [], []),
        (("mean.binaryproto",), [], []),
        (("net.onnx",), [Kind.ONNX], [Kind.ONNX]),
        (("net.param", "net.bin"), [Kind.NCNN], [Kind.NCNN]),
        (("net.param",), [Kind.NCNN], []),
        (("net.pt",), [Kind.TORCH], [Kind.TORCH]),
        ((".hidden.onnx", "readme.md"), [], []),
    ],
)
def test_files_are_known_by_their_names(
    tmp_path: Path, names: tuple[str, ...], kinds: list[Kind], whole: list[Kind]
) -> None:
    found = find_model_files(folder_of(tmp_path, *names))
    assert (list(found.kinds), list(found.whole_kinds)) == (kinds, whole)


def test_of_several_weights_the_newest_is_taken(tmp_path: Path) -> None:
    folder_of(tmp_path, "a.caffemodel", "b.caffemodel", "c.caffemodel")
    for number, name in enumerate("acb"):
        os.utime(tmp_path / f"{name}.caffemodel", (number, number))
    newest = find_model_files(tmp_path).caffemodel
    assert newest is not None
    assert newest.name == "b.caffemodel"


@pytest.mark.parametrize(
    ("names", "preferred", "backend"),
    [
        (("deploy.prototxt", "m.caffemodel"), "caffe", "caffe"),
        (("deploy.prototxt", "m.caffemodel"), "ncnn", "ncnn"),
        (("deploy.prototxt", "m.caffemodel"), "torch", "caffe"),
        (("net.onnx",), "caffe", "tensorrt"),
        (("net.pt",), "caffe", "torch"),
        (("net.param", "net.bin"), "caffe", "ncnn"),
        (("net.param", "net.bin", "deploy.prototxt"), "caffe", "ncnn"),
        (("net.onnx",), "a_new_one", "a_new_one"),
        ((), "caffe", "caffe"),
    ],
)
def test_the_platforms_backend_is_kept_where_it_reads_the_files(
    tmp_path: Path, names: tuple[str, ...], preferred: str, backend: str
) -> None:
    assert find_model_files(folder_of(tmp_path, *names)).backend(preferred) == backend


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "No such file"),
        ("file", "Not a directory"),
        ("a\0b", "null byte"),
        ("x" * 300, "File name too long"),
    ],
)
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        find_model_files(tmp_path / name)
    assert_names(caught, tmp_path, reason)


def test_a_prototxt_is_read_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    text = b'# \xcb\xe4\nlayer { name: "\xe9" type: "Silence" bottom: "\xe8" bottom: "\xe9" }'
    path.write_bytes(b"\xef\xbb\xbf" + text)
    (layer,) = read_net(read_text(path, "a prototxt")).layers
    assert (layer.name, layer.bottoms) == (r"\xe9", (r"\xe8", r"\xe9"))


def test_an_ncnn_description_is_read_as_bytes(tmp_path: Path) -> None:
    path = tmp_path / "net.param"
    path.write_bytes(b"7767517\n1 1\nInput th\xe9\xff\x85 0 1 d\n")
    assert [layer.name for layer in read_param(read_text(path, "a network")).layers] == [r"th\xe9\xff\x85"]


def test_a_description_that_is_none_by_its_size_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "deploy.prototxt"
    with path.open("wb") as file:
        file.truncate(10**9)
    with pytest.raises(ModelFileError) as caught:
        read_text(path, "a prototxt")
    assert_names(caught, "deploy.prototxt", "1,000,000,000 bytes")


def test_labels_are_lines_of_a_number_and_a_name(tmp_path: Path) -> None:
    path = tmp_path / "corresp.txt"
    path.write_text("0 tench, Tinca tinca\n1 goldfish\n\n", encoding="utf-8")
    assert count_labels(path) == 2
    path.write_bytes(b"\xef\xbb\xbf0 th\xe9\r\n1\ttea \xc2\x85 with \xe2\x80\xa8 milk\r\n2,cocoa\r\n\r\n")
    assert count_labels(path) == 3
    path.write_text("0 tench\nn01440764 goldfish\n", encoding="utf-8")
    with pytest.raises(ModelFileError) as caught:
        count_labels(path)
    assert_names(caught, "line 2", "'n01440764 goldfish'")


def test_the_embedded_server_takes_one_onnx_file_on_this_machine(tmp_path: Path) -> None:
    own = Network("mine", "mine", repository="/m", path=str(folder_of(tmp_path, "net.onnx")))
    assert is_runnable_embedded(own)
    folder_of(tmp_path, "other.onnx")
    assert not is_runnable_embedded(own)
    assert not is_runnable_embedded(Network("mine", "mine", repository="/m"))
    with pytest.raises(ConfigurationError) as caught:
        check_embedded(Network("mine", "mine", repository="/m"))
    assert_names(caught, "mine", "/m")


def test_whole_folders_of_the_tests_are_whole(tmp_path: Path) -> None:
    assert find_model_files(caffe_folder(tmp_path / "a")).whole_kinds == (Kind.CAFFE,)
    assert find_model_files(ncnn_folder(tmp_path / "b")).whole_kinds == (Kind.NCNN,)


def test_a_copy_of_a_network_has_the_same_digests(tmp_path: Path) -> None:
    one, other = caffe_folder(tmp_path / "a"), caffe_folder(tmp_path / "b")
    os.utime(other / "model.caffemodel", (1, 1))
    (other / "README.md").write_text("notes", encoding="utf-8")
    assert digests(one) == digests(other)
    assert digests(one).keys() == {"deploy.prototxt", "model.caffemodel"}


@pytest.mark.parametrize("name", ["deploy.prototxt", "model.caffemodel"])
def test_a_changed_file_has_another_digest(tmp_path: Path, name: str) -> None:
    folder = caffe_folder(tmp_path / "a")
    before = digests(folder)
    with (folder / name).open("ab") as file:
        file.write(b"\n")
    after = digests(folder)
    assert [each for each in after if after[each] != before[each]] == [name]


@pytest.mark.parametrize("beside", ["model.onnx.data", "model.onnx_data"])
def test_weights_beside_an_onnx_file_belong_to_the_network(tmp_path: Path, beside: str) -> None:
    assert digests(folder_of(tmp_path, "model.onnx", beside)).keys() == {"model.onnx", beside}


def test_of_several_files_of_weights_the_one_that_counts_is_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "deploy.prototxt", "iter_1.caffemodel", "iter_2.caffemodel")
    os.utime(folder / "iter_1.caffemodel", (1, 1))
    assert digests(folder).keys() == {"deploy.prototxt", "iter_2.caffemodel"}


def test_a_folder_that_cannot_be_read_has_no_digests(tmp_path: Path) -> None:
    assert digests(tmp_path / "missing") == {}
