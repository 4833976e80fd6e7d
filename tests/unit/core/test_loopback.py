from __future__ import annotations

from every_row import every_row

from pytest_ddperf.core.loopback import is_loopback, is_this_host


@every_row("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_a_loopback_name_or_address_is_this_host(host: str) -> None:
    assert is_loopback(host)
    assert is_this_host(host)


@every_row("host", ["localhost.", "dev.localhost", "0.0.0.0", "::", "127.0.0.1."])  # noqa: S104
def test_other_names_and_addresses_reach_this_host_and_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
    assert is_this_host(host)


def test_a_mapped_loopback_address_reaches_this_host() -> None:
    assert is_this_host("::ffff:127.0.0.1")


@every_row("host", ["", "tk1", "10.0.0.1", "localhost.example.com", "::ffff:10.0.0.1"])
def test_another_host_is_neither(host: str) -> None:
    assert not is_loopback(host)
    assert not is_this_host(host)
