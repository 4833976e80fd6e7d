"""Names of services and of model folders, one text for all networks: `{model}` in it is a network's id. Pure."""

from __future__ import annotations

from typing import Final

MODEL: Final = "{model}"
"""Stands for a network's id."""

SERVICE_EXPECTED: Final = f"a name, such as bench_{MODEL}, that holds no braces but those of {MODEL}, the network's id"


def is_service_name(text: str) -> bool:
    """Whether it can be the name of a network's service: a brace elsewhere is a `{model}` with a slip in it."""
    return bool(text.strip()) and not set("{}") & set(text.replace(MODEL, ""))


def name_for(template: str, model: str) -> str:
    """The name for one network.

    Args:
        template: may hold `{model}`, once or several times.
        model: the network's id.
    """
    return template.replace(MODEL, model)
