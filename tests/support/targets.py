"""A closed server to measure, with a connection of its own, and single predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.client import encode
from pytest_ddperf.servers.connection import Connection
from pytest_ddperf.servers.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
    from pytest_ddperf.deepdetect.timed import Timed


def make_target(
    options: ServerOptions, say: Callable[[str], None] = lambda _: None, in_flight: RequestsInFlight | None = None
) -> Target:
    """Make a target that is not open yet; by default, what it prints is dropped."""
    return Target(Connection(options, say, in_flight=in_flight))


def predict_body(client: Client, body: Mapping[str, object], *, timeout_s: float | None = None) -> Timed:
    """Request one prediction with the body of `POST /predict`."""
    return client.predict_encoded(encode(body), service=str(body.get("service") or ""), timeout_s=timeout_s)
