"""Batches of a service: their request, sent repeatedly, and the check of each response."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect import protocol
from pytest_ddperf.deepdetect.client import encode
from pytest_ddperf.deepdetect.timed import Totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.protocol import Answer
    from pytest_ddperf.deepdetect.timed import Timed
    from pytest_ddperf.servers.request_images import BenchImages
    from pytest_ddperf.servers.services import OpenService


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of one service, which can be predicted repeatedly; the `Endpoint` of the measuring loop.

    Args:
        content: the request's body, encoded once.
        check: raises `AnswerError` unless the response holds one prediction per image.
    """

    client: Client
    service: str
    content: bytes
    check: Callable[[Answer], None]

    def predict(self, timeout_s: float | None = None) -> Timed:
        """Predict once and check the response; the server may be silent for `timeout_s`, None for the usual limit.

        Raises:
            ServerError: the server refused, failed, or returned something else.
        """
        timed = self.client.predict_encoded(self.content, service=self.service, timeout_s=timeout_s)
        self.check(timed.answer)
        return timed

    def totals(self) -> Totals | None:
        """Read the totals of this service and the counts of the others, from `/info` if it contains them."""
        info = self.client.info()
        found = info.find_service(self.service)
        own = None if found is None else found.stats
        if own is None:  # older servers report them here, or not at all
            own = self.client.service(self.service).stats
        if own is None:
            return None
        counts = {one.name: one.stats.predict_count if one.stats else None for one in info.services if one is not found}
        others = {other: count for other, count in counts.items() if count is not None}
        return Totals(own, others if len(others) == len(counts) else None)


def build_batch(
    client: Client, options: ServerOptions, images: BenchImages, service: OpenService, batch_size: int
) -> Batch:
    """Build a batch of a service that can be predicted repeatedly.

    Raises:
        ConfigurationError: there are fewer images than the batch size.
    """
    data, uris = images.batch(batch_size)
    body = protocol.build_predict_body(
        service.name,
        data,
        replace(
            options.parameters.restrict_to(service.mllib),
            img_width=service.width,
            img_height=service.height,
            gpu=service.gpu,
            datatype=service.datatype,
        ),
        output={"best": 1} if service.task is Task.CLASSIFICATION else None,
        task=service.task,
        backend=service.mllib.lower(),
    )
    size = (service.width, service.height) if service.width and service.height else None
    return bind_batch(client, service.name, body, uris, task=service.task, input_size=size)


def bind_batch(
    client: Client,
    service: str,
    body: Mapping[str, object],
    uris: Sequence[str],
    *,
    task: Task,
    input_size: tuple[int, int] | None,
) -> Batch:
    """Build a batch from the body of its request, whose answers must contain these uris.

    `input_size` is the width and height of the network's input in pixels; None if unknown.
    """
    check = functools.partial(
        protocol.check_predictions,
        expected_uris=uris,
        url=client.display_url,
        service=service,
        task=task,
        input_size=input_size,
    )
    return Batch(client, service, encode(body), check)
