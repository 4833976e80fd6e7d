"""The names that `import pytest_ddperf` offers, as tests and notebooks of users have them; mypy checks the types."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import pandas as pd
import pytest
from every_row import every_row

import pytest_ddperf
from pytest_ddperf import Clock, Measurement, load_baselines, load_history, load_run

if TYPE_CHECKING:
    from pytest_ddperf import Bench


def a_test_of_a_user(ddperf: Bench) -> None:
    """What docs/own-test.md describes: only type checkers look at it."""
    assert_type(ddperf.platform, str)
    assert_type(ddperf.batch_size, int)
    measurement = ddperf.measure()
    assert_type(measurement, Measurement | None)
    if measurement is not None:
        assert_type(measurement.per_image_ms(), list[list[float]])
        assert_type(measurement.per_image_ms(Clock.CLIENT), list[list[float]])
        assert_type(measurement.exclusive, bool | None)
        assert_type(measurement.cold_start.create_ms, float | None)


def a_notebook_of_a_user(folder: Path) -> None:
    """What docs/pandas.md describes: only type checkers look at it."""
    assert_type(load_history(folder), pd.DataFrame)
    assert_type(load_history(".ddperf", platforms=["tk1"], since="2026-11-03T02:00:00Z"), pd.DataFrame)
    assert_type(load_history(".ddperf", platforms="tk1", since=datetime.now(UTC)), pd.DataFrame)
    assert_type(load_baselines(), pd.DataFrame)
    assert_type(load_baselines(project=folder), pd.DataFrame)
    assert_type(load_run("out.json"), pd.DataFrame)
    load_history(folder, since=5)  # type: ignore[arg-type] # an error here shows that the parameters are typed
    pytest_ddperf.load_histories  # type: ignore[attr-defined] # noqa: B018 - as is a name that does not exist


def loaded_by(code: str) -> set[str]:
    """The modules that are loaded after this code has run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_else() -> None:
    extra = loaded_by("import pytest_ddperf") - loaded_by("import typing")
    assert {name for name in extra if name.partition(".")[0] != "importlib"} == {"pytest_ddperf"}


@pytest.mark.parametrize("name", ["Bench", "Clock", "Measurement"])
def test_what_tests_use_loads_no_pandas(name: str) -> None:
    assert "pandas" not in loaded_by(f"from pytest_ddperf import {name}")


@every_row("name", sorted(set(pytest_ddperf.__all__) - {"__version__"}))
def test_each_public_name_is_there_and_is_listed(name: str) -> None:
    assert getattr(pytest_ddperf, name).__name__ == name
    assert name in dir(pytest_ddperf)


def test_the_public_names_are_these() -> None:
    assert sorted(pytest_ddperf.__all__) == [
        "Bench", "Clock", "Measurement", "__version__", "load_baselines", "load_history", "load_run",
    ]  # fmt: skip


def test_another_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="'pytest_ddperf' has no attribute 'load_histories'"):
        _ = pytest_ddperf.load_histories  # type: ignore[attr-defined]


def test_modules_of_the_package_are_still_imported_from_it() -> None:
    assert "pytest_ddperf.errors" in loaded_by("from pytest_ddperf import errors")


def test_pages_name_public_names_alone() -> None:
    root = Path(__file__).parents[2]
    pages = [root / "README.md", *(root / "docs").glob("*.md"), *(root / "benchmarks").glob("*.py")]
    texts = [page.read_text(encoding="utf-8") for page in pages if page.name != "architecture.md"]
    named = {name for text in texts for name in re.findall(r"pytest_ddperf(?:\.| import )(\w+)", text)}
    assert named
    assert named - {"plugin"} <= set(pytest_ddperf.__all__)
