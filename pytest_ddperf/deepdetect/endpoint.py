"""The call measured by the measuring loop: one service and one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.deepdetect.client import encode
from pytest_ddperf.deepdetect.timed import Totals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.timed import Timed


class ServiceEndpoint:
    """One service and one batch, with the interface `measure` requires; the request is encoded once."""

    def __init__(self, client: Client, service: str, body: Mapping[str, object] | bytes) -> None:
        self._client = client
        self._service = service
        self._content = body if isinstance(body, bytes) else encode(body)

    def over(self, client: Client) -> ServiceEndpoint:
        """Return the same request over another client's connection, without encoding it again."""
        return ServiceEndpoint(client, self._service, self._content)

    def predict(self, timeout_s: float | None = None) -> Timed:
        """Request one prediction of the batch."""
        return self._client.predict_encoded(self._content, service=self._service, timeout_s=timeout_s)

    def totals(self) -> Totals | None:
        """Read the totals of this service and the counts of the others, from `/info` if it contains them."""
        info = self._client.info()
        found = info.find_service(self._service)
        own = None if found is None else found.stats
        if own is None:  # older servers report them here, or not at all
            own = self._client.service(self._service).stats
        if own is None:
            return None
        counts = {one.name: one.stats.predict_count if one.stats else None for one in info.services if one is not found}
        others = {other: count for other, count in counts.items() if count is not None}
        return Totals(own, others if len(others) == len(counts) else None)
