from __future__ import annotations

from base64 import b64decode

import pytest
from messages import assert_names

from pytest_ddperf.config.credentials import build_authorization, mask_secrets
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.errors import ConfigurationError

NAMED = Platform("tk1", "TK1", user_env="TK1_USER", password_env="TK1_PASSWORD")  # noqa: S106 - the name of a variable


def set_variables(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name in ("TK1_USER", "TK1_PASSWORD", "P"):
        monkeypatch.delenv(name, raising=False)
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def test_without_names_there_are_none() -> None:
    assert build_authorization(Platform("tk1", "TK1")) is None


def test_they_are_what_the_environment_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"TK1_USER": "me", "TK1_PASSWORD": "s:é"})
    found = build_authorization(NAMED)
    assert found is not None
    assert b64decode(found.value.removeprefix("Basic ")).decode() == "me:s:é"


def test_they_show_themselves_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"TK1_USER": "me", "TK1_PASSWORD": "s"})
    assert "me" not in repr(build_authorization(NAMED))


def test_a_user_may_have_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"TK1_USER": "me"})
    found = build_authorization(Platform("tk1", "TK1", user_env="TK1_USER"))
    assert found is not None
    assert b64decode(found.value.removeprefix("Basic ")) == b"me:"


@pytest.mark.parametrize("environ", [{}, {"TK1_USER": "me"}, {"TK1_USER": "me", "TK1_PASSWORD": ""}])
def test_a_variable_that_is_not_set_is_said_by_its_name(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_variables(monkeypatch, environ)
    variable = "TK1_PASSWORD" if environ else "TK1_USER"
    with pytest.raises(ConfigurationError) as caught:
        build_authorization(NAMED)
    assert_names(caught, "tk1", variable)


def test_a_user_name_has_no_colon(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"TK1_USER": "me:too", "TK1_PASSWORD": "s3cret"})
    with pytest.raises(ConfigurationError) as caught:
        build_authorization(NAMED)
    assert_names(caught, "tk1", "TK1_USER", "colon")
    assert not {"me:too", "s3cret"} & set(str(caught.value).split())
    assert mask_secrets("s3cret", NAMED) == "***"


def test_a_password_needs_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"P": "x"})
    with pytest.raises(ConfigurationError) as caught:
        build_authorization(Platform("tk1", "TK1", password_env="P"))  # noqa: S106 - the name of a variable
    assert_names(caught, "tk1", "password_env", "user_env")


def test_a_text_loses_the_password_and_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    set_variables(monkeypatch, {"TK1_USER": "me", "TK1_PASSWORD": "s3cret"})
    header = build_authorization(NAMED)
    assert header is not None
    assert mask_secrets(f"curl -u me:s3cret; {header.value}", NAMED) == "curl -u me:***; Basic ***"
