"""The backend of the services that we create: the one the user names, else one that the server has."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_ddperf.core.service_parameters import AUTO, ONNXRUNTIME
from pytest_ddperf.deepdetect.build_flags import BACKENDS, has_cuda, is_built, list_candidates
from pytest_ddperf.errors import ConfigurationError, ServerError
from pytest_ddperf.models.folder import find_backend

if TYPE_CHECKING:
    from pytest_ddperf.config.server_options import ServerOptions
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.deepdetect.protocol import Info

EMBEDDED_BACKEND = ONNXRUNTIME
"""The backend of the embedded server that a run starts."""

_NOT_BUILT = re.compile(r"Unknown Library|backend was removed|backend is disabled")
"""Errors of a creation with a backend that the server does not have: not built or misspelt, removed, disabled."""


def require_backend(options: ServerOptions, info: Info) -> None:
    """Check before the first test that services can be created on a server.

    Raises:
        ConfigurationError: the user names a backend that the server does not have, or it has none that can be chosen
            and no service either.
    """
    if options.is_embedded:
        return
    asked = options.parameters.mllib
    if asked != AUTO:
        _refuse_absent(options, asked, info)
    elif not info.services and not list_candidates(info.compile_flags, options.platform_mllib):
        built = info.backends
        raise ConfigurationError(
            f"The server {options.display_url} ({_version(info)}) has none of the backends {', '.join(BACKENDS)}, and "
            f"no service: {_describe_built(info)}. Measure another server with --ddperf-url=URL"
            f"{f', or use --ddperf-mllib={built[0]}' if built else ''}."
        )


def _refuse_absent(options: ServerOptions, backend: str, info: Info) -> None:
    """Refuse a backend that the user names and the server does not have."""
    if is_built(info.compile_flags, backend) is False:
        usable = list_candidates(info.compile_flags, options.platform_mllib)
        remedy = (
            f"Type --ddperf-mllib={usable[0]}, or --ddperf-mllib=auto"
            if usable
            else "Measure another server with --ddperf-url=URL"
        )
        raise ConfigurationError(
            f"The backend {backend} (--ddperf-mllib, or mllib in ddperf.toml) is not one of the server "
            f"{options.display_url} ({_version(info)}): {_describe_built(info)}. {remedy}."
        )


def list_backends(options: ServerOptions, model: Network | None, info: Info) -> list[str]:
    """List the backends with which to create a network's service, best first.

    If the first one is refused because the server does not have it, the next one applies. Only those are listed that
    read the files of a user's own network, if there is such a backend. Without a model they are those of a network of
    the catalogue.

    Raises:
        ConfigurationError: the user names a backend that the server does not have.
    """
    if options.is_embedded:
        return [EMBEDDED_BACKEND]
    asked = options.parameters.mllib
    is_own = model is not None and model.is_own
    named = None if model is None or model.mllib == AUTO else model.mllib
    if asked != AUTO and ("mllib" in options.parameters.named or (named is None and not is_own)):
        named = asked
    if named is not None:
        _refuse_absent(options, named, info)
        return [named]
    found = list_candidates(info.compile_flags, options.platform_mllib) if asked == AUTO else [asked]
    if model is None:
        return found
    reading = [name for name in found if find_backend(model, name) == name]
    return reading or [find_backend(model, name) for name in found[:1]]


def choose_device(options: ServerOptions, info: Info) -> bool:
    """Return whether services are created on the GPU: not on a server built for the CPU, unless the user says so."""
    asked = options.parameters
    return asked.gpu and ("gpu" in asked.named or has_cuda(info.deps_version) is not False)


def is_not_built(error: ServerError) -> bool:
    """Whether a creation was refused because the server does not have the backend."""
    return _NOT_BUILT.search(error.dd_msg) is not None


def describe_choice(options: ServerOptions, backend: str, info: Info) -> str:
    """Describe why a backend was chosen; "" if it is the platform's, or the user named it."""
    platform = options.platform_mllib
    if options.is_embedded or options.parameters.mllib != AUTO or backend == platform:
        return ""
    if platform == AUTO:
        built = info.backends
        return f"the backend {backend} was chosen from the server's: {', '.join(built)}" if len(built) > 1 else ""
    return (
        f"the backend {backend} was chosen, because the server does not have {platform}, the platform's backend and "
        "that of a published table (--ddperf-mllib)"
    )


def describe_backends(info: Info) -> str:
    """Describe which backends a server has, for a message about a refused creation."""
    return _describe_built(info) if info.compile_flags else "it does not report its backends"


def _version(info: Info) -> str:
    return info.version or "version unknown"


def _describe_built(info: Info) -> str:
    built = info.backends
    return f"it was built with {', '.join(built)}" if built else "its build flags (compile_flags) show no backend"
