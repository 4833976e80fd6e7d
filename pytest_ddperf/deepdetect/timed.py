"""A timed answer of a server, and the totals counted by the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.records import LoadPass
    from pytest_ddperf.deepdetect.protocol import Answer, ServiceStats


@dataclass(frozen=True, slots=True)
class Timed:
    """A prediction timed by the client's clock, or a whole pass under load.

    Args:
        client_ms: milliseconds from sending the request to the last byte of the answer; under load the gated value.
        load: the requests of a pass under load; None for a single request.
    """

    answer: Answer
    client_ms: float
    load: LoadPass | None = None

    @property
    def requests(self) -> int:
        """Number of predictions."""
        return 1 if self.load is None else len(self.load.latencies_ms)

    @property
    def took_ms(self) -> float:
        """Total duration in milliseconds."""
        return self.client_ms if self.load is None else self.load.took_s * 1000


@dataclass(frozen=True, slots=True)
class Totals:
    """The server's running totals, read between two passes.

    Args:
        others: `predict_count` of every other service of the server, by name; None if the server does not report it.
    """

    own: ServiceStats
    others: Mapping[str, int] | None = None
