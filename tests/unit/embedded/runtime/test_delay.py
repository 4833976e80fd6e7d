from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

from pytest_ddperf.embedded.networks.networks import CLASSES
from pytest_ddperf.embedded.runtime.delay import DelayedEngine
from pytest_ddperf.embedded.server.repository import Repository

if TYPE_CHECKING:
    import pytest


def test_a_batch_takes_the_time_that_was_asked_for_and_is_classified(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    probabilities = DelayedEngine(0.5).run(np.zeros((3, 3, 8, 8), np.float32))
    assert slept == [0.5]
    assert probabilities.shape == (3, CLASSES)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-5)


def test_a_repository_with_a_delay_loads_no_network() -> None:
    assert isinstance(Repository(delay_s=0.1).find("vgg16")(), DelayedEngine)
    Repository(delay_s=0.1).find("vgg16")().close()
