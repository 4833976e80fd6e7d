"""The table of options. `settings` creates frozen settings from the given values.

Each option is a command-line option `--ddperf-NAME`, an ini key `ddperf_NAME` and an environment variable
`DDPERF_NAME`. Precedence: command line, environment, the project's platform file (ddperf.toml), ini, the package's
platform file, default.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_ddperf.core.limits import (
    BATCH_SIZES,
    BUDGET,
    CLIENTS,
    COUNT,
    INDEX,
    NAMES,
    RATES,
    SERVICE,
    SWITCH,
    TIME_LIMIT,
    TOLERANCE,
    WAIT,
    ValueType,
    choice,
    non_empty,
    split_names,
    whole_number,
)
from pytest_ddperf.core.service_parameters import IMAGES, PARAMETERS, SERVICES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


FIXTURE = "ddperf"
"""Name of the fixture that makes a test a gated one; defined here because every pytest run may import this module."""


PREFIX = "--ddperf-"
"""Prefix of the plugin's command-line options."""


class Option(NamedTuple):
    """One option.

    Args:
        name: `max-batch-size`; gives `--ddperf-max-batch-size`, `ddperf_max_batch_size`, `DDPERF_MAX_BATCH_SIZE`.
        help: help text for `pytest --help`.
        type: the valid values.
        default: the value if the option is not given.
        metavar: how the value is shown in the help; None for a flag.
        bare: the value if the option is given without one (`--ddperf-update-baselines`); None: a value is required.
        repeatable: whether it may be given several times on the command line; elsewhere, and for `type`, its values
            are separated by commas.
    """

    name: str
    help: str
    type: ValueType
    default: Any = None
    metavar: str | None = None
    bare: str | None = None
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """The command-line option."""
        return f"{PREFIX}{self.name}"

    @property
    def key(self) -> str:
        """The ini key, also the attribute in pytest's option namespace."""
        return "ddperf_" + self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return self.key.upper()


def _service_options(group: str) -> tuple[Option, ...]:
    """Create the options of the service parameters in a group."""
    return tuple(
        Option(name.replace("_", "-"), one.describe(one.unset or one.default), one.type, one.default, one.metavar)
        for name, one in PARAMETERS.items()
        if one.group == group
    )


SELF = "self"
"""Used instead of the URL of a reference: a second service on the server under test."""

IN_FILE = "ddperf.toml"
"""Used instead of the URL of a reference: the one of [platforms.<id>.against]."""


def _read_urls(text: str, words: Sequence[str] = ()) -> dict[str, str]:
    """Parse `URL` for the only platform (under the key ""), or `tk1=URL,tx1=URL`; `words` may replace a URL."""
    from pytest_ddperf.deepdetect.url import Address, check_url  # noqa: PLC0415 - only when a URL is given

    urls: dict[str, str] = {}
    for part in (parts := split_names(text)):
        name, given, url = part.partition("=")
        platform, url = (name.strip(), url.strip()) if given and "/" not in name else ("", part)
        if platform and platform in urls:
            raise ValueError("one URL per platform")
        urls[platform] = Address(url if url in words else check_url(url))
    if not parts or ("" in urls and len(parts) > 1):
        raise ValueError("one URL, or platform=URL,platform=URL for several servers")
    return urls


OPTION_GROUPS: dict[str, tuple[Option, ...]] = {
    "what to measure": (
        Option("platform", "platforms to measure; short form: --platform; default: local, the embedded server on this "
               "machine", NAMES, ("local",), "A[,B]"),
        Option("models", "networks to measure, or folders (with a slash) with networks of your own; default: those of "
               "the baseline table and ddperf.toml", NAMES, (), "A[,B]"),
        Option("batch-sizes", "batch sizes to measure; default: those of the baseline table", BATCH_SIZES, (),
               "N[,N]"),
        Option("max-batch-size", "largest batch size; default: the platform's", COUNT, None, "N"),
        Option("batch-schedule", "generate the batch sizes: pow2 (1, 2, 4, 8 ...) or dd_bench (1, 2, 4, 8, 16, 32, "
               "then every 16); default: those of the baseline table", choice("pow2", "dd_bench"), None, "NAME"),
        Option("run-unavailable", "also measure cells that the baseline marks x (unavailable)", SWITCH, False),
    ),
    SERVICES: (
        Option("url", "server: http[s]://[user:password@]host:port[/path], or embedded; for several platforms "
               "tk1=URL,tx1=URL; default: the platform's", ValueType("", _read_urls, dict), {}, "URL"),
        Option("repository", "create services from this folder of the server, such as /opt/models/{model}",
               non_empty("a folder of the server"), None, "DIR"),
        Option("service", "service name of each network; default: {model}", SERVICE, "{model}", "TEMPLATE"),
        Option("missing-service", "fail or skip cells whose service does not exist and cannot be created; default: "
               "fail", choice("fail", "skip"), "fail", "fail|skip"),
        *_service_options(SERVICES),
        Option("ca-file", "certificates to trust for https (PEM); default: REQUESTS_CA_BUNDLE, else certifi's",
               non_empty("a file of certificates"), None, "FILE"),
        Option("threads", "threads of the embedded server; default: one per core", COUNT, None, "N"),
    ),
    "two servers in pairs": (
        Option("against", "server to compare with, pair by pair: a URL, embedded, self (a second service on the same "
               "server), or ddperf.toml (the one of [platforms.<id>.against]); for several platforms tk1=URL,tx1=URL; "
               "default: ddperf.toml",
               ValueType("", partial(_read_urls, words=(SELF, IN_FILE)), dict), {}, "URL", IN_FILE),
        Option("max-pairs", "maximum number of pairs per cell, rounded up to rounds of 8; default: 64",
               whole_number(24), 64, "N"),
        Option("pair-seed", "seed of the random order within the pairs; default: a new one, which is recorded", INDEX,
               None, "N"),
    ),
    "gate": (
        Option("baseline", "baseline to compare with: history, recorded, report, a file, or auto (the history from 8 "
               "accepted nights, else recorded, else report); default: auto",
               non_empty("history, recorded, report, a file, or auto"), "auto", "KIND|PATH"),
        Option("tolerance", "slowdown that still passes, such as 10%%; default: the platform's", TOLERANCE, None,
               "SHARE"),
        Option("min-fps", "fail cells that are certainly below N images per second; default: the marker's, else "
               "budgets in ddperf.toml", BUDGET, None, "N"),
        Option("max-ms", "fail cells that certainly take more than MS milliseconds per image; default: the "
               "marker's, else budgets in ddperf.toml", BUDGET, None, "MS"),
        Option("require-baseline", "fail cells that have no baseline", SWITCH, False),
        Option("update-baselines", "record this run as the baseline; accepted: regressed and unstable cells keep "
               "their old values; all: they are also recorded, and pass unless over their budget; "
               "default: accepted",
               choice("accepted", "all"), None, "accepted|all", "accepted"),
        Option("accept", "accept this run as a reference for later nights", SWITCH, False),
        Option("infra-exit-code", "exit status of a run that says nothing about speed: each failed test is a cell "
               "that is error, crashed or invalid, a cell is unstable, nothing was measured, or no server responds; "
               "default: pytest's own", whole_number(1, 255), None, "N"),
    ),
    "output": (
        Option("report", "write a report: FILE.md, FILE.html, FILE.csv, FILE.json, comment:FILE (pull request), "
               "bmf:FILE (Bencher) or pytest:FILE (github-action-benchmark); repeatable", NAMES, (), "FILE",
               repeatable=True),
        Option("plot", "draw the figures into this folder; without test paths, draw stored results and run no test; "
               "default: ddperf-figures", non_empty("a folder"), None, "DIR", "ddperf-figures"),
        Option("storage", "folder of the history; default: .ddperf", non_empty("a folder"), ".ddperf", "DIR"),
    ),
    "load": (
        Option("concurrency", "also measure with N clients at once; adds cells such as tk1-resnet50-b8-c4", CLIENTS,
               (), "N[,N]"),
        Option("rate", "also measure at R requests per second (Poisson arrivals); adds cells such as "
               "tk1-resnet50-b8-r20", RATES, (), "R[,R]"),
        Option("load-requests", "requests per pass under load; default: 10 per client, or 40 at a rate",
               whole_number(2), None, "N"),
    ),
    "passes and clock": (
        Option("npasses", "minimum number of timed passes per cell; default: 5", COUNT, 5, "N"),
        Option("max-passes", "maximum number of timed passes, for cells whose times vary; default: npasses", COUNT,
               None, "N"),
        Option("warmup", "warm-up passes, not timed; default: 1", INDEX, 1, "N"),
        Option("timer", "clock that decides: predict (the server's cumulated time), head (head.time), client, or auto "
               "(predict, else head); default: auto", choice("auto", "predict", "head", "client"), "auto", "CLOCK"),
        Option("tune", "set the board's clocks to maximum during the run, then restore them; needs telemetry in "
               "ddperf.toml", SWITCH, False),
    ),
    IMAGES: (
        Option("data-dir", "folder of the images, as the server sees it; default: images are sent inline (base64)",
               non_empty("a folder of the server"), None, "DIR"),
        Option("bench-files", "file with the names of the images, one per line; default: the files in this folder on "
               "this machine", non_empty("a file"), None, "FILE"),
        *_service_options(IMAGES),
    ),
    "time limits": (
        Option("wait", "seconds to wait for a server that is not up yet; default: 0", WAIT, 0.0, "S"),
        Option("timeout", "seconds to wait for a response; default: 300", TIME_LIMIT, 300.0, "S"),
        Option("cold-start-timeout", "seconds to wait for a service to be created, and for its first prediction; "
               "default: 900", TIME_LIMIT, 900.0, "S"),
        Option("recovery-timeout", "seconds to wait for a server that stops responding during the run; default: 120",
               WAIT, 120.0, "S"),
        Option("lock-wait", "seconds to wait for another run that uses the same server; default: 1800", WAIT, 1800.0,
               "S"),
    ),
}  # fmt: skip
"""The options by group, in the order of `pytest --help` and docs/options.md: the most used ones first."""


OPTIONS: tuple[Option, ...] = tuple(option for group in OPTION_GROUPS.values() for option in group)


BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}


def group_title(group: str) -> str:
    """The heading of a group of options in `pytest --help`."""
    return f"pytest-ddperf ({group})"


def suggest(args: Iterable[object]) -> str | None:
    """Suggest the option closest to the first unknown `--ddperf-*` argument, text or a path; None if there is none."""
    names = [arg.removeprefix(PREFIX).partition("=")[0] for arg in map(str, args) if arg.startswith(PREFIX)]
    unknown = [name for name in names if name not in BY_NAME]
    if not unknown:
        return None
    import difflib  # noqa: PLC0415 - only where an option is misspelled

    return next((BY_NAME[name].flag for name in difflib.get_close_matches(unknown[0], BY_NAME, n=1)), None)
