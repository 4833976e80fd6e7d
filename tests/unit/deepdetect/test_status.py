from __future__ import annotations

from typing import Any

import pytest
from every_row import every_row
from messages import assert_names

from pytest_ddperf.deepdetect.status import is_out_of_memory, raise_for_status
from pytest_ddperf.errors import (
    AnswerError,
    GatewayError,
    RequestRefusedError,
    ServerError,
    ServerFailedError,
    ServerOutOfMemoryError,
    ServiceExistsError,
    ServiceNotFoundError,
)


def reported(code: int, dd_code: int | None = None, msg: str = "") -> dict[str, Any]:
    return {"status": {"code": code, "msg": msg} | ({} if dd_code is None else {"dd_code": dd_code, "dd_msg": "why"})}


@pytest.mark.parametrize(
    ("http_status", "answer", "kind"),
    [
        pytest.param(404, reported(404, 1002), ServiceNotFoundError, id="unknown service"),
        pytest.param(404, reported(404, msg="NotFound"), ServiceNotFoundError, id="DELETE has no dd_code"),
        pytest.param(404, reported(404, 1000), RequestRefusedError, id="unknown library"),
        pytest.param(404, reported(404, msg="Not Found: No mapping"), RequestRefusedError, id="unknown route"),
        pytest.param(409, reported(409, 1014), ServiceExistsError, id="service exists"),
        pytest.param(400, reported(400, 1005), RequestRefusedError, id="bad image"),
        pytest.param(500, reported(500, 1007), ServerFailedError, id="internal error"),
        pytest.param(200, reported(500, 1007), ServerFailedError, id="older server: 500 under HTTP 200"),
        pytest.param(200, reported(404, 1002), ServiceNotFoundError, id="older server: 404 under HTTP 200"),
        pytest.param(503, None, GatewayError, id="a proxy has no answer"),
        pytest.param(500, None, ServerFailedError, id="no JSON"),
        pytest.param(302, None, AnswerError, id="a redirect is no answer"),
    ],
)
def test_an_error_has_its_type(http_status: int, answer: object, kind: type[ServerError]) -> None:
    with pytest.raises(ServerError) as caught:
        raise_for_status(http_status, answer, url="http://h:8080", service="resnet50")
    assert type(caught.value) is kind


def test_an_error_names_server_service_and_deepdetects_own_words() -> None:
    with pytest.raises(RequestRefusedError) as caught:
        raise_for_status(400, reported(400, 1006), url="http://tk1:8080", service="resnet50")
    assert (caught.value.dd_code, caught.value.dd_msg, caught.value.http_status) == (1006, "why", 400)
    assert_names(caught, "http://tk1:8080", "resnet50", "HTTP 400", "dd_code 1006", "dd_msg: why")


@every_row("answer", [{}, reported(200), reported(201), {"head": {}}])
def test_success_raises_nothing(answer: object) -> None:
    raise_for_status(200, answer)


@every_row(
    "message",
    [
        "src/caffe/syncedmem.cpp:56 / Check failed (custom): (error) == (cudaSuccess)",
        "./include/caffe/syncedmem.hpp:26 / Check failed (custom): (*ptr)",
        "CUDA out of memory",
        "cudaErrorMemoryAllocation",
        "CUDNN_STATUS_ALLOC_FAILED",
        "CUBLAS_STATUS_ALLOC_FAILED",
        "vkAllocateMemory failed -2",
        "VK_ERROR_OUT_OF_DEVICE_MEMORY",
        "std::bad_alloc",
        "Available memory of 1048576 is smaller than requested bytes of 9633792",
        "Failed to allocate memory for requested buffer of size 9633792",
        "Cannot allocate memory",
    ],
)
def test_words_that_tell_of_exhausted_memory_are_known(message: str) -> None:
    answer = {"status": {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": message}}
    with pytest.raises(ServerOutOfMemoryError):
        raise_for_status(500, answer)


@pytest.mark.parametrize("message", ["why", "memory data layer has no source", "src/caffe/net.cpp:41 / Check failed"])
def test_other_words_do_not_tell_of_memory(message: str) -> None:
    assert not is_out_of_memory(message)


def test_an_image_of_another_size_than_caffe_s_network_says_how_to_give_the_right_one() -> None:
    words = "src/caffe/data_transformer.cpp:198 / Check failed (custom): (height) <= (datum_height)"
    answer = {"status": {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": words}}
    with pytest.raises(ServerFailedError) as caught:
        raise_for_status(500, answer)
    assert_names(caught, "deploy.prototxt", "--ddperf-img-width", "img_height", "knobs")


def other_engine(existing: int, wanted: int) -> RequestRefusedError:
    why = f"Service Bad Request Error: found existing engine with max_batch_size {existing} instead of {wanted}"
    why += f" / either delete it or set your maxBatchSize to {existing}"
    answer = {"status": {"code": 400, "msg": "BadRequest", "dd_code": 1006, "dd_msg": why}}
    with pytest.raises(RequestRefusedError) as caught:
        raise_for_status(400, answer, url="http://orin:8080", service=f"resnet50_{wanted}")
    return caught.value


def test_an_engine_for_another_batch_size_is_one_cause_for_all_cells() -> None:
    errors = [other_engine(1, 8), other_engine(8, 16)]
    assert errors[0].cause == errors[1].cause
    assert {"1", "8"} <= set(str(errors[0]).replace(",", " ").replace(":", " ").split())
    for text in (str(errors[0]), errors[0].cause):
        assert_names(text, "TRTengine*", "http://orin:8080")
