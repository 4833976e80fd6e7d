"""What kills or wedges a server is not sent, whatever the parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from harmful_requests import HarmWatch
from replay import load

from pytest_ddperf.core.service_parameters import KNOWN_BACKENDS, PARAMETERS, ServiceParameters
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.protocol import build_predict_body, build_service_body

if TYPE_CHECKING:
    from collections.abc import Iterator

HARMFUL = (
    "put_missing_mllib",
    "put_missing_parameters",
    "put_missing_connector",
    "put_json_array",
    "put_empty_body",
    "put_gpuid_list",
    "put_gpuid_list_of_one",
    "put_gpuid_string",
    "put_named_api",
    "put_not_built_empty_string",
    "put_nclasses_negative",
    "put_nclasses_string",
    "put_nclasses_float",
    "put_scale_int",
    "predict_scale_int",
    "predict_best_huge",
    "predict_best_5000",
    "predict_best_1001",
    "predict_best_0",
    "predict_best_minus1",
    "predict_best_string",
    "predict_test_batch_size_0",
    "predict_test_batch_size_minus1",
    "predict_batch_4_test_batch_size_3",
    "predict_gpuid_list",
    "predict_missing_service",
    "delete_service_clear_lib",
    "delete_service_clear_full",
    "delete_service_clear_dir",
    "delete_service_clear_bogus",
)
"""Recorded requests that kill a server, wedge it, delete a model, or are answered with nonsense."""

VALUES: dict[str, tuple[Any, ...]] = {
    "img_width": (1, 224),
    "scale": (1, 1.0, -2, 0.0039, 1e9),
    "gpuid": (-1, 0, 7),
    "nclasses": (None, 1, 2, 10**9),
    "max_workspace_size": (1, 1024),
    "mllib": tuple(sorted(KNOWN_BACKENDS)),
    "datatype": PARAMETERS["datatype"].type.choices,
    "image_interp": (None, "cubic"),
}


def some_parameters() -> Iterator[ServiceParameters]:
    """Each parameter with several values, the others with their defaults, for each backend."""
    for name, one in PARAMETERS.items():
        values = VALUES.get(name, (False, True) if isinstance(one.default, bool) else (None, 1))
        for backend in KNOWN_BACKENDS:
            yield from (ServiceParameters(**{"mllib": backend, name: value}) for value in values)


def test_harmful_requests_are_recognised() -> None:
    recorded = {one.name: one for one in load("torch-v0.29")}
    unseen = []
    for name in HARMFUL:
        one = recorded[name]
        if not HarmWatch().find_harm(one.method, one.path, one.content or b""):
            unseen.append(name)
    assert unseen == []


def test_the_requests_of_a_usual_run_are_not() -> None:
    recorded = {one.name: one for one in load("torch-v0.29")}
    usual = ("put_service_success", "predict_batch_1", "predict_batch_8_test_batch_size_8", "delete_race")
    found = [HarmWatch().find_harm(one.method, one.path, one.content or b"") for one in map(recorded.get, usual) if one]
    assert found == [[]] * len(usual)


def test_no_request_that_can_be_built_is_harmful() -> None:
    offenders, tried = [], 0
    for parameters in some_parameters():
        for backend in ("", parameters.mllib):
            for task in Task:
                watch, read = HarmWatch(), parameters.restrict_to(parameters.mllib) if backend else parameters
                creation = build_service_body("/m", read, task=task, backend=backend)
                harm = watch.find_harm("PUT", "/services/one", json.dumps(creation).encode())
                for images in (1, 7):
                    best = {"best": 1} if task is Task.CLASSIFICATION else None
                    data = [f"{number}.jpg" for number in range(images)]
                    body = build_predict_body("one", data, read, output=best, task=task, backend=backend)
                    harm += watch.find_harm("POST", "/predict", json.dumps(body).encode())
                offenders += [(parameters, task, harm)] if harm else []
                tried += 1
    assert offenders == []
    assert tried > 1000
