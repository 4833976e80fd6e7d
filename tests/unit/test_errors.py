from __future__ import annotations

import inspect
import pickle

import pytest
from every_row import every_row

from pytest_ddperf import errors
from pytest_ddperf.errors import (
    BaselineFileError,
    BatchNotRunError,
    ConfigurationError,
    DdperfError,
    InvalidRoundError,
    ServerError,
)

ALL = [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)]


def test_all_errors_are_of_one_family() -> None:
    assert all(issubclass(one, DdperfError) for one in ALL)


def test_a_file_s_error_says_where_what_was_found_and_what_was_expected() -> None:
    error = BaselineFileError("tk1.csv", 3, "the value 'fast'", "milliseconds or x")
    assert str(error) == "tk1.csv, line 3: the value 'fast'; expected milliseconds or x."
    assert isinstance(error, ConfigurationError)


def test_a_file_s_error_may_lack_the_line() -> None:
    assert str(BaselineFileError("tk1.json", None, "no JSON", "JSON")) == "tk1.json: no JSON; expected JSON."


def test_a_server_s_error_names_all_that_is_known_of_it() -> None:
    error = ServerError(
        "It failed", url="http://h:1", service="resnet50", http_status=200, code=500, dd_code=1007, dd_msg="no memory"
    )
    assert str(error) == (
        "It failed (server http://h:1, service resnet50, HTTP 200, status.code 500, dd_code 1007, dd_msg: no memory)"
    )


def test_a_status_code_that_repeats_the_http_status_is_left_out() -> None:
    assert str(ServerError("It failed", http_status=500, code=500)) == "It failed (HTTP 500)"


def test_a_server_s_error_may_know_nothing() -> None:
    assert str(ServerError("It failed")) == "It failed"


@every_row("kind", [one for one in ALL if issubclass(one, ServerError)])
def test_every_server_error_keeps_its_facts(kind: type[ServerError]) -> None:
    error = kind("It failed", url="http://h:1", service="resnet50")
    assert (error.url, error.service, error.http_status) == ("http://h:1", "resnet50", None)


def test_an_invalid_round_says_why() -> None:
    error = InvalidRoundError("the host throttled", exclusive=False)
    assert (str(error), error.exclusive) == ("the host throttled", False)


def test_errors_without_arguments_of_their_own_can_be_pickled() -> None:
    assert str(pickle.loads(pickle.dumps(ConfigurationError("wrong")))) == "wrong"  # noqa: S301 - our own bytes


@pytest.mark.parametrize(
    "error",
    [
        ServerError("No answer", url="http://h:1", service="resnet50", http_status=503),
        BaselineFileError("tk1.csv", 3, "a word", "a number"),
        BatchNotRunError("batch size 8 was too much", died=True),
        InvalidRoundError("the host throttled", exclusive=False),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_fresh_copy_has_all_but_where_it_was_raised(error: DdperfError) -> None:
    with pytest.raises(DdperfError):
        raise error from ValueError("why")
    copied = error.fresh()
    assert type(copied) is type(error)
    assert (str(copied), vars(copied)) == (str(error), vars(error))
    assert (copied.__traceback__, copied.__cause__, copied.__context__) == (None, None, None)


def test_errors_of_different_services_of_a_server_share_their_cause() -> None:
    first, second = (ServerError("no answer", url="http://h:1", service=name, dd_code=7) for name in ("a", "b"))
    assert str(first) != str(second)
    assert first.cause == second.cause
    assert "http://h:1" in first.cause
    assert "dd_code 7" in first.cause
    assert ServerError("no answer", url="http://h:2", service="a", dd_code=7).cause != first.cause


def test_a_cause_that_is_given_goes_without_what_belongs_to_one_service() -> None:
    error = ServerError("no folder /m/a", cause="no folder", url="http://h:1", service="a", dd_msg="/m/a is not there")
    assert "/m/a is not there" in str(error)
    assert error.cause == "no folder (server http://h:1)"


def test_any_other_error_is_its_own_cause() -> None:
    assert DdperfError("too few images").cause == "too few images"
