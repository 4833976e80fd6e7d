"""The command that measures one cell again under the same settings; it contains all that no file defines."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pytest_ddperf.config.options import BY_NAME, IN_FILE, OPTIONS, SELF
from pytest_ddperf.config.own_models import is_folder_name
from pytest_ddperf.config.resolve import NOT_IN_PAIRS, ONLY_IN_PAIRS
from pytest_ddperf.config.settings import Origin
from pytest_ddperf.deepdetect.url import format_display_url

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_ddperf.config.settings import Settings
    from pytest_ddperf.core.records import CellKey

_MATRIX: Final = frozenset(
    {"platform", "models", "batch-sizes", "max-batch-size", "batch-schedule", "concurrency", "rate", "run-unavailable"}
)
"""Options that select cells; `_of_cell` derives those that a single cell needs."""

_OF_THE_RUN: Final = frozenset(
    {"update-baselines", "accept", "require-baseline", "report", "plot", "infra-exit-code", "lock-wait"}
)
"""Options about the results of a run, which change neither the measurement nor the baseline."""


def build_command(
    settings: Settings,
    key: CellKey,
    nodeid: str,
    rootdir: Path,
    *,
    platform_flag: str = "--platform",
    of_pytest: Sequence[str] = (),
) -> str:
    """Return the command that measures a cell again from the working directory of the run, without credentials.

    Args:
        settings: settings of the run.
        key: the cell.
        nodeid: node id of its test.
        rootdir: folder that node ids are relative to.
        platform_flag: the option that names the platform; a different one if the project defines `--platform`.
        of_pytest: options of pytest that select the configuration, from `configuration_options`.
    """
    file, colons, name = nodeid.partition("::")
    test = f"{os.path.relpath(rootdir / file, settings.cwd)}{colons}{name}"
    is_paired = settings.reference_url(key.platform) is not None
    unfit = _MATRIX | _OF_THE_RUN | set(NOT_IN_PAIRS if is_paired else ONLY_IN_PAIRS)
    before, options = [], [f"{platform_flag}={key.platform}"]
    for option in OPTIONS:
        if option.name in unfit or settings.origin(option.name) < Origin.ENVIRONMENT:
            continue
        if option.name == "url":
            options.append(f"{option.flag}={format_display_url(settings.url(key.platform))}")
        elif option.name == "against":
            if (given := settings.given_reference(key.platform)) is not None:
                options.append(f"{option.flag}={given if given in {SELF, IN_FILE} else format_display_url(given)}")
            elif settings.given["against"].origin is Origin.ENVIRONMENT:  # it names other platforms only
                before.append(f"{option.variable}=")
        elif option.metavar is not None:
            options.append(f"{option.flag}={settings.given[option.name].text}")
        elif settings.given[option.name].value:
            options.append(option.flag)
        else:  # a switch can be turned off only by its variable
            before.append(f"{option.variable}=false")
    return " ".join(
        [*before, "pytest", *(shlex.quote(word) for word in (test, *of_pytest, *options, *_of_cell(settings, key)))]
    )


def configuration_options(option: argparse.Namespace) -> list[str]:
    """Return the command-line options of pytest that decide which configuration and plugins the run has.

    The number of repetitions of pytest-repeat is one of them, because it is part of the node ids.

    Args:
        option: pytest's parsed options.
    """
    words = ["-c", str(option.inifilename)] if option.inifilename else []
    words += [f"--rootdir={option.rootdir}"] if option.rootdir else []
    words += [f"--override-ini={pair}" for pair in option.override_ini or ()]
    plugins = [name for name in option.plugins if not name.startswith("no:")]
    words += [word for name in dict.fromkeys(plugins) for word in ("-p", name)]
    count = getattr(option, "count", None)
    return [*words, f"--count={count}"] if isinstance(count, int) and count > 1 else words


def _of_cell(settings: Settings, key: CellKey) -> list[str]:
    """Return the options without which the cell would not be selected."""
    files = {name: one for name, one in settings.given.items() if one.origin < Origin.ENVIRONMENT}
    plain = replace(settings, given=files)
    options = []
    word = _typed_models(settings).get(key.model, key.model)
    if is_folder_name(word) or key.model not in plain.models(key.platform):
        options.append(f"--ddperf-models={word}")
    if key.batch_size not in plain.batch_sizes(key.platform):
        options.append(f"--ddperf-batch-sizes={key.batch_size}")
    if key.scenario not in plain.scenarios(key.platform):
        of = "concurrency" if key.scenario.startswith("c") else "rate"
        options.append(f"--ddperf-{of}={key.scenario[1:]}")
    if settings.origin("run-unavailable") > Origin.PROJECT and settings.value("run-unavailable"):
        options.append("--ddperf-run-unavailable")
    return options


def _typed_models(settings: Settings) -> dict[str, str]:
    """Return the networks given on the command line or in the environment: by id, the text that was typed."""
    if settings.origin("models") < Origin.ENVIRONMENT:
        return {}
    models = settings.given["models"]
    return dict(zip(models.value, BY_NAME["models"].type.parse(models.text), strict=True))
