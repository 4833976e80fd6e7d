"""The errors that this project raises on purpose. Of the package it imports only `text`.

Every message is one paragraph: what happened, where, and what to do. Control characters in quoted text are removed,
because messages are written to terminals unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.text import quote_server_text, remove_control_characters

if TYPE_CHECKING:
    from typing import Self


class DdperfError(Exception):
    """Base of all errors that the project raises on purpose.

    Args:
        cause: the message without details of a single cell (its service, its model folder). It is the same for all
            cells that failed for one reason, so that the reason is reported once; "" to use the message itself.
    """

    def __init__(self, message: object = "", *, cause: str = "") -> None:
        super().__init__(remove_control_characters(str(message)))
        self.cause = remove_control_characters(cause) or str(self)

    def fresh(self) -> Self:
        """Copy the error without traceback, cause and context, which grow when an exception object is raised again."""
        copied = type(self).__new__(type(self), *self.args)
        copied.__dict__.update(self.__dict__)
        return copied


class ConfigurationError(DdperfError):
    """A user's option, file or environment is wrong. The plugin turns it into a usage error, exit status 4."""


class FileContentError(ConfigurationError):
    """A user's file has unexpected content.

    Args:
        line: line number, counted from 1; None if not known.
    """

    def __init__(self, path: object, line: int | None, found: str, expected: str) -> None:
        self.path = path
        self.line = line
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {found}; expected {expected}.")


class BaselineFileError(FileContentError):
    """A baseline or platform file has unexpected content."""


class ModelFileError(FileContentError):
    """A file that describes a network has unexpected content."""


class HookError(DdperfError):
    """A user's command that runs before or after a platform's cells failed or took too long."""


class ServerError(DdperfError):
    """A DeepDetect server answered with an error, or not at all.

    Args:
        url: the server, without credentials.
        service: the service concerned; "" if there is none.
        http_status: HTTP status of the answer; None if there was no answer.
        code: `status.code` of the answer's JSON; None if it has none.
        dd_code: DeepDetect's own error code; None if the answer has none.
        dd_msg: DeepDetect's own message; "" if the answer has none.
        cause: see `DdperfError`; default: the message with the same facts, without the service.
    """

    def __init__(
        self,
        message: str,
        *,
        cause: str = "",
        url: str = "",
        service: str = "",
        http_status: int | None = None,
        code: int | None = None,
        dd_code: int | None = None,
        dd_msg: str = "",
    ) -> None:
        self.url = url
        self.service = service
        self.http_status = http_status
        self.code = code
        self.dd_code = dd_code
        self.dd_msg = dd_msg
        server = f"server {url}" if url else ""
        of_service = f"service {quote_server_text(service)}" if service else ""
        facts = [
            f"HTTP {http_status}" if http_status is not None else "",
            f"status.code {code}" if code is not None and code != http_status else "",
            f"dd_code {dd_code}" if dd_code is not None else "",
            f"dd_msg: {quote_server_text(dd_msg)}" if dd_msg else "",
        ]
        shared = _with_facts(cause, server) if cause else _with_facts(message, server, *facts)
        super().__init__(_with_facts(message, server, of_service, *facts), cause=shared)


def _with_facts(message: str, *facts: str) -> str:
    shown = ", ".join(fact for fact in facts if fact)
    return f"{message} ({shown})" if shown else message


class ServerUnreachableError(ServerError):
    """No connection, a connection that was cut, or no answer in time."""


class ServerLockedError(ServerUnreachableError):
    """Another run on this host is measuring on the server."""


class ServerGoneError(ServerUnreachableError):
    """A server disappeared: the connection was cut during a request, or has been refused since."""


class NoConnectionError(ServerUnreachableError):
    """No connection could be opened; the request was not sent."""


class ServiceGoneError(ServerError):
    """A service disappeared during a cell and could not be recreated."""


class ServiceNotFoundError(ServerError):
    """404 with dd_code 1002, or a DELETE or GET of a service that does not exist."""


class ModelMissingError(ServiceNotFoundError):
    """A service's model folder contains no network that its backend can read."""


class BackendMissingError(ServiceNotFoundError):
    """A service cannot be created, because the server does not have its backend."""


class ServiceExistsError(ServerError):
    """409 with dd_code 1014: the service to create already exists."""


class RequestRefusedError(ServerError):
    """Any other 4xx: the request, the image or the model repository was refused."""


class ServerFailedError(ServerError):
    """Any 5xx, by HTTP status or by `status.code` under HTTP 200."""


class ServerOutOfMemoryError(ServerFailedError):
    """The server reports that it, or its GPU, does not have enough memory for the request."""


class GatewayError(ServerFailedError):
    """502, 503 or 504 of a proxy: it got no answer from the server behind it."""


class ServerBusyError(ServerError):
    """A server is still running a request that timed out, so nothing can be measured meanwhile."""


class OverloadError(DdperfError):
    """A server fell so far behind the requested rate that the measurement of the cell was stopped."""


class BatchNotRunError(DdperfError):
    """A batch was not run, because a smaller batch of the same model exceeded the server's memory.

    Args:
        message: which smaller batch failed, and how.
        died: whether that batch killed the server; else the server reported exhausted memory.
    """

    def __init__(self, message: str, *, died: bool) -> None:
        self.died = died
        super().__init__(message)


class ReferenceFailedError(DdperfError):
    """The reference server of a comparison in pairs failed, or the two servers cannot be measured together.

    It says nothing about the server under test, so it must not be a subclass of an error that does.
    """


class AnswerError(ServerError):
    """The answer is not from DeepDetect, or its predictions do not match the request."""


class InvalidRoundError(DdperfError):
    """A round of passes is invalid: it is discarded and measured again.

    Args:
        reason: why the round is invalid.
        exclusive: False if another client used the server meanwhile; None if that is not the reason.
        restarted: whether the server was restarted or the service recreated meanwhile.
    """

    def __init__(self, reason: str, *, exclusive: bool | None = None, restarted: bool = False) -> None:
        self.reason = remove_control_characters(reason)
        self.exclusive = exclusive
        self.restarted = restarted
        super().__init__(reason)


class TimingError(DdperfError):
    """There is no usable time: the server does not report the requested clock, or the time is invalid (0 ms, NaN)."""
