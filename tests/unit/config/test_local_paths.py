from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.config.local_paths import local_path, server_path
from pytest_ddperf.errors import ConfigurationError

ME = pwd.getpwuid(os.getuid())
HERE, ELSEWHERE = "http://127.0.0.1:8080", "http://tk1.lan:8080"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_a_tilde_is_the_own_home_folder_and_with_a_name_that_of_an_account(home: Path) -> None:
    assert local_path("~") == home
    assert local_path("~/kept/a b") == home / "kept" / "a b"
    assert local_path(f"~{ME.pw_name}/kept") == Path(ME.pw_dir) / "kept"


@every_row("text", ["kept", "/kept", "./~", "a/~/b", "a~"])
def test_any_other_path_stays_as_it_is(text: str) -> None:
    assert local_path(text) == Path(text)


def test_the_home_folder_of_nobody_is_refused_with_what_to_write_instead() -> None:
    with pytest.raises(ConfigurationError) as caught:
        local_path("~nosuchuser/kept", "--ddperf-storage")
    assert_names(caught, "--ddperf-storage", "'~nosuchuser/kept'", "'nosuchuser'", "./~nosuchuser/kept")


def test_an_own_home_folder_that_is_not_known_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)  # a container's, without an entry in /etc/passwd
    with pytest.raises(ConfigurationError) as caught:
        local_path("~/kept")
    assert_names(caught, "'~/kept'", "./~/kept")


@every_row("url", ["embedded", HERE, "http://localhost:8080", "http://[::1]:8080"])
def test_a_server_on_this_machine_sees_its_home_folders(home: Path, url: str) -> None:
    assert server_path("~/models/{model}/", url) == f"{home}/models/{{model}}/"


def test_a_server_elsewhere_gets_a_path_as_it_was_written() -> None:
    assert server_path("~/models/{model}/", ELSEWHERE) == "~/models/{model}/"
    assert server_path("~nosuchuser/models", ELSEWHERE) == "~nosuchuser/models"
