"""How pages are read for their examples: what is not noticed here would not be run there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from page_examples import anchors, examples, missing_lines

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """# A page: `of` examples

<!-- file: ddperf.toml -->
```toml
[platforms.tk1]
```

Text.

<!-- board: slow squeezenet_v1.1-b8 1.3 -->
<!-- exit: 1 -->
```sh
# a comment
pytest benchmarks \\
  --platform=tk1
ddperf platforms
```

- in a list

  <!-- not run: it needs a board -->
  ```sh
  ssh tk1
  ```

```console
$ ddperf select
tx1
```

<!-- commit -->
<!-- cell -->
```python
1 + 1
```

## Second
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def test_every_block_is_found_with_its_line_and_language(page: Path) -> None:
    assert [(one.line, one.language) for one in examples(page)] == [
        (4, "toml"),
        (12, "sh"),
        (22, "sh"),
        (26, "console"),
        (33, "python"),
    ]


def test_what_stands_above_a_block_belongs_to_it_alone(page: Path) -> None:
    assert [one.notes for one in examples(page)] == [
        {"file": "ddperf.toml"},
        {"board": "slow squeezenet_v1.1-b8 1.3", "exit": "1"},
        {"not run": "it needs a board"},
        {},
        {"commit": "", "cell": ""},
    ]


def test_commands_are_joined_where_they_go_on_and_comments_are_none(page: Path) -> None:
    _, typed, in_a_list, shown, _ = examples(page)
    assert [command.split() for command in typed.commands] == [
        ["pytest", "benchmarks", "--platform=tk1"],
        ["ddperf", "platforms"],
    ]
    assert in_a_list.commands == ("ssh tk1",)
    assert (shown.commands, shown.printed) == (("ddperf select",), "tx1")


@pytest.mark.parametrize(
    ("expected", "missing"),
    [
        ("one\ntwo", []),
        ("one\n...\nthree", []),
        ("two\n\none", ["one"]),
        ("one\nfour", ["four"]),
        ("one\none", ["one"]),
        ("on", ["on"]),
    ],
)
def test_lines_that_should_be_printed_are_whole_and_in_order(expected: str, missing: list[str]) -> None:
    assert missing_lines(expected, "one  \ntwo\nthree\n") == missing


def test_anchors_are_those_of_headings_and_not_of_comments_in_a_block(page: Path) -> None:
    assert anchors(page) == {"a-page-of-examples", "second"}
