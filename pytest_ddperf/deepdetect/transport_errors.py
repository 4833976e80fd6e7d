"""Errors for requests that got no answer: which one is raised, and its message."""

from __future__ import annotations

import ssl
from http.client import BadStatusLine, RemoteDisconnected

from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    NewConnectionError,
    ProxyError,
    ReadTimeoutError,
    SSLError,
)

from pytest_ddperf.errors import (
    AnswerError,
    NoConnectionError,
    ServerError,
    ServerGoneError,
    ServerUnreachableError,
)
from pytest_ddperf.text import quote_server_text

Failure = tuple[type[ServerError], str]
"""The error to raise, and its message."""


def explain_failure(error: Exception, connect_timeout_s: float, read_timeout_s: float) -> Failure:
    """Explain why a request got no answer, and what to do."""
    match error:
        case SSLError():
            return ServerUnreachableError, _explain_tls(error.args[-1])
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
    return _explain_answer(error)


def _explain_answer(error: Exception) -> Failure:
    """Explain what is wrong with an answer that began to arrive, or that the connection was cut before it."""
    inner = error.args[-1] if error.args else ""
    quoted = quote_server_text(str(inner or error))
    if isinstance(error, DecodeError):
        return AnswerError, f"The answer cannot be decompressed ({quoted}); check the server and a proxy before it"
    cut = isinstance(inner, RemoteDisconnected)
    if isinstance(inner, BadStatusLine) and not cut and not "HTTP/".startswith(str(inner)[:5]):
        return AnswerError, f"The answer is not HTTP ({quoted}); check the URL, its scheme and its port"
    return ServerGoneError, f"The connection was cut during a request ({quoted}); the server may have crashed"


def _explain_tls(error: object) -> str:
    """Explain why there is no TLS connection: the certificate, or no TLS at all."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = error.verify_message.rstrip(".")
        return (
            f"The TLS connection failed: {reason}; give the CA that signed the server's certificate "
            "with --ddperf-ca-file or REQUESTS_CA_BUNDLE, and use the host name in the certificate"
        )
    other = error.reason if isinstance(error, ssl.SSLError) else error
    return f"The TLS connection failed ({other}); check the URL's scheme and port"


def explain_incomplete_answer(timeout_s: float) -> Failure:
    """Explain that an answer kept arriving in parts but was not complete in time."""
    return ServerUnreachableError, (
        f"The answer arrived in small parts and was not complete after {timeout_s:g} s; check whether the network or "
        "a proxy is slow"
    )
