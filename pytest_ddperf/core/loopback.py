"""Whether a host is this machine, by its name or address. Names are not looked up."""

from __future__ import annotations

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` or a loopback address: only processes of this machine can use it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return False


def is_this_host(host: str) -> bool:
    """Whether a connection to a host reaches this machine; that holds for more names and addresses than loopback's."""
    host = host.removesuffix(".")
    if is_loopback(host) or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)  # ::ffff:127.0.0.1
    return address.is_unspecified or (mapped is not None and mapped.is_loopback)  # 0.0.0.0 is an address to listen on
