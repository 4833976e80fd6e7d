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


def explain_failure(error: Exception, connect_timeout_s: float, read_timeout_s: float) -> str:
    """Explain why a request got no answer and what to do; "" if the connection was cut during the request."""
    if isinstance(error, SSLError):
        return "The TLS connection failed; give the CA that signed the server's certificate, or check the URL's scheme"
    if isinstance(error, ProxyError):
        return "The proxy set in the environment did not connect; NO_PROXY exempts a host from it"
    if isinstance(error, NewConnectionError):
        return f"No connection ({error.__cause__ or error}); check that the server is running and the port is right"
    if isinstance(error, ConnectTimeoutError):
        return f"No connection within {connect_timeout_s:g} s; check that the host is running and the port is right"
    if isinstance(error, (ReadTimeoutError, TimeoutError)):
        return f"The server was silent for {read_timeout_s:g} s; it may still be working on the request"
    return ""


def explain_incomplete_answer(timeout_s: float) -> str:
    """Message for an answer that kept arriving in parts but was not complete in time."""
    return (
        f"The answer arrived in small parts and was not complete after {timeout_s:g} s; check whether the network or "
        "a proxy is slow"
    )


def choose_error(error: Exception, message: str) -> type[ServerUnreachableError]:
    """Choose the error class for a request without an answer; `message` is the result of `explain_failure`."""
    if not message:
        return ServerGoneError
    return NoConnectionError if isinstance(error, (NewConnectionError, ConnectTimeoutError)) else ServerUnreachableError


def cut(error: Exception) -> str:
    """Message for a connection that was cut during a request."""
    inner = error.args[-1] if error.args else ""
    return f"The connection was cut during a request ({inner or error}); the server may have crashed"
