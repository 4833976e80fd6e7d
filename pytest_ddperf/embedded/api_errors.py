"""Errors that DeepDetect returns for requests it cannot serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from pytest_ddperf.embedded.wire import JsonObject


class ApiError(DdperfError):
    """An error response: HTTP status and message, and DeepDetect's own code and message if it sends them."""

    def __init__(self, status: int, msg: str, dd_code: int | None = None, dd_msg: str | None = None) -> None:
        super().__init__(dd_msg or msg)
        self.status = status
        self.msg = msg
        self.dd_code = dd_code
        self.dd_msg = dd_msg

    def body(self) -> JsonObject:
        """Return the JSON of the response."""
        status: JsonObject = {"code": self.status, "msg": self.msg}
        if self.dd_code is not None:
            status |= {"dd_code": self.dd_code, "dd_msg": self.dd_msg}
        return {"status": status}


def malformed() -> ApiError:
    """Error for a body that is not JSON or not a request."""
    return ApiError(400, "BadRequest")


def missing(what: str) -> ApiError:
    """Error for a service creation without a required value.

    v0.29 crashes on these requests. v0.28 returns this error with a less specific message.
    """
    return ApiError(400, "BadRequest", 400, what)


def bad_service(what: str = "") -> ApiError:
    """Error for a service that cannot be created or used."""
    return ApiError(400, "BadRequest", 1006, "Service Bad Request Error" + (f": {what}" if what else ""))


def bad_input(what: str) -> ApiError:
    """Error for unusable images or unusable parameters of the image connector."""
    return ApiError(400, "BadRequest", 1005, f"Service Input Error: {what}")


def internal(what: str) -> ApiError:
    """Error for a wrong JSON type or an internal failure."""
    return ApiError(500, "InternalError", 1007, what)
