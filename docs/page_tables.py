"""The tables of the pages that the code already knows: `python docs/page_tables.py` writes them into the pages.

A page says where: between `<!-- table: NAME -->` and `<!-- end of table -->`. What the code does not say of a name (a
verdict, a key that is no option) stands here; a name that is said in one of the two alone is an error.
"""

from __future__ import annotations

import argparse
import csv
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import msgspec

from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.cli.main import _parser
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.options import BY_NAME, OPTION_GROUPS, OPTIONS, Option
from pytest_ddperf.config.own_models import TYPES as MODEL_TYPES
from pytest_ddperf.config.own_models import _Entry as ModelEntry
from pytest_ddperf.config.platform_toml import TYPES as PLATFORM_TYPES
from pytest_ddperf.config.platform_toml import PlatformEntry
from pytest_ddperf.core.budgets import BUDGET_KEYS
from pytest_ddperf.core.platform import OWN_KEYS, PLATFORM_KEYS
from pytest_ddperf.core.records import FAILING, Outcome, Unavailable
from pytest_ddperf.core.results import SEVERITY
from pytest_ddperf.core.service_parameters import PARAMETERS
from pytest_ddperf.report.csv_json import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_ddperf.core.limits import ValueType

FOLDER = Path(__file__).parent
POWER = FOLDER / "data" / "gate-power.csv"
_TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end of table -->)", flags=re.DOTALL)

LINKS: Mapping[str, str] = {
    "like": " ([how](boards.md#two-boards-of-one-platform))",
    "against": ": [two servers](against.md#in-ddperftoml)",
    "knobs": ": [below](#knobs-of-one-network)",
    "budgets": ": [below](#budgets)",
}
MODEL_MEANINGS: Mapping[str, str] = {
    "path": "folder of the network here, relative to this file; input size and classes are read from its files",
    "repository": "the folder as the server sees it; default: `path`",
    "title": "display name; default: the id",
    "mllib": "backend of its services; default: the one that reads its files, else the platform's",
    "width": "input width, pixels; default: from its files",
    "height": "input height, pixels; default: from its files",
    "task": "task of the network; default: classification",
    "nclasses": "number of classes; default: from its files",
}
VERDICT_MEANINGS: Mapping[Outcome, str] = {
    Outcome.REGRESSED: "slower than the baseline by more than the tolerance, and by more than chance explains; "
    "or slower night by night ([creep](red-night.md#what-to-do))",
    Outcome.OVER_BUDGET: "certainly beyond its [budget](#budgets), and not regressed",
    Outcome.OOM: "the server ran out of memory on a cell that has a baseline value",
    Outcome.CRASHED: "the server died during the cell or did not come back, or the worker that measured it died",
    Outcome.ERROR: "the cell could not be measured, its predictions are wrong, or something else ended its test",
    Outcome.INVALID: "in every attempt, the board throttled or another client used the server",
    Outcome.NOT_CONFIRMED: "the cell was deferred, and the run ended before it was measured again",
    Outcome.UNSTABLE: "beyond the tolerance, but chance could explain it",
    Outcome.REMEASURE: "not a verdict yet: the cell is measured again at the end of its platform's cells",
    Outcome.NEW: "nothing to compare with (fails with `--ddperf-require-baseline`), or a first recording that is "
    "slower than the published table",
    Outcome.IMPROVED: "faster than the baseline by more than the tolerance, and by more than chance explains",
    Outcome.OK: "within the tolerance",
    Outcome.UNAVAILABLE: "`x` in the baseline (not measurable there); out of memory, and no baseline has a value; no "
    "service, with `--ddperf-missing-service=skip`; or skipped by its test",
}
_SHOWN: Mapping[Outcome, str] = {
    Outcome.UNAVAILABLE: "is skipped",
    Outcome.REMEASURE: "runs again",
    Outcome.UNSTABLE: "passes, with a warning",
}
KINDS: Mapping[str, str] = {
    "A": "a published table",
    "B": "one recorded run",
    "B3": "three recorded runs",
    "C": "30 accepted nights",
}
HOSTS: Mapping[str, str] = {
    "a board with fixed clocks": "pass 1.5%, run 1%",
    "a server with two shared cores": "pass 5.0%, run 5%",
    "a laptop beside other work": "pass 10.0%, run 7%",
    "a hosted machine beside other work": "pass 30.0%, run 10%",
}
SIZES = (1, 4, 15, 104)
RULES: Mapping[str, str] = {
    "mean beyond the tolerance": "mean of 5 passes beyond the tolerance",
    "Mann-Whitney and tolerance": "Mann-Whitney at 5 %, and median beyond the tolerance",
    "Criterion": "Criterion's: bootstrapped t test at 5 %, and mean beyond the tolerance",
    "asv": "asv's: disjoint 99 % intervals, and median beyond the tolerance",
    "bootstrap interval": "bootstrap interval beyond the tolerance",
    "SPRT within one run": "sequential test within one run",
}


def rows(header: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def cell(text: str) -> str:
    """A text in a cell of a table."""
    return text.replace("|", "\\|")


def meant(meanings: Mapping[Any, str], names: Iterable[Any]) -> dict[Any, str]:
    """The meanings, in the order of the names.

    Raises:
        ValueError: a name has none, or a meaning is of nothing.
    """
    names = list(names)
    if odd := set(meanings) ^ set(names):
        raise ValueError(f"docs/page_tables.py and the code differ in {', '.join(sorted(map(str, odd)))}")
    return {name: meanings[name] for name in names}


def said(option: Option) -> str:
    """An option as it is written."""
    value = "" if option.metavar is None else f"[={option.metavar}]" if option.bare else f"={option.metavar}"
    return f"`{option.flag}{cell(value)}`"


def _option_of(key: str) -> Option | None:
    """The option that a key of a platform sets; None if it is a key only."""
    return None if key in OWN_KEYS else BY_NAME[key.replace("_", "-")]


def options() -> str:
    """The options by group, and which of them ddperf.toml may hold."""
    keys = {option.name: key for key in PLATFORM_KEYS if (option := _option_of(key)) is not None}
    keys |= {name: "budgets" for key in BUDGET_KEYS if (name := key.replace("_", "-")) in BY_NAME}
    parts = []
    for name, group in OPTION_GROUPS.items():
        body = [
            (
                said(option),
                cell(option.help.replace("%%", "%")),
                f"`{keys[option.name]}`" if option.name in keys else "",
            )
            for option in group
        ]
        table = rows(("option", "meaning", "key in `ddperf.toml`"), body)
        parts.append(f"## {name[0].upper()}{name[1:]}\n\n{table}")
    return "\n".join(parts)


def names() -> str:
    """The three names of each option."""
    return rows(
        ("option", "ini key", "variable"),
        ((f"`{option.flag}`", f"`{option.key}`", f"`{option.variable}`") for option in OPTIONS),
    )


def _type(kind: Any) -> str:  # noqa: ANN401 - types of every kind
    if get_origin(kind) in {Union, UnionType}:
        return " or ".join(_type(each) for each in get_args(kind) if each is not type(None))
    if get_origin(kind) in {list, tuple}:
        entry = get_args(kind)[0]
        return f"list of {_PLURALS[entry]}" if entry in _PLURALS else f"list of ({_type(entry)})"
    if get_origin(kind) in {dict, Mapping}:
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[kind]


_PLURALS = {str: "texts", int: "whole numbers", float: "numbers"}


def _keys(entry: type[msgspec.Struct], types: Mapping[str, ValueType], meanings: Mapping[str, str]) -> str:
    return rows(
        ("key", "value", "meaning"),
        (
            (
                f"`{field.name}`",
                ", ".join(f"`{each}`" for each in types[field.name].choices) or _type(field.type),
                cell(meanings[field.name]),
            )
            for field in msgspec.structs.fields(entry)
        ),
    )


def _meaning(key: str) -> str:
    option = _option_of(key)
    return OWN_KEYS[key].meaning + LINKS.get(key, "") if option is None else f"as `{option.flag}`"


def platform_keys() -> str:
    """The keys of [platforms.<id>]."""
    return _keys(PlatformEntry, PLATFORM_TYPES, {key: _meaning(key) for key in PLATFORM_KEYS})


def network_keys() -> str:
    """The keys of [platforms.<id>.knobs.<model>]."""
    return ", ".join(f"`{name}`" for name, one in PARAMETERS.items() if one.of_network) + "\n"


def model_keys() -> str:
    """The keys of [models.<id>]."""
    return _keys(ModelEntry, MODEL_TYPES, meant(MODEL_MEANINGS, ModelEntry.__struct_fields__))


def verdicts() -> str:
    """The verdicts, those that need a look first."""
    meanings = meant(VERDICT_MEANINGS, SEVERITY)
    return rows(
        ("verdict", "the test", "meaning"),
        (
            (f"`{verdict}`", "fails" if verdict in FAILING else _SHOWN.get(verdict, "passes"), meaning)
            for verdict, meaning in meanings.items()
        ),
    )


def report_columns() -> str:
    """The columns of the CSV report and of the DataFrames."""
    return rows(
        ("column", "holds", "unit", "dtype"),
        ((f"`{name}`", cell(one.meaning), one.unit, f"`{one.dtype}`") for name, one in COLUMNS.items()),
    )


def platforms() -> str:
    """The platforms that the package knows."""
    catalog = load_catalog()
    store = BaselineStore(catalog)
    body = []
    for name, platform in catalog.platforms.items():
        cells = store.load(name, "report").values()
        marked = sum(isinstance(entry, Unavailable) for entry in cells)
        counted = f"{len(cells) - marked}, and {marked} `x`" if marked else str(len(cells) or "")
        tolerance = "" if platform.tolerance is None else f"{platform.tolerance:.0%}".replace("%", " %")
        body.append((f"`{name}`", platform.title, platform.backend or "", counted, tolerance))
    return rows(("id", "board", "backend", "published cells", "tolerance"), body)


def networks() -> str:
    """The networks that the package knows."""
    return rows(
        ("id", "network", "task", "top-1, %", "top-5, %", "GFLOPs", "million parameters"),
        (
            (
                f"`{network.id}`",
                network.title,
                str(network.task),
                f"{network.top1_accuracy_percent or ''}",
                f"{network.top5_accuracy_percent or ''}",
                network.giga_flops_text,
                network.million_params_text,
            )
            for network in load_catalog().networks.values()
        ),
    )


def commands() -> str:
    """The commands of `ddperf`, and their options."""
    parser = _parser()
    (found,) = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]  # noqa: SLF001
    parts = []
    for name, command in found.choices.items():
        text, notes = (" ".join((part or "").split()) for part in (command.description, command.epilog))
        parts.append(f"## ddperf {name}\n\n{text}\n\n{_arguments(command)}" + (f"\n{notes}\n" if notes else ""))
    return "\n".join(parts)


def _arguments(command: argparse.ArgumentParser) -> str:
    """A table for each group of arguments of a command, with its title unless it is one of argparse's own."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for group in command._action_groups:  # noqa: SLF001 - argparse offers no other way to them
        title = "" if group.title in {"positional arguments", "options"} else f"**{group.title}**\n\n"
        for action in group._group_actions:  # noqa: SLF001 - the same
            if action.dest != "help":
                name = ", ".join(action.option_strings) or action.metavar or action.dest
                groups.setdefault(title, []).append((f"`{name}{_value(action)}`", _help(action)))
    return "\n".join(title + rows(("option", "meaning"), body) for title, body in groups.items())


def _value(action: argparse.Action) -> str:
    if not action.option_strings or action.nargs == 0:
        return ""
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    shown = cell(str(action.metavar or choices or action.dest.upper()))
    return f"[={shown}]" if action.nargs == "?" else f" {shown}"


def _help(action: argparse.Action) -> str:
    values = {**vars(action), "prog": "ddperf"}
    return cell((action.help or "") % values)


def _power() -> tuple[str, list[dict[str, str]]]:
    """The command that made the file, and its rows."""
    command, *lines = POWER.read_text(encoding="utf-8").splitlines()
    return command.removeprefix("# "), list(csv.DictReader(lines))


def _percent(share: str, digits: int = 1) -> str:
    return f"{float(share):.{digits}%}".replace("%", " %") if share else ""


def power() -> str:
    """How often the gate is wrong, by kind of baseline."""
    command, measured = _power()
    body = []
    for kind, meaning in KINDS.items():
        of = {float(row["slower"]): row for row in measured if (row["table"], row["name"]) == ("kinds", kind)}
        quiet, slow = of[0.0], of[0.1]
        found = [_percent(of[slower]["found"]) for slower in (0.05, 0.07, 0.1, 0.2)]
        passes = [f"{float(row):.1f}" for row in (quiet["passes_unchanged"], slow["passes_slower"])]
        body.append((meaning, f"{_percent(quiet['red'], 2)} of {quiet['nights']}", *found, *passes))
    slower = ("5 %", "7 %", "10 %", "20 %")
    header = (
        "compared with",
        "nights red without a change",
        *(f"{share} slower: found" for share in slower),
        "passes per unchanged cell",
        "per cell 10 % slower",
    )
    return f"Computed by `{command}`:\n\n{rows(header, body)}"


def rules() -> str:
    """Other rules on the same noise."""
    _, measured = _power()
    found = {row["name"]: row for row in measured if row["table"] == "rules"}
    named = meant(RULES, found)
    return rows(
        ("rule", "nights red without a change", "10 % slower: found"),
        (
            (named[name], f"{_percent(row['red'])} of {row['nights']}", _percent(row["found"]))
            for name, row in found.items()
        ),
    )


def hosts() -> str:
    """The resolution and the false alarms on hosts of several kinds, by the number of cells."""
    _, measured = _power()
    found = {row["name"]: row for row in measured if row["table"] == "hosts"}
    body = []
    for host, noise in HOSTS.items():
        shown = [found[f"{cells} cells, {noise}, redrawn 50%, tolerance 10%, 1 run"] for cells in SIZES]
        figures = [f"{_percent(row['slower'], 0)} ({_percent(row['red'])})" for row in shown]
        body.append((f"{host} ({noise.replace('%', ' %')})", *figures))
    return rows(("resolution (red without a change)", *(f"{cells} cell{'s' * (cells > 1)}" for cells in SIZES)), body)


TABLES: Mapping[str, Callable[[], str]] = {
    "options": options,
    "names": names,
    "platform-keys": platform_keys,
    "network-keys": network_keys,
    "model-keys": model_keys,
    "verdicts": verdicts,
    "report-columns": report_columns,
    "platforms": platforms,
    "networks": networks,
    "commands": commands,
    "power": power,
    "rules": rules,
    "hosts": hosts,
}


def filled(text: str) -> str:
    """A page with its tables as the code says them."""
    return _TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[3]}", text)


def main() -> int:
    """Write the tables into the pages."""
    for page in sorted(FOLDER.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if (now := filled(text)) != text:
            page.write_text(now, encoding="utf-8")
            sys.stdout.write(f"{page.name}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
