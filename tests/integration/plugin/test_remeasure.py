"""The private names of pytest and xdist that measuring again rests on: should they go, this says which."""

from __future__ import annotations

import copy
import inspect
import io

import pytest
from _pytest import runner
from _pytest.main import pytest_runtestloop
from xdist import remote

from pytest_ddperf.plugin.remeasure import Remeasuring, _last_place, _show
from pytest_ddperf.plugin.session import BenchSession


def test_pytest_runs_one_phase_of_a_test_and_reports_it() -> None:
    assert list(inspect.signature(runner.call_and_report).parameters) == ["item", "when", "log", "kwds"]


def test_a_test_is_shown_under_setup_show_as_pytest_shows_it(pytester: pytest.Pytester) -> None:
    (item,) = pytester.getitems("def test_it(tmp_path): pass")
    writer = item.config.get_terminal_writer()
    writer._file = io.StringIO()
    takes_space = "add_space" in inspect.signature(runner.show_test_item).parameters
    runner.show_test_item(item, **({"add_space": True} if takes_space else {}))
    shown = writer._file.getvalue()
    writer._file = io.StringIO()
    _show(item)
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


def test_an_xdist_worker_runs_what_its_next_index_says_and_then_its_queue() -> None:
    source = inspect.getsource(remote.WorkerInteractor.run_one_test)
    assert source.index("self.item_index = self.nextitem_index") < source.index("self.torun.get()")
    assert "yield self._items" in inspect.getsource(remote.TestQueue.lock)


def test_pytest_reads_the_list_of_tests_as_it_goes() -> None:
    assert "in enumerate(session.items)" in inspect.getsource(pytest_runtestloop)


def test_an_xdist_worker_is_recognised_by_its_input() -> None:
    assert "config.workerinput" in inspect.getsource(remote.WorkerInteractor.__init__)


def test_a_test_that_is_no_cell_is_left_to_pytest(pytester: pytest.Pytester) -> None:
    (item,) = pytester.getitems("def test_it(): pass")
    assert Remeasuring(BenchSession(item.config)).pytest_runtest_protocol(item, None) is None


def test_a_copy_of_a_test_may_follow_it(pytester: pytest.Pytester) -> None:
    (item,) = pytester.getitems("class TestIt:\n    def test_it(self): pass")
    following = copy.copy(item)
    assert isinstance(following, pytest.Function)
    assert following != item
    assert following.listchain()[:-1] == item.listchain()[:-1]


def test_the_place_in_the_list_is_the_last_one_with_the_same_follower(pytester: pytest.Pytester) -> None:
    one, two, three = pytester.getitems("def test_1(): pass\ndef test_2(): pass\ndef test_3(): pass")
    items = [one, two, one, two, one, three]
    assert _last_place(items, one, two) == 2
    assert _last_place(items, two, one) == 3
    assert _last_place(items, one, three) == 4
    assert _last_place(items, three, None) == 5
