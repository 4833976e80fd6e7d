"""`ddperf platforms`, as it is typed in a project's folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from every_row import every_row
from messages import assert_names
from scripted_deepdetect import ScriptedDeepDetect, ServiceSetup
from scripted_server import Reply, ScriptedServer

from pytest_ddperf.cli import main
from pytest_ddperf.cli.platforms import describe_value
from pytest_ddperf.core.argument_parser import USAGE_ERROR
from pytest_ddperf.core.budgets import Budget
from pytest_ddperf.core.platform import PLATFORM_KEYS, Platform

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")


def write(folder: Path, text: str) -> None:
    (folder / "ddperf.toml").write_text(text, encoding="utf-8")


def output(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> str:
    assert main.main(["platforms", *arguments]) == status
    return capsys.readouterr().out


def test_the_list_says_where_each_platform_is_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, '[platforms.tk1]\nurl = "http://tk1:80"\ntolerance = 0.2\n[platforms.mine]\n')
    rows = {line.split()[0]: " ".join(line.split()) for line in output(capsys).splitlines() if line[0] != " "}
    assert rows["tx1"].endswith("http://localhost:8080 10 % package")
    assert "http://tk1:80 20 % package;" in rows["tk1"]
    assert rows["mine"].endswith("ddperf.toml")


@pytest.mark.parametrize("arguments", [(), ("tk1",), ("--check", "tk1")])
def test_it_fits_80_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    write(tmp_path, '[platforms.tk1]\nurl = "http://127.0.0.1:9"\ntitle = "A very long title, longer than most are"\n')
    text = output(capsys, *arguments, status=int("--check" in arguments))
    assert max(map(len, text.splitlines())) <= 80


def test_one_platform_is_shown_with_every_key_and_its_origin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, '[platforms.tk1]\nbefore = ["a b", ["c", "d e"]]\n')
    rows = {line.split()[0]: line.split()[1:] for line in output(capsys, "tk1").splitlines() if line[0] != " "}
    assert set(PLATFORM_KEYS) <= rows.keys()
    assert rows["before"] == ["a", "b;", "c", "'d", "e'", "ddperf.toml"]
    assert rows["watts"] == ["12.5", "package"]
    assert rows["timeout"] == ["300", "default"]
    assert rows["ca_file"] == ["-", "default"]


def test_a_board_that_is_like_a_platform_says_what_it_has_from_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        tmp_path,
        '[platforms.tk1]\nurl = "http://tk1:80"\ndatatype = "fp16"\n'
        '[platforms.board2]\nlike = "tk1"\nurl = "http://b:80"\n',
    )
    text = output(capsys)
    assert "like tk1;" in next(line for line in text.splitlines() if line.startswith("board2"))
    assert "ddperf.toml: like, url" in " ".join(text.split())
    rows = {line.split()[0]: line.split()[1:] for line in output(capsys, "board2").splitlines() if line[0] != " "}
    assert rows["like"] == ["tk1", "ddperf.toml"]
    assert rows["watts"] == ["12.5", "like", "tk1"]
    assert rows["datatype"] == ["fp16", "like", "tk1"]
    assert rows["url"] == ["http://b:80", "ddperf.toml"]
    assert rows["timeout"] == ["300", "default"]


@pytest.mark.parametrize(
    ("key", "default"),
    [
        ("wait", "0"),
        ("timeout", "300"),
        ("service", "{model}"),
        ("datatype", "fp32"),
        ("scale", "1"),
        ("rgb", "no"),
        ("max_workspace_size", "1024"),
        ("img_width", "-"),
        ("concurrency", "-"),
    ],
)
def test_a_key_that_no_file_sets_is_shown_with_the_default_of_its_option(key: str, default: str) -> None:
    assert describe_value(Platform("mine", "Mine"), key, None) == (default, "default")


def test_an_unknown_platform_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["platforms", "tk2"]) == USAGE_ERROR
    assert_names(capsys.readouterr().err, "'tk2'", "Did you mean")


def test_credentials_in_a_url_are_not_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reference = '[platforms.tk1.against]\nurl = "http://me:s3cret@127.0.0.1:10"\n'
    write(tmp_path, f'[platforms.tk1]\nurl = "http://me:s3cret@127.0.0.1:9"\n{reference}')
    shown = output(capsys) + output(capsys, "tk1") + output(capsys, "--check", status=1)
    assert "s3cret" not in shown
    assert "http://127.0.0.1:9" in shown


def test_check_says_version_services_and_backends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    services = [ServiceSetup("vgg16", mllib="caffe"), ServiceSetup("resnet50", mllib="tensorrt")]
    with ScriptedDeepDetect(services=services, version="v9.8.7") as server:
        write(tmp_path, f'[platforms.tk1]\nurl = "{server.url}"\n')
        text = " ".join(output(capsys, "--check").split())
    assert f"tk1 {server.url} up v9.8.7" in text
    assert_names(text, "2 services", "caffe, tensorrt", "resnet50", "vgg16")


TORCH_BUILD = "USE_NCNN=OFF USE_TORCH=ON USE_TENSORRT=OFF "


def check(tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: str = "", **scripted: Any) -> str:  # noqa: ANN401 - the server's
    """What is said of the scripted server of tk1, on one line."""
    with ScriptedDeepDetect(**scripted) as server:
        write(tmp_path, f'[platforms.tk1]\nurl = "{server.url}"\n{keys}')
        return " ".join(output(capsys, "--check").split())


@pytest.mark.parametrize(
    ("deps", "said"),
    [
        ("CUDA_VERSION= TENSORRT_VERSION=", "for the CPU (CUDA_VERSION is empty)"),
        ("CUDA_VERSION=12.6 TENSORRT_VERSION=10.3", "for a GPU, CUDA 12.6, TensorRT 10.3"),
        ("", "not reported"),
    ],
)
def test_check_says_backends_and_whether_the_build_is_for_a_gpu(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], deps: str, said: str
) -> None:
    text = check(tmp_path, capsys, build_flags=TORCH_BUILD, deps=deps)
    assert "built with torch;" in text
    assert said in text


def test_check_says_how_each_network_can_be_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = 'repository = "/opt/{model}"\nmodels = ["vgg16", "resnet50", "googlenet"]\n'
    text = check(tmp_path, capsys, keys, build_flags=TORCH_BUILD, services=["vgg16"])
    assert "existing services (caffe): vgg16" in text
    assert_names(text, "torch", "/opt/{model}", "files: googlenet", "template: resnet50")
    assert text.endswith("pytest benchmarks --platform=tk1")


def test_check_says_nothing_of_a_backend_to_create_services_with_if_each_network_has_a_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = check(tmp_path, capsys, 'models = ["vgg16"]\n', build_flags=TORCH_BUILD, services=["vgg16"])
    assert "existing services (caffe): vgg16" in text
    assert "backend torch" not in text


@pytest.mark.parametrize(
    ("keys", "scripted", "command"),
    [
        ("", {}, "--ddperf-repository=DIR/{model}"),
        ('models = ["vgg16", "resnet50"]\n', {"services": ["resnet50"]}, "--ddperf-models=resnet50"),
        ('repository = "/m/{model}"\nmllib = "caffe"\n', {}, "--ddperf-mllib=auto"),
    ],
)
def test_check_says_what_to_type(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: str, scripted: dict[str, Any], command: str
) -> None:
    text = check(tmp_path, capsys, keys, build_flags=TORCH_BUILD, **scripted)
    assert text.endswith(f"pytest benchmarks --platform=tk1 {command}")


def test_check_has_no_command_for_a_server_that_cannot_serve_anything(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = check(tmp_path, capsys, build_flags="USE_TORCH=OFF USE_DLIB=ON", deps="CUDA_VERSION=")
    assert "none of tensorrt, torch, ncnn" in text
    assert "misleading" not in text
    assert "pytest benchmarks" not in text


@pytest.mark.parametrize(
    ("keys", "scripted", "facts"),
    [
        (
            'mllib = "tensorrt"\ndatatype = "fp16"\n',
            {"deps": "CUDA_VERSION=12.6 TENSORRT_VERSION=10.13.2"},
            ("misleading", "datatype fp16"),
        ),
        (
            "",
            {
                "deps": "CUDA_VERSION=12.6 TENSORRT_VERSION=10.12.0",
                "services": [ServiceSetup("vgg16", mllib="tensorrt", datatype="int8")],
            },
            ("service vgg16", "datatype int8", "nothing"),
        ),
        (
            "",
            {"services": [ServiceSetup("vgg16", mllib="ncnn", datatype="int8")]},
            ("service vgg16", "datatype int8", "fp16", "NCNN"),
        ),
        (
            "",
            {"services": ["vgg16"], "params": lambda _: 86_567_656},
            ("service vgg16", "86.57 million"),
        ),
        ("", {"deps": "CUDA_VERSION="}, ("run on its CPU",)),
        ("", {"build_flags": "USE_NCNN=ON"}, ("run on its CPU",)),
        (
            "",
            {"services": [ServiceSetup("vgg16", mllib="tensorrt", max_batch_size=8)]},
            ("service vgg16", "batches of 8"),
        ),
    ],
)
def test_check_says_what_would_mislead(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: str, scripted: dict[str, Any], facts: tuple[str, ...]
) -> None:
    assert_names(check(tmp_path, capsys, keys, **scripted), *facts)


def test_check_finds_nothing_misleading_of_a_usual_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    deps = "CUDA_VERSION=12.6 TENSORRT_VERSION=10.3.0"
    keys = 'mllib = "tensorrt"\ndatatype = "fp16"\n'
    services = [ServiceSetup("vgg16", mllib="torch"), ServiceSetup("resnet50", mllib="ncnn", datatype="fp16")]
    assert "misleading" not in check(tmp_path, capsys, keys, deps=deps, services=services)


def test_check_ends_with_1_if_one_is_down_and_names_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedDeepDetect() as server:
        write(tmp_path, f'[platforms.tk1]\nurl = "{server.url}"\n[platforms.tx1]\nurl = "http://127.0.0.1:9"\n')
        text = output(capsys, "--check", status=1)
    states = {line.split()[0]: line.split()[2] for line in text.splitlines() if line[0] != " "}
    assert states == {"PLATFORM": "STATE", "tk1": "up", "tx1": "DOWN"}


def test_check_asks_those_that_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedDeepDetect() as server:
        write(tmp_path, f'[platforms.tk1]\nurl = "{server.url}"\n[platforms.tx1]\nurl = "http://127.0.0.1:9"\n')
        assert "tx1" not in output(capsys, "--check", "TK1")
        assert "tk1" not in output(capsys, "tx1", "--check", status=1)
        both = output(capsys, "tx1", "--check", "tk1", status=1)
    assert [line.split()[0] for line in both.splitlines()[1:] if line[0] != " "] == ["tx1", "tk1"]


def test_check_sends_the_credentials_of_the_environment(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TK1_USER", "me")
    monkeypatch.setenv("TK1_PASSWORD", "s3cret")
    with ScriptedServer([Reply(500, b"{}")]) as server:
        keys = f'url = "{server.url}"\nuser_env = "TK1_USER"\npassword_env = "TK1_PASSWORD"\n'
        write(tmp_path, f"[platforms.tk1]\n{keys}")
        assert "s3cret" not in output(capsys, "--check", status=1)
        seen = [request.headers.get("authorization") for request in server.requests]
    assert seen == ["Basic bWU6czNjcmV0"]


def test_check_says_which_variable_is_not_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, '[platforms.tk1]\nurl = "http://127.0.0.1:9"\nuser_env = "NO_SUCH_VARIABLE"\n')
    assert "NO_SUCH_VARIABLE" in output(capsys, "--check", status=1)


def test_the_embedded_server_is_not_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not checked" in output(capsys, "local", "--check")


@every_row("key", PLATFORM_KEYS)
def test_every_key_has_a_value_to_show(key: str) -> None:
    value, origin = describe_value(Platform("mine", "Mine"), key, None)
    assert value
    assert origin == "default"


def test_the_knobs_of_single_networks_are_shown() -> None:
    knobs: dict[str, dict[str, Any]] = {"resnet50": {"img_width": 320, "rgb": True}, "vgg16": {"mllib": "ncnn"}}
    shown, _ = describe_value(Platform("mine", "Mine", knobs=knobs), "knobs", None)
    assert shown == "resnet50: img_width = 320, rgb = yes; vgg16: mllib = ncnn"


def test_the_budgets_of_networks_are_shown() -> None:
    budgets = {"*": Budget(min_fps=10), "vgg16": Budget(max_ms=700, p95_ms=900.5)}
    shown, _ = describe_value(Platform("mine", "Mine", budgets=budgets), "budgets", None)
    assert shown == "*: min_fps = 10; vgg16: max_ms = 700, p95_ms = 900.5"
