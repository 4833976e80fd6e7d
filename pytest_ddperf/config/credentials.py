"""Credentials of servers: a platform names environment variables that contain them, never the secrets themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.url import Secret, encode_basic_auth, hide_credentials
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from pytest_ddperf.core.platform import Platform


def build_authorization(platform: Platform) -> Secret | None:
    """Build the value of the Authorization header for a platform's server; None if it has no credentials.

    Raises:
        ConfigurationError: a named variable is not set, the user name contains a colon, or `password_env` is given
            without `user_env`.
    """
    if platform.user_env is None and platform.password_env is None:
        return None
    if platform.user_env is None:
        raise ConfigurationError(
            f"Platform {platform.id} has password_env but no user_env; set user_env to the environment variable that "
            "contains the user name."
        )
    user = _value(platform, "user_env", platform.user_env)
    if ":" in user:
        raise ConfigurationError(
            f"Platform {platform.id}: the user name in {platform.user_env} contains a colon, which Basic "
            "authentication does not allow (RFC 7617); use another user."
        )
    password = "" if platform.password_env is None else _value(platform, "password_env", platform.password_env)
    return encode_basic_auth(user, password)


def mask_secrets(text: str, platform: Platform) -> str:
    """Replace a platform's password, and the header built from it, in a text."""
    password = os.environ.get(platform.password_env or "", "")
    if not password:
        return text
    header = encode_basic_auth(os.environ.get(platform.user_env or "", ""), password)
    return hide_credentials(text, header.value.removeprefix("Basic "), password)


def _value(platform: Platform, key: str, variable: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise ConfigurationError(
            f"Platform {platform.id}: {key} names the environment variable {variable}, which is not set; set it to the "
            f"{key.removesuffix('_env')} of the server, or remove {key} from ddperf.toml."
        )
    return value
