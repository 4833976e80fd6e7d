from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from messages import assert_names
from processes import is_gone

from pytest_ddperf.boards.commands import TAIL_LINES, run
from pytest_ddperf.errors import HookError

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.core.platform import Command


def test_a_text_is_a_line_for_the_shell(tmp_path: Path) -> None:
    run(f"echo one > {tmp_path}/a && echo two > {tmp_path}/b", timeout_s=10, variables={})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_list_of_words_meets_no_shell(tmp_path: Path) -> None:
    run(("touch", str(tmp_path / "a b; $HOME")), timeout_s=10, variables={})
    assert [path.name for path in tmp_path.iterdir()] == ["a b; $HOME"]


def test_its_variables_are_added_to_the_environment(tmp_path: Path) -> None:
    run(f'echo "$BOARD $PATH" > {tmp_path}/a', timeout_s=10, variables={"BOARD": "tk1"})
    board, _, path = (tmp_path / "a").read_text(encoding="utf-8").partition(" ")
    assert board == "tk1"
    assert path.strip()


def test_a_failure_shows_the_command_its_status_and_the_end_of_its_output() -> None:
    with pytest.raises(HookError) as caught:
        run("seq 100; echo no such clock >&2; exit 3", timeout_s=10, variables={})
    said = str(caught.value)
    assert_names(said, "exit 3`", "status 3")
    assert said.splitlines()[-TAIL_LINES:] == [*(str(number) for number in range(92, 101)), "no such clock"]


def test_a_failure_without_output_says_so() -> None:
    with pytest.raises(HookError) as caught:
        run("exit 1", timeout_s=10, variables={})
    assert_names(caught, "`exit 1`", "status 1", "nothing")


def test_a_program_that_is_not_there_is_said() -> None:
    with pytest.raises(HookError) as caught:
        run(("no-such-program", "-x"), timeout_s=10, variables={})
    assert_names(caught, "`no-such-program -x`", "No such file")


def test_one_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    with pytest.raises(HookError) as caught:
        run(f"sleep 600 & echo $! > {tmp_path}/pid; wait", timeout_s=0.5, variables={})
    assert_names(caught, "0.5 s", "hook_timeout")
    pid = int((tmp_path / "pid").read_text(encoding="utf-8"))
    assert is_gone(pid)


def test_what_it_leaves_in_the_background_is_not_waited_for_and_stays(tmp_path: Path) -> None:
    run(f"sleep 600 & echo $! > {tmp_path}/pid", timeout_s=30, variables={})
    process = psutil.Process(int((tmp_path / "pid").read_text(encoding="utf-8")))
    assert process.is_running()
    process.kill()


def test_it_has_no_input_and_no_terminal(tmp_path: Path) -> None:
    script = f"import sys; open({str(tmp_path / 'a')!r}, 'w').write(repr((sys.stdin.read(), sys.stdin.isatty())))"
    run(f"{shlex.quote(sys.executable)} -c {shlex.quote(script)}", timeout_s=30, variables={})
    assert (tmp_path / "a").read_text(encoding="utf-8") == "('', False)"


@pytest.mark.parametrize("command", ["echo a\0b", ("echo", "a\0b")])
def test_a_nul_in_a_command_is_said(command: Command) -> None:
    with pytest.raises(HookError) as caught:
        run(command, timeout_s=10, variables={})
    assert_names(caught, "echo", "x00b", "null byte")
