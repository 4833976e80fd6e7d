"""Check before the first test which servers respond, in parallel, without using a server that is being measured."""

from __future__ import annotations

import contextlib
import functools
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.client import wait_until_up
from pytest_ddperf.deepdetect.protocol import Info
from pytest_ddperf.embedded.launch import require_extra
from pytest_ddperf.errors import ServerError
from pytest_ddperf.servers.backends import require_backend
from pytest_ddperf.servers.connection import open_client
from pytest_ddperf.servers.load_endpoint import ThreadClientPool
from pytest_ddperf.servers.lock import ServerLock, describe_busy_lock
from pytest_ddperf.servers.request_images import load_images
from pytest_ddperf.servers.services import check_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.networks import Network

AT_ONCE = 16
"""Number of servers probed at the same time."""


def _ask(options: ServerOptions, say: Callable[[str], None]) -> Info | None:
    """Return what a server reports about itself; None if it is not asked.

    A server that another run is measuring is up, and gets no request: it must have one client at a time.
    """
    if options.is_embedded:
        require_extra()
        return Info()
    if options.prepared_first:  # it may be down until the user's command has run
        return None
    lock = ServerLock(options.identity)
    if lock.acquire_at_once():
        try:
            with open_client(options, options.url) as client:
                info = wait_until_up(client, options.wait_s)
        finally:
            lock.release()
        require_backend(options, info)
        return info
    say(describe_busy_lock(lock, options.lock_wait_s))
    return None


def probe_all(
    servers: Mapping[str, ServerOptions],
    say: Callable[[str], None],
    networks: Mapping[str, Sequence[Network]] = MappingProxyType({}),
) -> dict[str, ServerError]:
    """Probe the servers of several platforms in parallel; platforms that share a server are probed one after the other.

    Returns:
        Why a server cannot be measured, by platform, in the order of `servers`; measurable servers are omitted.

    Raises:
        ConfigurationError: the images named by the options are unknown, a server does not have the backend, or a
            parameter does not fit it.
    """
    sharing: dict[str, list[str]] = {}
    for platform, options in servers.items():
        sharing.setdefault(options.identity, []).append(platform)

    errors: dict[str, ServerError] = {}

    def probe_one_server(platforms: Sequence[str]) -> None:
        for platform in platforms:
            try:
                info = _ask(servers[platform], say)
                if info is not None:
                    check_parameters(servers[platform], networks.get(platform, ()), info)
            except ServerError as error:
                errors[platform] = error

    with contextlib.closing(ThreadClientPool(AT_ONCE)) as pool:  # Ctrl-C does not wait for its threads
        for platforms in sharing.values():
            pool.submit(functools.partial(probe_one_server, platforms))
        pool.finish()
    for platform, options in servers.items():
        if platform not in errors:
            load_images(options, say)
    return {platform: errors[platform] for platform in servers if platform in errors}
