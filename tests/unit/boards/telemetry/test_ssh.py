from __future__ import annotations

import pytest
from every_row import every_row

from pytest_ddperf.boards.telemetry.ssh import SSH_OPTIONS, build_script, build_variables, shell_command
from pytest_ddperf.core.board_address import BoardAddress


def test_local_is_a_shell_of_this_machine() -> None:
    assert shell_command(BoardAddress.parse("local"), {}) == ["/bin/sh", "-s"]


@pytest.mark.parametrize(
    ("text", "tail"),
    [
        ("ssh:tk1", ["--", "tk1"]),
        ("ssh:me@tk1", ["--", "me@tk1"]),
        ("ssh://tk1", ["--", "tk1"]),
        ("ssh://me@tk1.lan:2222", ["-p", "2222", "--", "me@tk1.lan"]),
        ("ssh://[fe80::1]:22/", ["-p", "22", "--", "fe80::1"]),
    ],
)
def test_ssh_is_the_system_s_and_never_asks(text: str, tail: list[str]) -> None:
    command = shell_command(BoardAddress.parse(text), {})
    assert command == ["ssh", *SSH_OPTIONS, *tail, "exec /bin/sh -s"]
    assert "-oBatchMode=yes" in command


def test_the_ssh_command_may_be_another_one() -> None:
    command = shell_command(BoardAddress.parse("ssh:tk1"), {"DDPERF_SSH_COMMAND": "ssh -F 'my config'"})
    assert command[:3] == ["ssh", "-F", "my config"]


@every_row("text", ["", "tk1", "ssh:", "ssh:-oProxyCommand=x", "ssh://-x", "ssh:a b", "ssh://h:x", "http://h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^local, ssh:HOST"):
        BoardAddress.parse(text)


def test_a_script_begins_with_its_variables() -> None:
    assert build_script("sampler.sh", {"DDPERF_SYSFS_ROOT": "/a b"}).startswith(b"DDPERF_SYSFS_ROOT='/a b'\n#")


def test_the_root_is_sent_along_only_where_there_is_one() -> None:
    assert build_variables(1, {}) == {"DDPERF_GPU": "1"}
    assert build_variables(0, {"DDPERF_SYSFS_ROOT": "/x"}) == {"DDPERF_GPU": "0", "DDPERF_SYSFS_ROOT": "/x"}
