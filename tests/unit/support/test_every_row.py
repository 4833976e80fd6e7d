from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from every_row import every_row

if TYPE_CHECKING:
    from pathlib import Path


@every_row("number", [0, 1, 2])
def is_positive(number: int) -> None:
    assert number > 0, f"{number} is not positive"


@every_row("number, limit", [(1, 2), (3, 2), (4, 2)])
def is_below(number: int, limit: int) -> None:
    assert number < limit, f"{number} is too much"


def test_every_row_that_fails_is_reported_with_its_reason() -> None:
    with pytest.raises(AssertionError) as caught:
        is_below()
    text = str(caught.value)
    assert text.startswith("2 of 3 rows fail\n")
    assert "number=3, limit=2:\n    3 is too much" in text
    assert "number=4, limit=2:\n    4 is too much" in text
    assert "number=1" not in text


def test_a_single_row_that_fails_is_enough() -> None:
    with pytest.raises(AssertionError, match="1 of 3 rows fail"):
        is_positive()


@pytest.mark.parametrize(
    ("error", "name"),
    [(ValueError("wrong"), "ValueError: wrong"), (SystemExit(2), "SystemExit: 2"), (None, "DID NOT RAISE")],
)
def test_an_error_a_usage_error_and_a_missing_error_are_failures(error: BaseException | None, name: str) -> None:
    @every_row("row", [1])
    def raises(row: int) -> None:
        if error is not None:
            raise error
        with pytest.raises(KeyError):
            pass

    with pytest.raises(AssertionError, match=name):
        raises()


def test_an_interrupt_ends_the_test() -> None:
    @every_row("row", [1, 2])
    def interrupted(row: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


@pytest.mark.parametrize("rows", [[], [(1, 2, 3)]])
def test_a_family_without_rows_and_a_row_of_another_length_are_refused(rows: list[object]) -> None:
    with pytest.raises(ValueError, match=r"no rows|zip\(\)"):
        every_row("one, two", rows)


@every_row("name", ["a", "b"])
def test_each_row_has_a_folder_a_patch_and_an_output_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert list(tmp_path.iterdir()) == []
    (tmp_path / name).mkdir()
    monkeypatch.setattr(is_positive, "seen", name, raising=False)
    print(name)
    assert getattr(is_positive, "seen", "") == name
    assert capsys.readouterr().out == f"{name}\n"
    print("left over")
