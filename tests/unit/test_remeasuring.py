"""The private names of pytest and xdist that measuring again rests on: should they go, this says which."""

from __future__ import annotations

import inspect
import io

import pytest
from _pytest import runner
from _pytest.terminal import TerminalReporter
from xdist.remote import WorkerInteractor

from pytest_ddperf.remeasuring import PutOff, Remeasuring, _show


def test_pytest_runs_one_phase_of_a_test_and_reports_it() -> None:
    assert list(inspect.signature(runner.call_and_report).parameters) == ["item", "when", "log", "kwds"]


def test_a_test_is_shown_under_setup_show_as_pytest_shows_it(pytester: pytest.Pytester) -> None:
    (item,) = pytester.getitems("def test_it(tmp_path): pass")
    writer = item.config.get_terminal_writer()
    writer._file = io.StringIO()
    takes_space = "add_space" in inspect.signature(runner.show_test_item).parameters
    runner.show_test_item(item, **({"add_space": False} if takes_space else {}))
    shown = writer._file.getvalue()
    writer._file = io.StringIO()
    _show(item, end="")
    assert writer._file.getvalue() == shown
    assert "test_it (fixtures used: " in shown


def test_pytest_makes_the_request_of_a_test_anew() -> None:
    assert list(inspect.signature(pytest.Function._initrequest).parameters) == ["self"]


def test_pytest_forgets_request_and_arguments_as_ours_does(pytester: pytest.Pytester) -> None:
    (item,) = pytester.getitems("def test_it(tmp_path): pass")
    assert isinstance(item, pytest.Function)
    assert {"_request", "funcargs", "_report_sections", "user_properties"} <= set(vars(item))
    source = inspect.getsource(runner.runtestprotocol)
    assert "item._request = False" in source
    assert "item.funcargs = None" in source


def test_an_xdist_worker_knows_its_test_by_its_index() -> None:
    sources = [
        inspect.getsource(getattr(WorkerInteractor, name)) for name in ("run_one_test", "pytest_runtest_logreport")
    ]
    assert all("self.item_index" in source for source in sources)


def test_an_xdist_worker_is_told_by_its_input() -> None:
    assert "config.workerinput" in inspect.getsource(WorkerInteractor.__init__)


def test_the_terminal_counts_progress_in_a_set_of_tests() -> None:
    assert "self._progress_nodeids_reported.add(" in inspect.getsource(TerminalReporter.pytest_runtest_logreport)


def test_an_undecided_attempt_is_a_skip_for_everybody_else() -> None:
    assert issubclass(PutOff, pytest.skip.Exception)


def test_a_test_that_is_no_cell_is_left_to_pytest(pytester: pytest.Pytester) -> None:
    (item,) = pytester.getitems("def test_it(): pass")
    assert Remeasuring().pytest_runtest_protocol(item, None) is None
