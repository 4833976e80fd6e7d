"""The errors that DeepDetect returns for requests it cannot serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.errors import DdperfError

if TYPE_CHECKING:
    from pytest_ddperf.embedded.wire import JsonObject


class ApiError(DdperfError):
    """A request that is answered with an error.

    Args:
        status: HTTP status, and `status.code`.
        msg: `status.msg`.
        dd_code: DeepDetect's own code; None where it sends none.
        dd_msg: DeepDetect's own message; None where it sends none.
    """

    def __init__(self, status: int, msg: str, dd_code: int | None = None, dd_msg: str | None = None) -> None:
        super().__init__(dd_msg or msg)
        self.status = status
        self.msg = msg
        self.dd_code = dd_code
        self.dd_msg = dd_msg

    def body(self) -> JsonObject:
        """The answer's JSON."""
        status: JsonObject = {"code": self.status, "msg": self.msg}
        if self.dd_code is not None:
            status |= {"dd_code": self.dd_code, "dd_msg": self.dd_msg}
        return {"status": status}


def malformed() -> ApiError:
    """No JSON, or no request at all."""
    return ApiError(400, "BadRequest")


def missing(what: str) -> ApiError:
    """A creation without what it cannot be without. v0.29 dies of these, v0.28 answers so, with an emptier text."""
    return ApiError(400, "BadRequest", 400, what)


def bad_service(what: str = "") -> ApiError:
    """A service that cannot be."""
    return ApiError(400, "BadRequest", 1006, "Service Bad Request Error" + (f": {what}" if what else ""))


def bad_input(what: str) -> ApiError:
    """Images, or parameters of the image connector, that cannot be used."""
    return ApiError(400, "BadRequest", 1005, f"Service Input Error: {what}")


def internal(what: str) -> ApiError:
    """A wrong JSON type, or a failure inside."""
    return ApiError(500, "InternalError", 1007, what)


def service_not_found(*, told: bool = True) -> ApiError:
    """No such service; DELETE tells no dd_code."""
    return ApiError(404, "NotFound", 1002, "Service Not Found") if told else ApiError(404, "NotFound")
