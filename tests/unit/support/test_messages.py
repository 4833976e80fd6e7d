from __future__ import annotations

import pytest
from messages import assert_names


def test_facts_are_found_across_line_breaks() -> None:
    assert_names("--ddperf-\nmodels: the  model\n    'x' is\nnot known", "--ddperf-models", "'x'", "is not known")


def test_every_missing_fact_is_reported_with_the_message() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_names("the file a.toml", "a.toml", "line 3", "tk1")
    assert str(caught.value).startswith("['line 3', 'tk1'] not in:\nthe file a.toml")


@pytest.mark.parametrize(("message", "fact"), [("18 clients", 8), ("81", 8), ("retk1", "tk1"), ("tk10", "tk1")])
def test_a_part_of_a_word_is_not_a_fact(message: str, fact: object) -> None:
    with pytest.raises(AssertionError):
        assert_names(message, fact)


def test_an_error_and_what_pytest_caught_are_their_message() -> None:
    assert_names(ValueError("port 8080"), 8080)
    with pytest.raises(ValueError, match="port") as caught:
        raise ValueError("port 8080")
    assert_names(caught, 8080)


def test_a_run_is_its_output_and_its_errors(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--no-such-option")
    assert_names(result, "unrecognized arguments", "--no-such-option")


@pytest.mark.parametrize("fact", ["", " \n"])
def test_an_empty_fact_is_refused(fact: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        assert_names("text", fact)
