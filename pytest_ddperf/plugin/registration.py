"""Registration of the hooks of gated tests, when a run has one or an option of ours is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plugin import gating, record_transport
from pytest_ddperf.plugin.controller import Controller
from pytest_ddperf.plugin.remeasure import Remeasuring
from pytest_ddperf.plugin.session import SESSION_KEY, BenchSession

if TYPE_CHECKING:
    import pytest


def get_session(config: pytest.Config) -> BenchSession:
    """Return the session of this process; the first call creates it and registers the hooks of gated tests."""
    session = config.stash.get(SESSION_KEY, None)
    if session is not None:
        return session
    session = config.stash[SESSION_KEY] = BenchSession(config)
    config.add_cleanup(session.close)
    config.pluginmanager.register(gating, "ddperf-gated")
    config.pluginmanager.register(record_transport, "ddperf-transport")
    config.pluginmanager.register(Remeasuring(session), "ddperf-remeasuring")
    if not session.is_worker:  # a worker stores nothing
        config.pluginmanager.register(Controller(session), "ddperf-controller")
    if session.is_worker or config.getoption("dist", default="no") != "no":
        from pytest_ddperf.plugin.xdist_hooks import XdistHooks  # noqa: PLC0415 - xdist may be absent or blocked

        config.pluginmanager.register(XdistHooks(session), "ddperf-xdist")
    return session
