from __future__ import annotations

import pytest
from every_row import every_row

from pytest_ddperf.boards.telemetry.ssh import SSH_OPTIONS, build_script, shell_command
from pytest_ddperf.core.board_address import BoardAddress


def test_local_is_a_shell_of_this_machine() -> None:
    assert shell_command(BoardAddress.parse("local")) == ["/bin/sh", "-s"]


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
def test_ssh_is_the_system_s_and_never_asks(text: str, tail: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DDPERF_SSH_COMMAND", raising=False)
    command = shell_command(BoardAddress.parse(text))
    assert command == ["ssh", *SSH_OPTIONS, *tail, "exec /bin/sh -s"]
    assert "-oBatchMode=yes" in command


def test_the_ssh_command_may_be_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_SSH_COMMAND", "ssh -F 'my config'")
    command = shell_command(BoardAddress.parse("ssh:tk1"))
    assert command[:3] == ["ssh", "-F", "my config"]


@every_row("text", ["", "tk1", "ssh:", "ssh:-oProxyCommand=x", "ssh://-x", "ssh:a b", "ssh://h:x", "http://h"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^local, ssh:HOST"):
        BoardAddress.parse(text)


def test_a_script_begins_with_its_variables_and_the_root_of_sys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_SYSFS_ROOT", "/a b")
    assert build_script("sampler.sh", {"DDPERF_GPU": "1"}).startswith(b"DDPERF_SYSFS_ROOT='/a b'\nDDPERF_GPU=1\n#")
