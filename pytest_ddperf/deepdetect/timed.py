"""One timed answer of a server, and the totals that a server counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.core.records import LoadPass
    from pytest_ddperf.deepdetect.protocol import Answer, ServiceStats


@dataclass(frozen=True, slots=True)
class Timed:
    """A prediction and the client's clock around it; or a whole pass of them, under load.

    Args:
        client_ms: from sending the request to the last byte of the answer, milliseconds; under load what is gated.
        load: the requests of a pass under load; None for a single one.
    """

    answer: Answer
    client_ms: float
    load: LoadPass | None = None

    @property
    def requests(self) -> int:
        """How many predictions it was."""
        return 1 if self.load is None else len(self.load.latencies_ms)

    @property
    def took_ms(self) -> float:
        """How long it took, milliseconds."""
        return self.client_ms if self.load is None else self.load.took_s * 1000


@dataclass(frozen=True, slots=True)
class Totals:
    """A reading of the server's running totals, between two passes.

    Args:
        own: those of the service that is measured.
        others: `predict_count` of every other service of the server, by name; None where the server does not tell.
    """

    own: ServiceStats
    others: Mapping[str, int] | None = None
