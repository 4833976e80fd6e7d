"""A service's counters and total times, as in a DeepDetect server."""

from __future__ import annotations

import threading
from typing import Any


class ServiceStatistics:
    """The statistics of one service. A prediction is added to all figures at once, when it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._success = 0
        self._failure = 0
        self._images = 0
        self._predict_ms = 0.0
        self._transform_ms = 0.0

    def add(self, *, success: bool, images: int, predict_ms: float, transform_ms: float) -> None:
        """Count one prediction. An image named twice counts twice; `predict_ms` includes waiting and the transform."""
        with self._lock:
            self._success += success
            self._failure += not success
            self._images += images
            self._predict_ms += predict_ms
            self._transform_ms += transform_ms

    def to_json(self) -> dict[str, Any]:
        """Return the value of `service_stats`. Averages include failed predictions, and are -1 before the first one."""
        with self._lock:
            count = self._success + self._failure
            transform_ms = self._transform_ms / count if count else -1.0
            predict_ms = self._predict_ms / count if count else -1.0
            return {
                "avg_transform_duration": transform_ms / 1000,
                "avg_predict_duration": predict_ms / 1000,
                "avg_transform_duration_s": transform_ms / 1000,
                "avg_predict_duration_s": predict_ms / 1000,
                "avg_transform_duration_ms": transform_ms,
                "avg_predict_duration_ms": predict_ms,
                "avg_batch_size": self._images / count if count else -1.0,
                "total_transform_duration_ms": self._transform_ms,
                "predict_failure": self._failure,
                "total_predict_duration_ms": self._predict_ms,
                "predict_count": count,
                "predict_success": self._success,
                "inference_count": self._images,
            }
