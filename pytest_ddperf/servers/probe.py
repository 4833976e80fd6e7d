"""Before the first test: which servers answer. Side by side, without taking a server that somebody measures."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.client import wait_until_up
from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.embedded.facade import require_embedded
from pytest_ddperf.errors import ServerError
from pytest_ddperf.servers.lock import ServerLock, describe_busy_lock
from pytest_ddperf.servers.request_images import load_images
from pytest_ddperf.servers.target import open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ddperf.config.server_options import ServerOptions

AT_ONCE = 16
"""Servers that are asked at the same time."""


def probe(options: ServerOptions, say: Callable[[str], None]) -> None:
    """Find out whether a server can be measured, and whether there are images to send.

    A server that another run measures is up, and is not asked: it must have one client at a time.

    Args:
        options: how it is reached.
        say: takes a line for the person who waits.

    Raises:
        ServerError: nothing answers at the URL, after `wait_s`, or something else does.
        ConfigurationError: the images that the options name are not known, or the embedded server's packages are not
            installed.
    """
    _ask(options, say)
    load_images(options)


def _ask(options: ServerOptions, say: Callable[[str], None]) -> None:
    if options.is_embedded:
        require_embedded()
        return
    if options.prepared_first:  # it may be down until the user's command has run
        return
    lock = ServerLock(identify_server(options.url))
    if lock.acquire_at_once():
        client = open_client(options, options.url)
        try:
            wait_until_up(client, options.wait_s)
        finally:
            client.close()
            lock.release()
    else:
        say(describe_busy_lock(lock, options.lock_wait_s))


def probe_all(servers: Mapping[str, ServerOptions], say: Callable[[str], None]) -> dict[str, ServerError]:
    """Probe the servers of several platforms, side by side; those that share one, one after the other.

    Returns:
        By platform, in the order of `servers`, why a server cannot be measured; those that can are left out.

    Raises:
        ConfigurationError: the images that the options name are not known.
    """
    sharing: dict[str, list[str]] = {}
    for platform, options in servers.items():
        sharing.setdefault(identify_server(options.url), []).append(platform)

    def probe_one_server(platforms: Sequence[str]) -> dict[str, ServerError]:
        down: dict[str, ServerError] = {}
        for platform in platforms:
            try:
                _ask(servers[platform], say)
            except ServerError as error:
                down[platform] = error
        return down

    with ThreadPoolExecutor(min(AT_ONCE, len(sharing))) as pool:
        found = [one for down in pool.map(probe_one_server, sharing.values()) for one in down.items()]
    errors = dict(found)
    for platform, options in servers.items():
        if platform not in errors:
            load_images(options)
    return {platform: errors[platform] for platform in servers if platform in errors}
