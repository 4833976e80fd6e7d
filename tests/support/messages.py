"""Assertions on messages: which facts a message must name, however it is worded and wrapped."""

from __future__ import annotations

import re

import pytest


def assert_names(message: object, *facts: object) -> None:
    """Assert that a message contains every fact: an option, a file, a value, a suggestion.

    A fact is found across line breaks and with any white space, and only as whole words: 8 is not in "18".

    Args:
        message: a text, an error, `pytest.raises`' information about one, or the result of a pytest run.
        facts: what must appear; `str` of each.
    """
    text = _text_of(message)
    missing = [str(fact) for fact in facts if not re.search(_pattern(str(fact)), text)]
    assert not missing, f"{missing} not in:\n{text}"


def _text_of(message: object) -> str:
    if isinstance(message, pytest.RunResult):
        return "\n".join([*message.errlines, *message.outlines])
    return str(message.value if isinstance(message, pytest.ExceptionInfo) else message)


def _pattern(fact: str) -> str:
    characters = [re.escape(character) for character in fact if not character.isspace()]
    if not characters:
        raise ValueError("an empty fact is in every message")
    start = r"(?<!\w)" if re.match(r"\s*\w", fact) else ""
    end = r"(?!\w)" if re.search(r"\w\s*$", fact) else ""
    return start + r"\s*".join(characters) + end
