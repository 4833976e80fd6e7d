"""What the servers of several platforms report about themselves, asked in parallel; a server may be down."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_ddperf.config.credentials import build_authorization
from pytest_ddperf.config.local_paths import local_path
from pytest_ddperf.deepdetect.client import Client
from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.deepdetect.protocol import Info

CHECK_TIMEOUT_S: Final = 10.0
"""Time limit for the responses of all servers together, seconds; they are queried in parallel."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of a server.

    Args:
        up: whether a DeepDetect server responds; None for the embedded server, which is not queried.
        text: version and services of the server, or the reason why it is not up.
        info: what the server reports about itself; None if it is not up.
    """

    up: bool | None
    text: str
    info: Info | None = None


def query_servers(
    platforms: Sequence[Platform], query: Callable[[Platform], ServerState], timeout_s: float = CHECK_TIMEOUT_S
) -> list[ServerState]:
    """Query the servers of all platforms in parallel, and return their states in the order of the platforms.

    A server that has not answered when `timeout_s` seconds are over, for all servers together, is down.
    """
    late = ServerState(False, f"no complete response within {timeout_s:g} s")
    states = [late] * len(platforms)

    def into(place: int, platform: Platform) -> None:
        states[place] = query(platform)

    # daemon threads: a server that sends its response byte by byte must not keep the command from ending
    threads = [threading.Thread(target=into, args=each, daemon=True) for each in enumerate(platforms)]
    for thread in threads:
        thread.start()
    until_s = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, until_s - time.monotonic()))
    return list(states)


def query_server(platform: Platform, project_dir: Path) -> ServerState:
    """Query `/info` of a platform's server; a relative `ca_file` is resolved against the project's folder."""
    if platform.url in {None, "embedded"}:
        return ServerState(None, "the embedded server; every run starts its own")
    try:
        ca_path = None if platform.ca_file is None else project_dir / local_path(platform.ca_file, "ca_file")
        with Client(str(platform.url), ca_path=ca_path, authorization=build_authorization(platform)) as client:
            info = client.info(timeout_s=CHECK_TIMEOUT_S / 2)
    except DdperfError as error:
        return ServerState(False, str(error))
    return ServerState(True, _describe(info), info)


def _describe(info: Info) -> str:
    """Describe the version, build, and services with their backends."""
    build = ", ".join(one for one in (info.version, info.build_type) if one and one != "unknown")
    backends = sorted({one.mllib for one in info.services if one.mllib})
    services = ", ".join(sorted(one.name for one in info.services))
    count = f"{len(info.services)} service{'' if len(info.services) == 1 else 's'}"
    with_backend = f"{count} on {', '.join(backends)}" if backends else count
    return f"{build or 'version unknown'}; {with_backend}" + (f": {services}" if services else "")
