from __future__ import annotations

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.deepdetect.url import (
    Address,
    ServerUrl,
    check_url,
    encode_basic_auth,
    identify_server,
    remove_credentials,
    remove_secret,
)
from pytest_ddperf.errors import ConfigurationError


@pytest.mark.parametrize(
    ("urls", "name"),
    [
        (["embedded"], "embedded"),
        (["http://u:p@Board:1/x", "http://board:1", "HTTP://BOARD:1/", "http://board.:1"], "board:1"),
        (["http://h", "http://h:80", "http://h/"], "h:80"),
        (["http://10.0.0.1:1", "http://[::ffff:10.0.0.1]:1"], "10.0.0.1:1"),
        (["https://h", "https://h:443", "http://h:443"], "h:443"),
        (
            [
                "http://localhost:8080",
                "http://LOCALHOST.:8080/",
                "http://127.0.0.1:8080",
                "http://127.0.1.1:8080",
                "http://[::1]:8080",
                "http://[0:0:0:0:0:0:0:1]:8080",
                "http://[::ffff:127.0.0.1]:8080",
                "http://0.0.0.0:8080",
                "https://u:p@tk1.localhost:8080/x",
            ],
            "localhost:8080",
        ),
        (["http://[fe80::1%wlP1p1s0]:1", "http://[FE80:0::1%25wlP1p1s0]:1"], "[fe80::1%25wlP1p1s0]:1"),
        (["http://[2001:DB8:0:0::7]:1", "http://[2001:db8::7]:1"], "[2001:db8::7]:1"),
    ],
)
def test_a_server_has_one_name_however_its_url_is_written(urls: list[str], name: str) -> None:
    assert [identify_server(url) for url in urls] == [name] * len(urls)


@every_row("other", ["http://h:2", "http://g:1", "http://10.0.0.1:1", "embedded", "http://localhost:1"])
def test_another_host_or_port_is_another_server(other: str) -> None:
    assert identify_server(other) != identify_server("http://h:1")


def test_what_is_no_url_has_no_name() -> None:
    with pytest.raises(ConfigurationError) as caught:
        identify_server("board")
    assert_names(caught, "'board'", "http")


def test_a_url_or_the_word_embedded_is_taken() -> None:
    assert check_url("embedded") == "embedded"
    assert check_url("http://h:1/x") == "http://h:1/x"


@every_row("host", ["a b", "a<b", "a\\b", "a|b"])
def test_a_host_name_that_cannot_be_one_is_refused_whatever_the_http_library_thinks_of_it(host: str) -> None:
    with pytest.raises(ValueError, match="or embedded"):
        check_url(f"http://{host}:80")


def test_a_user_name_has_no_colon() -> None:
    url = "http://me%3Atoo:s3cret@h:1"
    with pytest.raises(ConfigurationError) as caught:
        ServerUrl.parse(url)
    assert_names(caught, "colon", "user name", "http://***@h:1")
    with pytest.raises(ValueError, match="colon") as refused:
        check_url(url)
    assert_names(refused, "user name", "or embedded")
    assert "s3cret" not in f"{caught.value} {refused.value}"
    assert ServerUrl.parse("http://me:s3:cret@h:1").authorization is not None


def test_anything_else_is_refused() -> None:
    with pytest.raises(ValueError, match="or embedded"):
        check_url("embeded")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://h:1/p", "http://h:1/p"),
        ("http://me:pw@h:1", "http://***@h:1"),
        ("http://me:p@w/x,y@h:1", "http://***@h:1"),
        ("ftp://me:pw@h", "***@h"),
        ("http://me:pw", "http://me:***"),
        ("http://me:123pw", "http://me:***"),
        ("tk1=http://a:b@h:1,tx1=https://c:d@i:2", "tk1=http://***@h:1,tx1=https://***@i:2"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("embedded", "embedded"),
    ],
)
def test_for_messages_a_url_loses_what_could_be_credentials(text: str, shown: str) -> None:
    assert remove_credentials(text) == shown


def test_an_address_shows_no_credentials_among_a_traceback_s_locals() -> None:
    assert repr(Address("http://me:pw@h:1")) == "'http://***@h:1'"
    assert Address("http://me:pw@h:1") == "http://me:pw@h:1"


@pytest.mark.parametrize("said", ["pw:é/", "pw%3A%C3%A9%2F", "bWU6cHc6w6kv"])
def test_what_a_server_quotes_back_loses_the_password(said: str) -> None:
    assert remove_secret(f"no {said} here", encode_basic_auth("me", "pw:é/")) == "no *** here"
