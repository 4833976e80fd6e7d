"""The networks of a platform that were exported with a fixed batch, as the server says or as their times show."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from pytest_ddperf.core.records import Clock
from pytest_ddperf.core.service_parameters import TENSORRT
from pytest_ddperf.gate.fixed_batch import find_equal_times
from pytest_ddperf.servers.services import find_fixed_batch

if TYPE_CHECKING:
    from pytest_ddperf.core.records import Measurement
    from pytest_ddperf.deepdetect.protocol import ServiceInfo
    from pytest_ddperf.servers.services import OpenService


class FixedBatches:
    """The networks of one platform that run batches of one size only, with a note on each."""

    def __init__(self) -> None:
        self._notes: dict[str, str] = {}
        self._requests_ms = defaultdict[str, dict[int, list[list[float]]]](dict)

    def read_description(self, model: str, service: OpenService, described: ServiceInfo) -> None:
        """Note if a network's service, as the server describes it after a prediction, runs batches of one size."""
        if fixed := find_fixed_batch(service, described):
            self._notes[model] = (
                f"{model} was exported with a fixed batch: the server runs every request in batches of {fixed}, so "
                f"fewer images take as long as {fixed}"
            )

    def describe(self, measurement: Measurement) -> str:
        """Return a note if a network seems to have a fixed batch, from all its cells measured so far; "" if not.

        Only TensorRT runs models with a fixed batch and reports nothing.
        """
        key, conditions = measurement.key, measurement.conditions
        if conditions.backend.lower() == TENSORRT and not key.scenario and not measurement.invalid:
            sizes = self._requests_ms[key.model]
            sizes[key.batch_size] = _inference_ms(measurement)
            resolution_ms = 1.0 if conditions.clock is Clock.HEAD else 0.0
            if key.model not in self._notes and (found := find_equal_times(sizes, resolution_ms)):
                self._notes[key.model] = (
                    f"{key.model}: requests of {found.smallest} and of {found.largest} images take the same time: "
                    "its model was probably exported with a fixed batch, as which the server runs every batch size"
                )
        return self._notes.get(key.model, "")


def _inference_ms(measurement: Measurement) -> list[list[float]]:
    """Return the time of every pass for the whole batch, round by round, milliseconds.

    Decoding and resizing, which take longer for every image, are excluded if the server reports them.
    """
    clock = measurement.conditions.clock
    passes = [one for each in measurement.rounds for one in each.passes]
    if all(one.predict_ms is not None and one.transform_ms is not None for one in passes):
        return [[(one.predict_ms or 0) - (one.transform_ms or 0) for one in each.passes] for each in measurement.rounds]
    return [[ms for one in each.passes if (ms := one.ms(clock)) is not None] for each in measurement.rounds]
