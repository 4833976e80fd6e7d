"""Errors for the status of an answer: DeepDetect's, which may come with HTTP 200, or a proxy's. Pure."""

from __future__ import annotations

import re
from typing import Final

from pytest_ddperf.deepdetect.json_reader import find
from pytest_ddperf.deepdetect.url import remove_credentials
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
from pytest_ddperf.text import quote_server_text

_OUT_OF_MEMORY: Final = re.compile(
    r"""out[ _-]of[ _-](?:\w+[ _-])?memory     # CUDA, Vulkan (VK_ERROR_OUT_OF_DEVICE_MEMORY), TensorRT, the kernel
    | std::bad_alloc | \bbad_alloc\b | std::length_error
    | cuda_?error_?memory_?allocation
    | (?:cudnn|cublas)_status_alloc_failed
    | syncedmem\.[ch]pp .* (?:cudaSuccess | \*ptr)  # Caffe's allocations, on the GPU and on the CPU
    | vkAllocateMemory \s+ failed           # NCNN, on the GPU
    | (?:cannot|failed \s+ to|unable \s+ to|could \s+ not) \s+ allocate \s+ (?:\w+ \s+)* memory
    | available \s+ memory \s+ of \s+ \d+ \s+ is \s+ smaller   # ONNX Runtime's arena
    | (?:not \s+ enough|insufficient) \s+ (?:\w+ \s+)? memory
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_OTHER_SIZE: Final = re.compile(r"data_transformer\.cpp.*datum_(?:height|width)", re.DOTALL)
"""Caffe's message for an image whose size differs from the one in the network's deploy.prototxt."""

_OTHER_ENGINE: Final = re.compile(r"found existing engine with max_batch_size (\d+) instead of (\d+)")
"""TensorRT's message for a model folder with an engine of another batch size than the service's."""

_OTHER_ENGINE_REMEDY: Final = (
    "delete the files TRTengine* of that folder on the server, which builds the engine again with the next prediction, "
    "or let ddperf create the service with --ddperf-repository=DIR"
)

_GATEWAY: Final = frozenset({502, 503, 504})
_TOO_MANY: Final = 429
_REMEDIES: Final = {
    401: "The server, or a proxy before it, requires a user name and a password, or rejects those given: write them "
    "into the URL, or name their variables with user_env and password_env in ddperf.toml",
    413: "The request is too large for the server, or for a proxy before it: raise its limit (nginx: "
    "client_max_body_size), or send the names of images on the server with --ddperf-data-dir",
}
"""What is wrong, and what to do, by status."""

_SERVICE_NOT_FOUND: Final = 1002


def is_out_of_memory(message: str) -> bool:
    """Whether a server's message reports exhausted memory (CPU or GPU): Caffe, CUDA, NCNN, ONNX Runtime, C++."""
    return _OUT_OF_MEMORY.search(message) is not None


def requires_other_size(message: str) -> bool:
    """Whether a server's message states that the network requires images of another size than the request's."""
    return _OTHER_SIZE.search(message) is not None


def is_error(http_status: int, answer: object) -> bool:
    """Whether an answer is not a success; under HTTP 200 `status.code` decides: older servers report errors there."""
    code = find(answer, int, "status", "code")
    return not 200 <= http_status < 300 or (code is not None and code >= 400)


def raise_for_status(
    http_status: int,
    answer: object,
    *,
    url: str = "",
    service: str = "",
    retry_after: str = "",
    location: str = "",
) -> None:
    """Raise the typed error for an answer's status; return if it is a success.

    `retry_after` and `location` are headers of the answer.

    Raises:
        ServerOutOfMemoryError: an error whose message reports exhausted memory.
        ServiceNotFoundError: 404 for a service that does not exist.
        ServiceExistsError: 409.
        RequestRefusedError: another 4xx.
        GatewayError: 502, 503 or 504 of a proxy, that is without DeepDetect's `status`.
        ServerFailedError: another 5xx.
        AnswerError: neither success nor an error, such as a redirect.
    """
    if not is_error(http_status, answer):
        return
    status = find(answer, dict, "status") or {}
    code = find(status, int, "code")
    effective = http_status if http_status >= 400 or code is None else code
    kind, what = _choose_failure(effective, status, named=bool(service))
    dd_msg, cause = find(status, str, "dd_msg") or "", ""
    if other := _OTHER_ENGINE.search(dd_msg):
        left = "The model folder contains a TensorRT engine for another batch size"
        what = f"{left}, {other[1]} instead of {other[2]}: {_OTHER_ENGINE_REMEDY}"
        cause = f"{left} than the service's: {_OTHER_ENGINE_REMEDY}."
    elif kind is RequestRefusedError and (msg := find(status, str, "msg")):
        what = f"{what}: {quote_server_text(msg)}"
    if effective == _TOO_MANY:
        wait = f" (Retry-After: {retry_after})" if retry_after else ""
        what = f"The server, or a proxy before it, accepts no more requests for now{wait}"
    if kind is AnswerError and location:
        target = quote_server_text(remove_credentials(location))
        what = f"The server redirects to {target}; use the URL of that server"
    elif answer is None and effective not in _REMEDIES:
        what = f"{what}. The answer is not JSON: check the URL and the proxy settings of the environment"
    raise kind(
        f"{what}.",
        cause=cause,
        url=url,
        service=service,
        http_status=http_status,
        code=code,
        dd_code=find(status, int, "dd_code"),
        dd_msg=dd_msg,
    )


def _choose_failure(effective: int, status: object, *, named: bool) -> tuple[type[ServerError], str]:  # noqa: PLR0911 - a table in words
    """Choose the error for a status, and the first sentence of its message."""
    dd_code = find(status, int, "dd_code")
    msg, dd_msg = (find(status, str, key) or "" for key in ("msg", "dd_msg"))
    if effective >= 400 and is_out_of_memory(f"{msg} {dd_msg}"):
        return ServerOutOfMemoryError, "The server does not have enough memory for the request"
    if effective in _GATEWAY and not status:
        return GatewayError, "A proxy got no answer from the server behind it; check whether the server is running"
    if effective < 400:
        return AnswerError, "The answer is not from DeepDetect; check the URL"
    if effective >= 500 and requires_other_size(dd_msg):
        return ServerFailedError, (
            "The network requires another image size, the one in its deploy.prototxt: give it with --ddperf-img-width "
            "and --ddperf-img-height, or as img_width and img_height of [platforms.<id>.knobs.<network>] in ddperf.toml"
        )
    if effective >= 500:
        return ServerFailedError, "The server failed on the request; see its log"
    if effective == 404 and (dd_code == _SERVICE_NOT_FOUND or (named and dd_code is None and msg == "NotFound")):
        return ServiceNotFoundError, "The service does not exist on the server; create it, or name an existing one"
    if effective == 409:
        return ServiceExistsError, "The server already has a service of that name; use it, or delete it first"
    return RequestRefusedError, _REMEDIES.get(effective, "The server refused the request")
