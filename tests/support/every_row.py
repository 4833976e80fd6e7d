"""One test for a family of rows that must all pass the same check; it reports every row that does not."""

from __future__ import annotations

import functools
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_FAILURES = (Exception, SystemExit, pytest.fail.Exception)


def every_row(names: str, rows: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run the body of a test for every row, and fail once with all rows that fail.

    Other fixtures are shared by the rows, except that each row starts with a `monkeypatch` that changed nothing, an
    empty `tmp_path`, and nothing captured in `capsys`. Use `pytest.mark.parametrize` for rows that deserve a name.

    Args:
        names: the arguments of the test that a row fills, separated by commas.
        rows: the values of one argument, or tuples of the values of several.

    Raises:
        ValueError: there are no rows, or a row has not as many values as there are names.
    """
    keys = [name.strip() for name in names.split(",")]
    filled = [dict(zip(keys, row if len(keys) > 1 else (row,), strict=True)) for row in rows]
    if not filled:
        raise ValueError(f"no rows for {names}")

    def decorate(body: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(body)
        def run_rows(**fixtures: Any) -> None:  # noqa: ANN401 - fixtures of any type
            failures = {}
            for number, row in enumerate(filled):
                with pytest.MonkeyPatch.context() as patch:
                    try:
                        body(**row, **_renew(fixtures, patch, number))
                    except _FAILURES as error:
                        failures[_describe(row)] = error
            if failures:
                lines = [f"{row}:\n{textwrap.indent(_summarize(error), '    ')}" for row, error in failures.items()]
                summary = f"{len(failures)} of {len(filled)} rows fail"
                raise AssertionError("\n".join([summary, *lines])) from next(iter(failures.values()))

        signature = inspect.signature(body)
        fixtures = [parameter for name, parameter in signature.parameters.items() if name not in keys]
        run_rows.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return run_rows

    return decorate


def _renew(fixtures: dict[str, Any], patch: pytest.MonkeyPatch, number: int) -> dict[str, Any]:
    renewed = dict(fixtures)
    if "monkeypatch" in fixtures:
        renewed["monkeypatch"] = patch
    if "tmp_path" in fixtures:
        renewed["tmp_path"] = fixtures["tmp_path"] / f"row{number}"
        renewed["tmp_path"].mkdir()
    if "capsys" in fixtures:
        fixtures["capsys"].readouterr()
    return renewed


def _describe(row: dict[str, Any]) -> str:
    return ", ".join(f"{name}={repr(value)[:200]}" for name, value in row.items())


def _summarize(error: BaseException) -> str:
    text = str(error).strip() or "no message"
    named = text if isinstance(error, AssertionError) else f"{type(error).__name__}: {text}"
    return "\n".join(named.splitlines()[:8])
