"""Shared by all tests: property tests try the same examples every time, so that no clean clone fails by chance.

To search further: `pytest --hypothesis-profile=search`; `tox -e fuzz` runs tests/fuzz as long as the project promises.
"""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("search", deadline=None)
settings.register_profile("fuzz", deadline=None, max_examples=100_000, database=None)
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.load_profile("repeatable")
