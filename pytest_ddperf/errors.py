"""Everything that this project raises on purpose. It imports nothing of the package but how text is made plain.

Every message is one paragraph that a person can act on: what happened, where, what to do. Whatever it quotes, it holds
no control character: messages go to terminals as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.text import quote_server_text, remove_control_characters

if TYPE_CHECKING:
    from typing import Self

LONGEST_TOLD = 1000
"""Characters of a server's own words that a message quotes."""


class DdperfError(Exception):
    """Base of all errors that the project raises on purpose.

    Args:
        message: what happened.
        cause: the same without what belongs to one cell alone (its service, its model folder): cells that failed for
            one reason share it, and the reason is reported once; "" where the message itself is shared.
    """

    def __init__(self, message: object = "", *, cause: str = "") -> None:
        super().__init__(remove_control_characters(str(message)))
        self.cause = remove_control_characters(cause) or str(self)

    def fresh(self) -> Self:
        """A copy without traceback, cause and context, which grow whenever one exception object is raised again."""
        copied = type(self).__new__(type(self), *self.args)
        copied.__dict__.update(self.__dict__)
        return copied


class ConfigurationError(DdperfError):
    """A user's option, file or environment is wrong. pytest turns it into a usage error, exit status 4."""


class FileContentError(ConfigurationError):
    """A file of the user's does not hold what it should.

    Args:
        path: the file.
        line: its line, counted from 1; None where the format does not tell.
        found: what is wrong there.
        expected: what should stand there.
    """

    def __init__(self, path: object, line: int | None, found: str, expected: str) -> None:
        self.path = path
        self.line = line
        where = f"{path}" if line is None else f"{path}, line {line}"
        super().__init__(f"{where}: {found}; expected {expected}.")


class BaselineFileError(FileContentError):
    """A baseline or platform file does not hold what it should."""


class ModelFileError(FileContentError):
    """A file that describes a network does not hold what it should."""


class HookError(DdperfError):
    """A command that the user gave to run around a platform's cells failed, or took too long."""


class ServerError(DdperfError):
    """A DeepDetect server answered with an error, or not at all.

    Args:
        message: what happened.
        url: the server, without credentials.
        service: the service concerned, "" where there is none.
        http_status: HTTP status of the answer; None where there was no answer.
        code: `status.code` of the answer's JSON; None where it has none.
        dd_code: DeepDetect's own error code; None where it has none.
        dd_msg: DeepDetect's own message; "" where it has none.
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
        of_service = f"service {quote_server_text(service, LONGEST_TOLD)}" if service else ""
        facts = [
            f"HTTP {http_status}" if http_status is not None else "",
            f"status.code {code}" if code is not None and code != http_status else "",
            f"dd_code {dd_code}" if dd_code is not None else "",
            f"dd_msg: {quote_server_text(dd_msg, LONGEST_TOLD)}" if dd_msg else "",
        ]
        shared = _with_facts(cause, server) if cause else _with_facts(message, server, *facts)
        super().__init__(_with_facts(message, server, of_service, *facts), cause=shared)


def _with_facts(message: str, *facts: str) -> str:
    shown = ", ".join(fact for fact in facts if fact)
    return f"{message} ({shown})" if shown else message


class ServerUnreachableError(ServerError):
    """No connection, a connection that was cut, or no answer in time."""


class ServerGoneError(ServerUnreachableError):
    """A server that was there is not any more: the connection was cut in the middle of a request, or refused since."""


class NoConnectionError(ServerUnreachableError):
    """Nobody listens there: the request was not sent."""


class ServiceGoneError(ServerError):
    """A service that was there vanished in the middle of a cell, and could not be created again."""


class ServiceNotFoundError(ServerError):
    """404 with dd_code 1002, or a DELETE or GET of a service that is not there."""


class ServiceExistsError(ServerError):
    """409 with dd_code 1014: the service to create is there already."""


class RequestRefusedError(ServerError):
    """Any other 4xx: the request, the image or the model repository was refused."""


class ServerFailedError(ServerError):
    """Any 5xx, by HTTP status or by `status.code` under HTTP 200."""


class ServerOutOfMemoryError(ServerFailedError):
    """The server, or its GPU, has not the memory that the request takes, and says so."""


class GatewayError(ServerFailedError):
    """502, 503 or 504 of a proxy: it got no answer from the server behind it."""


class ServerBusyError(ServerError):
    """A server is at work on a prediction that was given up: nothing can be measured beside it."""


class OverloadError(DdperfError):
    """A server fell so far behind the rate that it was asked at that the cell was given up."""


class BatchNotRunError(DdperfError):
    """A batch that was not run, because a smaller one of its model took more than the server has.

    Args:
        message: which one, and what became of it.
        died: whether the server died of it; else it answered that its memory was exhausted.
        cause: that of the smaller batch.
    """

    def __init__(self, message: str, *, died: bool, cause: str = "") -> None:
        self.died = died
        super().__init__(message, cause=cause)


class AnswerError(ServerError):
    """The answer is no DeepDetect answer, or its predictions are not those of the request."""


class InvalidRoundError(DdperfError):
    """A round of passes that counts for nothing: it is thrown away and measured again.

    Args:
        reason: why, in words.
        exclusive: False where somebody else used the server meanwhile; None where that is not the reason.
        restarted: whether the server was restarted or the service created anew meanwhile.
    """

    def __init__(self, reason: str, *, exclusive: bool | None = None, restarted: bool = False) -> None:
        self.reason = remove_control_characters(reason)
        self.exclusive = exclusive
        self.restarted = restarted
        super().__init__(reason)


class TimingError(DdperfError):
    """No time to judge by: the server does not tell the clock that is asked for, or the time is none (0 ms, NaN)."""
