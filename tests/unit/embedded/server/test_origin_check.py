"""Which requests are none of this host's own programs."""

from __future__ import annotations

from every_row import every_row

from pytest_ddperf.embedded.server.origin_check import explain_foreign_request


def asked(**headers: str) -> str:
    return explain_foreign_request([(name.encode(), value.encode("latin-1")) for name, value in headers.items()])


@every_row(
    "host",
    ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.0.0.1", "127.9.8.7:1", "[::1]:8080", "[::1]"],
)
def test_a_host_that_can_only_be_this_one_is_its_own(host: str) -> None:
    assert asked(host=host) == ""


@every_row("host", [
        "evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example:80", "192.168.1.7:8080",
        "evil.example:127.0.0.1", "0.0.0.0:8080", "[::]:1", "[::1", "[::1]evil", "[127.0.0.1]:1", "[localhost]:1",
        "::1", "localhost:x", "localhost:8080@evil", "me@localhost", "", "localhost:\xb2", "localhost, evil.example",
    ])  # fmt: skip
def test_any_other_host_is_not(host: str) -> None:
    assert "its own host only" in asked(host=host)


def test_a_second_host_header_is_looked_at_too() -> None:
    assert explain_foreign_request([(b"host", b"localhost:1"), (b"host", b"evil.example")])


def test_a_program_that_sends_no_host_is_no_browser() -> None:
    assert asked(accept="application/json") == ""


def test_a_page_of_the_server_itself_may_ask_it() -> None:
    assert asked(host="localhost:8080", origin="http://localhost:8080") == ""


@every_row("origin", [
        "http://evil.example", "https://localhost:8080", "http://localhost", "http://localhost:3000", "null", "",
        "http://127.0.0.1:8080", "http://localhost:8080.evil.example", "file://", "chrome-extension://abc",
    ])  # fmt: skip
def test_a_page_of_another_site_may_not(origin: str) -> None:
    assert "web pages of other sites" in asked(host="localhost:8080", origin=origin)


def test_an_origin_without_a_host_is_another_site_s() -> None:
    assert asked(origin="http://localhost:8080")


def test_what_is_shown_of_a_header_is_bounded() -> None:
    assert len(asked(host="x" * 10_000)) < 400
