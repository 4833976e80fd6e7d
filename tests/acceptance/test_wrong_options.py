"""Every option with a wrong value, wherever it stands, is one paragraph and exit status 4, before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET
from every_row import every_row

from pytest_ddperf.config.options import OPTIONS, Option

if TYPE_CHECKING:
    from bench_project import BenchProject

LONG = "x" * 5000
WRONG = {
    "platform": ["tk2", ","],
    "url": ["localhost:8080", "ftp://board", "http://a b:80", ""],
    "against": ["localhost:8080", "http://a b:80", ""],
    "max-pairs": ["8", "many", ""],
    "pair-seed": ["-1", "x"],
    "models": ["resnet5", "squeezenet", ""],
    "batch-sizes": ["0", "1,x", ""],
    "max-batch-size": ["0", "many", ""],
    "batch-schedule": ["pow3", ""],
    "baseline": ["reprot", LONG, ""],
    "tolerance": ["10", "1.5", "-1%", "nan"],
    "min-fps": ["0", "-1", "nan", "fast", ""],
    "max-ms": ["0", "inf", "1e10"],
    "update-baselines": ["some", ""],
    "report": ["report.doc", "bmf:", "", "/proc/nowhere/report.md"],
    "plot": ["/proc/version", ""],
    "storage": ["/proc/version", LONG, "", " "],
    "npasses": ["0", "1.5"],
    "max-passes": ["0", "many", "4"],
    "warmup": ["-1", "some"],
    "concurrency": ["0", "1.5", "many", ""],
    "rate": ["0", "nan", "fast", ""],
    "load-requests": ["1", "many"],
    "timer": ["wall", ""],
    "data-dir": [""],
    "bench-files": ["nowhere.txt", "/proc", LONG, ""],
    "repository": [""],
    "service": ["", "{modle}", "{model", "model}"],
    "missing-service": ["ignore"],
    "mllib": [""],
    "gpuid": ["-2", "first", "0,1"],
    "template": ["", "resnet19"],
    "concurrent-predict": ["maybe"],
    "input-blob": ["", " "],
    "output-blob": [""],
    "ncnn-threads": ["0", "all"],
    "datatype": ["fp8", ""],
    "nclasses": ["0", "all"],
    "max-workspace-size": ["0", "big"],
    "img-width": ["0", "wide"],
    "img-height": ["-1", "high"],
    "scale": ["0", "nan", "small"],
    "image-interp": ["best"],
    "wait": ["soon", "-1", "nan", "1e300"],
    "lock-wait": ["long", "inf", "1e7"],
    "timeout": ["long", "-1", "0", "1e300"],
    "cold-start-timeout": ["long", "nan", "0"],
    "recovery-timeout": ["long", "-1", "1e7"],
    "infra-exit-code": ["0", "256", "some"],
    "ca-file": ["nowhere.pem", LONG, ""],
    "threads": ["0", "all"],
}
FLAGS = [option for option in OPTIONS if option.metavar is None]
BY_NAME = {option.name: option for option in OPTIONS}


def assert_refused(project: BenchProject, result: pytest.RunResult) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR, str(result.stdout)
    text = "\n".join(result.errlines + result.outlines)
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert [line[:15] for line in result.errlines if line] == ["ERROR: ddperf: "]
    assert project.server.predictions == []


def test_every_option_with_a_value_is_tried_with_wrong_ones() -> None:
    assert {option.name for option in OPTIONS if option.metavar is not None} == WRONG.keys()


@pytest.mark.slow
@every_row("name, value", [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_on_the_command_line_is_refused(tk1: BenchProject, name: str, value: str) -> None:
    where = [one for one in tk1.where if not one.startswith(f"--ddperf-{name}=")]
    where += ["--ddperf-url=https://localhost:9"] if name == "ca-file" else []
    assert_refused(tk1, tk1.bare("benchmarks", *where, *SQUEEZENET, f"{BY_NAME[name].flag}={value}"))


def test_an_empty_variable_counts_as_none(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in OPTIONS:
        monkeypatch.setenv(option.variable, "")
    result = tk1.run(*SQUEEZENET)
    assert result.ret == pytest.ExitCode.OK
    assert [path.name for path in tk1.path.glob("*.jsonl")] == []
    assert len(tk1.histories()) == 1


@pytest.mark.parametrize(
    ("option", "how"),
    [("service", ()), ("repository", ()), pytest.param("repository", ("-n1",), marks=pytest.mark.slow)],
)
def test_one_service_for_several_networks_is_refused(tk1: BenchProject, option: str, how: tuple[str, ...]) -> None:
    where = [one for one in tk1.where if not one.startswith(f"--ddperf-{option}=")]
    two = ("--ddperf-models=squeezenet_v1.1,resnet50", "--ddperf-batch-sizes=1")
    assert_refused(tk1, tk1.bare("benchmarks", *where, *two, *how, f"--ddperf-{option}=resnet50"))


def test_one_service_is_right_where_k_leaves_one_network(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-batch-sizes=1", "--ddperf-service=resnet50", "-k", "resnet50")
    result.assert_outcomes(passed=1, deselected=12)


@every_row("option", FLAGS)
def test_a_wrong_value_of_a_flag_s_variable_is_refused(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch, option: Option
) -> None:
    monkeypatch.setenv(option.variable, "maybe")
    assert_refused(tk1, tk1.run(*SQUEEZENET))


@every_row("option", FLAGS)
def test_a_wrong_value_of_a_flag_s_ini_key_is_refused(tk1: BenchProject, option: Option) -> None:
    tk1.ini(**{option.key: "maybe"})
    assert_refused(tk1, tk1.run(*SQUEEZENET))


@pytest.mark.slow
@every_row("option", [one for one in OPTIONS if one.metavar and not one.bare])
def test_an_option_without_its_value_is_refused_by_pytest(tk1: BenchProject, option: Option) -> None:
    result = tk1.run(option.flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"argument {option.flag}: expected one argument" in " ".join(result.errlines)
