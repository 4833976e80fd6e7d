"""Names of services and model folders, one text for all networks."""

from __future__ import annotations

import pytest
from every_row import every_row

from pytest_ddperf.core.limits import SERVICE


@every_row("text", ["{model}", "bench_{model}", "squeezenet", "{model}-{model}"])
def test_a_name_may_hold_the_network_or_not(text: str) -> None:
    assert SERVICE.parse(text) == text


@every_row("text", ["{modle}", "{model", "model}", "{}", "{{model}}", " "])
def test_a_slip_in_the_braces_is_no_name(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as bench_{model}"):
        SERVICE.parse(text)
