from __future__ import annotations

from pytest_ddperf.embedded.server.service_stats import ServiceStatistics


def test_before_the_first_prediction_averages_are_minus_one_and_totals_zero() -> None:
    stats = ServiceStatistics().to_json()
    assert stats["avg_batch_size"] == stats["avg_predict_duration_ms"] == stats["avg_transform_duration_ms"] == -1
    assert stats["avg_predict_duration"] == stats["avg_transform_duration_s"] == -0.001
    assert stats["total_predict_duration_ms"] == stats["total_transform_duration_ms"] == stats["predict_count"] == 0


def test_failures_count_in_everything_but_the_successes() -> None:
    statistics = ServiceStatistics()
    statistics.add(success=True, images=4, predict_ms=10.5, transform_ms=2.5)
    statistics.add(success=False, images=0, predict_ms=1.5, transform_ms=0.5)
    assert statistics.to_json() == {
        "avg_transform_duration": 0.0015,
        "avg_predict_duration": 0.006,
        "avg_transform_duration_s": 0.0015,
        "avg_predict_duration_s": 0.006,
        "avg_transform_duration_ms": 1.5,
        "avg_predict_duration_ms": 6.0,
        "avg_batch_size": 2.0,
        "total_transform_duration_ms": 3.0,
        "predict_failure": 1,
        "total_predict_duration_ms": 12.0,
        "predict_count": 2,
        "predict_success": 1,
        "inference_count": 4,
    }
