"""`ddperf` as a whole: what its help says, and what becomes of every option with a wrong value."""

from __future__ import annotations

import argparse
import io
import itertools
import re
import sys
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from messages import assert_names
from nightly import cell, write_night

from pytest_ddperf.cli import main, platforms
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.dd_bench.files import LIST_NAME
from pytest_ddperf.embedded.__main__ import main as serve_main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def subcommands() -> dict[str, argparse.ArgumentParser]:
    (action,) = (one for one in main._parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


COMMANDS = subcommands()
ARGUMENTS = [
    (command, action)
    for command, parser in COMMANDS.items()
    for action in parser._actions
    if not isinstance(action, argparse._HelpAction)
]
every_command = every_row("command", COMMANDS)
every_argument = every_row("command, action", ARGUMENTS)


PATHS = [
    ("report", "-o", "{}/r.csv"),
    ("report", "-o", "bmf:{}/r.json"),
    ("report", "--plot", "{}/figures"),
    ("report", "--site", "{}/site"),
    ("report", "--storage", "{}/kept"),
    ("report", "--json", "{}/x.json"),
    ("select", "--storage", "{}/kept"),
    ("check-model", "{}/net"),
    ("bench", "--sname=x", "--remote-bench-data-dir=/srv", "--list-bench-files", "{}/list.txt"),
    ("bench", "--sname=x", "--remote-bench-data-dir=/srv", "--csv-output", "{}/r.csv"),
    ("bench", "--sname=x", "--remote-bench-data-dir=/srv", "--json-output", "{}/r.json"),
    ("bench", "--sname=x", "--remote-bench-data-dir", "{}/images"),
    ("bench", "--sname=x", "--remote-bench-data-dir=/srv", "--create", "{}/model"),
    ("serve", "--data-dir", "{}/images"),
    ("serve", "--model-dir", "{}/models"),
]


@every_row("typed", PATHS)
def test_the_home_folder_of_nobody_is_refused_in_one_paragraph(
    typed: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main.main([one.replace("{}", "~nosuchuser") for one in typed])
    except SystemExit as ended:
        status = int(ended.code or 0)
    said = capsys.readouterr().err
    assert status == 2
    assert said.count("\n") == 1
    assert_names(said, "'nosuchuser'")
    assert ".." not in said
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_command_ends_with_130_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(platforms, "load_catalog", interrupt)
    assert main.main(["platforms"]) == 130
    assert capsys.readouterr().err.count("\n") == 1


@every_row("typed", [typed for typed in PATHS if "--create" not in typed])
def test_an_empty_path_is_refused_and_is_not_the_current_folder(
    typed: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        status = main.main([re.sub(r"\{\}.*", "", one) for one in typed])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == 2
    assert_names(capsys.readouterr().err, "ddperf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["-o={}/r.csv", "-o=pytest:{}/r.csv", "--json={}/r.csv"])
def test_a_report_is_written_into_the_home_folder(option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    write_night(tmp_path / "home" / "kept", 0, [cell(CellKey("tk1", "squeezenet_v1.1", 1), [90.0, 91.0])])
    name, _, value = option.format("~").partition("=")
    assert main.main(["report", "--storage=~/kept", name, value]) == 0
    assert (tmp_path / "home" / "r.csv").is_file()


# --- the help


def test_the_commands_stand_in_the_order_of_need() -> None:
    assert list(COMMANDS) == ["platforms", "report", "select", "check-model", "bench", "serve", "completion"]


def test_each_command_is_described_on_one_line_of_the_help() -> None:
    shown = main._parser().format_help()
    for command in COMMANDS:
        assert re.search(rf"^    {command}\s+\S", shown, flags=re.MULTILINE)


@every_argument
def test_each_argument_is_explained(command: str, action: argparse.Action) -> None:
    assert action.help


@every_argument
def test_a_value_is_named_in_the_help_by_what_it_is(command: str, action: argparse.Action) -> None:
    if action.nargs != 0:
        assert action.metavar or not action.option_strings


@every_argument
def test_each_option_with_a_default_shows_it(command: str, action: argparse.Action) -> None:
    if action.default in (None, False, []):
        return
    default = f"{action.default:g}" if isinstance(action.default, float) else str(action.default)
    shown = str(action.help).replace("%(default)s", default)
    assert re.search(rf"default: {re.escape(default)}(?![\w.])", shown), shown


@every_row("command, columns", itertools.product(COMMANDS, [40, 80]))
def test_the_help_fits_the_terminal(command: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = subcommands()[command].format_help()
    assert shown.isascii()
    _usage, _, text = shown.partition("\n\n")  # argparse wraps the usage between options alone
    assert max(map(len, text.splitlines())) <= columns


# --- wrong values

ANY = {
    ("report", "--run"): "nothing is called so",
    ("bench", "--host"): "",
    ("bench", "--sname"): "",
    ("bench", "--create"): "a folder of the server",
    ("bench", "--mllib"): "the server knows",
    ("bench", "--datatype"): "the server knows",
    ("bench", "--image-interp"): "the server knows",
    ("bench", "--gpuid"): "",
    ("serve", "--seed"): "",
}
"""Options that take any text or number: what is wrong with it is found out later, if ever."""

LONG = "x" * 5000
WRONG = {
    ("platforms", "platform"): ["tk2", "", "tk1,"],
    ("platforms", "--check"): ["tk2", "tk1,tk2"],
    ("report", "--output"): ["", "report.doc", "bmf:", "/proc/nowhere/report.md"],
    ("report", "--plot"): ["/proc/version", "/proc/nowhere"],
    ("report", "--site"): ["/proc/version", "/proc/nowhere", LONG],
    ("report", "--platform"): ["tk2", ","],
    ("report", "--storage"): ["/proc/version", LONG],
    ("report", "--json"): ["/proc/nowhere/run.json"],
    ("select", "--min-fps"): ["fast", "0", "-1", "nan", ""],
    ("select", "--max-watts"): ["few", "0", "inf"],
    ("select", "--min-accuracy"): ["good", "101", "-5"],
    ("select", "--max-batch"): ["some", "0", "1.5"],
    ("select", "--max-latency"): ["short", "0"],
    ("select", "--max-memory"): ["little", "-1"],
    ("select", "--max-price"): ["cheap", "0"],
    ("select", "--platform"): ["tk2", ",", ""],
    ("select", "--models"): ["resnet5", ""],
    ("select", "--task"): ["dreaming", ""],
    ("select", "--rank-by"): ["beauty", ""],
    ("select", "--storage"): ["nowhere", "/proc/version", LONG],
    ("check-model", "folder"): ["nowhere", "/proc/version", LONG],
    ("check-model", "--batch-sizes"): ["", "0", "1,x", "1e3"],
    ("bench", "--port"): ["http", "0", "65536", "-1", ""],
    ("bench", "--nclasses"): ["all", "0", "-1"],
    ("bench", "--max-workspace-size"): ["big", "0"],
    ("bench", "--remote-bench-data-dir"): [""],
    ("bench", "--list-bench-files"): ["nowhere.txt", "/proc", LONG],
    ("bench", "--img-width"): ["wide", "0"],
    ("bench", "--img-height"): ["high", "0"],
    ("bench", "--scale"): ["small", "nan", "inf"],
    ("bench", "--max-batch-size"): ["many", "0"],
    ("bench", "--npasses"): ["five", "0"],
    ("bench", "--csv-output"): ["/proc/nowhere/out.csv", LONG],
    ("bench", "--json-output"): ["/proc/nowhere/out.json", "/proc"],
    ("bench", "--timer"): ["sundial", ""],
    ("bench", "--timeout"): ["long", "0", "-1", "nan", "1e300"],
    ("serve", "--port"): ["http", "-1", "65536"],
    ("serve", "--host"): ["0.0.0.0", "example.com", ""],  # noqa: S104 - what must be refused
    ("serve", "--models"): ["resnet5", "all,none"],
    ("serve", "--threads"): ["all", "-1"],
    ("serve", "--data-dir"): ["nowhere", "/proc/version", LONG],
    ("serve", "--model-dir"): ["nowhere", LONG],
    ("serve", "--slow"): ["resnet50", "resnet50=0.5", "resnet5=2", "=2"],
    ("serve", "--max-body"): ["big", "0"],
    ("serve", "--max-images"): ["many", "-1"],
    ("serve", "--max-services"): ["many", "0"],
    ("serve", "--max-connections"): ["many", "0"],
    ("serve", "--request-timeout"): ["long", "0"],
    ("completion", "shell"): ["tcsh", ""],
}
"""By command and argument."""

BESIDE = {
    ("check-model", "--batch-sizes"): ["."],
    ("bench", ""): ["--sname=imageserv", "--remote-bench-data-dir=/srv/bench", "--list-bench-files=images.txt"],
    ("serve", ""): ["--port=0", "--models=none"],
}
"""What a command needs besides."""


def valued() -> Iterator[tuple[str, str]]:
    for command, parser in COMMANDS.items():
        for action in parser._actions:
            if action.nargs != 0:
                yield command, (action.option_strings or [action.dest])[-1]


def test_the_help_of_bench_names_the_list_of_images_that_it_looks_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main.main(["bench", "--help"])
    assert LIST_NAME in capsys.readouterr().out


def reported(argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int | str | None, str]:
    """The exit status and what stood on standard error."""
    code: int | str | None
    try:
        code = main.main(argv)
    except SystemExit as ended:
        code = ended.code
    return code, capsys.readouterr().err


def assert_one_paragraph(text: str) -> None:
    assert re.fullmatch(r"ddperf[ \w-]*: [^\n]+\n", text), text[:500]
    assert "Traceback" not in text


def test_every_argument_with_a_value_is_tried_with_wrong_ones() -> None:
    assert sorted(valued()) == sorted([*WRONG, *ANY])


@every_row("argument, value", [(argument, value) for argument, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_paragraph_and_status_2(
    argument: tuple[str, str],
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command, name = argument
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images.txt").write_text("a.jpg\n", encoding="utf-8")
    beside = BESIDE.get((command, name), BESIDE.get((command, ""), []))
    beside = [one for one in beside if not one.startswith(f"{name}=")]
    code, said = reported([command, *beside, f"{name}={value}" if name.startswith("-") else value], capsys)
    assert code == 2
    assert_one_paragraph(said)


@every_command
def test_an_unknown_option_is_one_paragraph(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    needed = {"check-model": ["."], "completion": ["bash"]}.get(command, [])
    code, said = reported([command, *needed, "--nonsense"], capsys)
    assert code == 2
    assert_one_paragraph(said)
    assert "--nonsense" in said


@every_row("argv", [[], ["reprot"], ["check-model"], ["completion"], ["bench", "--port"]])
def test_what_is_missing_or_unknown_is_one_paragraph(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = reported(argv, capsys)
    assert code == 2
    assert_one_paragraph(said)


@pytest.mark.parametrize(
    ("argv", "command", "meant"),
    [
        (["srve"], "ddperf", "serve"),
        (["--versoin"], "ddperf", "--version"),
        (["platform"], "ddperf", "platforms"),
        (["completion", "bsh"], "ddperf completion", "bash"),
        (["report", "--plto"], "ddperf report", "--plot"),
        (["report", "--storag=x", "--plto"], "ddperf report", "--plot"),
        (["select", "--rnk-by", "speed"], "ddperf select", "--rank-by"),
        (["bench", "--npasess=3"], "ddperf bench", "--npasses"),
        (["bench", "--timer=hed"], "ddperf bench", "head"),
        (["serve", "--prot", "8"], "ddperf serve", "--port"),
        (["serve", "--port=0", "--models=resnet51"], "ddperf serve", "resnet50"),
    ],
)
def test_a_misspelled_name_gets_a_suggestion_from_its_command(
    argv: list[str], command: str, meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = reported(argv, capsys)
    assert code == 2
    assert said.startswith(f"{command}: ")
    assert_names(said, f"did you mean {meant}?")


@every_row("argv", [["xyzzy"], ["report", "--xyzzy"], ["report", "plot"], ["bench", "--timer=xyzzy"]])
def test_what_is_like_no_name_gets_no_suggestion(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = reported(argv, capsys)
    assert code == 2
    assert "did you mean" not in said


@pytest.mark.parametrize("argv", [["srve"], ["completion", "tcsh"], ["bench", "--timer=sundial"]])
def test_a_wrong_choice_is_answered_with_the_valid_ones(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    _, said = reported(argv, capsys)
    valid = {"srve": ", ".join(COMMANDS), "completion": "bash, zsh, fish", "bench": "auto, predict, head, client"}
    assert_names(said, valid[argv[0]])


def test_the_embedded_server_itself_is_as_short(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        serve_main(["--threads", "all"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


# --- what a terminal or a file cannot show


def test_a_name_that_the_encoding_does_not_have_is_escaped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    folder = tmp_path / "mod\N{LATIN SMALL LETTER E WITH GRAVE}le"
    folder.mkdir()
    assert main.main(["check-model", str(folder)]) == 1
    sys.stdout.flush()
    assert written.getvalue().startswith(b"mod\\xe8le: no network found.")
