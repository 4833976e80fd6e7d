"""Sphinx: `tox -e docs` builds these pages, warnings are errors."""

import tomllib
from pathlib import Path

project = "pytest-ddperf"
release = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "version"
]
copyright = "MIT licence"  # noqa: A001 - Sphinx wants this name

extensions = ["myst_parser"]
myst_heading_anchors = 3

smartquotes = False  # it would make a dash of an option's

html_theme = "furo"
html_title = f"pytest-ddperf {release}"
html_show_sphinx = False
html_copy_source = False
