"""Errors for requests that got no answer: which one is raised, and its message."""

from __future__ import annotations

from urllib3.exceptions import (
    ConnectTimeoutError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from pytest_ddperf.errors import NoConnectionError, ServerGoneError, ServerUnreachableError

Failure = tuple[type[ServerUnreachableError], str]
"""The error to raise, and its message."""


def explain_failure(error: Exception, connect_timeout_s: float, read_timeout_s: float) -> Failure:
    """Explain why a request got no answer, and what to do."""
    match error:
        case SSLError():
            return ServerUnreachableError, (
                "The TLS connection failed; give the CA that signed the server's certificate, or check the URL's scheme"
            )
        case ProxyError():
            return ServerUnreachableError, (
                "The proxy set in the environment did not connect; NO_PROXY exempts a host from it"
            )
        case NewConnectionError():
            why = error.__cause__ or error
            return NoConnectionError, f"No connection ({why}); check that the server is running and the port is right"
        case ConnectTimeoutError():
            return NoConnectionError, (
                f"No connection within {connect_timeout_s:g} s; check that the host is running and the port is right"
            )
        case ReadTimeoutError() | TimeoutError():
            return ServerUnreachableError, (
                f"The server was silent for {read_timeout_s:g} s; it may still be working on the request"
            )
    inner = error.args[-1] if error.args else ""
    return ServerGoneError, f"The connection was cut during a request ({inner or error}); the server may have crashed"


def explain_incomplete_answer(timeout_s: float) -> Failure:
    """Explain that an answer kept arriving in parts but was not complete in time."""
    return ServerUnreachableError, (
        f"The answer arrived in small parts and was not complete after {timeout_s:g} s; check whether the network or "
        "a proxy is slow"
    )
