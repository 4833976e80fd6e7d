"""Registration of the hooks of gated tests, when a run has one or an option of ours is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plugin import gating, outputs, record_transport
from pytest_ddperf.plugin.collection import parametrise
from pytest_ddperf.plugin.controller import Controller, SessionEnd
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
        controller = Controller(session)
        config.pluginmanager.register(controller, "ddperf-keeper")
        config.pluginmanager.register(SessionEnd(controller), "ddperf-end")
    if session.is_worker or config.getoption("dist", default="no") != "no":
        from pytest_ddperf.plugin.xdist_hooks import XdistHooks  # noqa: PLC0415 - xdist may be absent or blocked

        config.pluginmanager.register(XdistHooks(session), "ddperf-xdist")
    return session


def check_options(session: BenchSession) -> None:
    """Check the options before collection, and whether figures and reports can be written.

    Raises:
        ConfigurationError: an option is invalid, or a file cannot be written.
    """
    settings = session.settings
    if not session.is_worker:
        outputs.check(settings)


def collect_cells(metafunc: pytest.Metafunc) -> None:
    """Parametrise a test with its cells; see `parametrise`."""
    parametrise(metafunc, get_session(metafunc.config))


def draw_history(config: pytest.Config) -> int | None:
    """Draw figures of the stored runs for `pytest --ddperf-plot` without a path, and return the exit status.

    Returns:
        None if tests are to be run.

    Raises:
        DdperfError: a file cannot be read or written, or an option would have no effect.
    """
    return outputs.draw_history(get_session(config)) if outputs.is_plot_only(config) else None
