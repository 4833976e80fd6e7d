"""The table of options. `settings` creates frozen settings from the given values.

Each option is a command-line option `--ddperf-NAME`, an ini key `ddperf_NAME` and an environment variable
`DDPERF_NAME`. Precedence: command line, environment, the project's platform file (ddperf.toml), ini, the package's
platform file, default.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - a NamedTuple reads its fields' types at run time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


FIXTURE = "ddperf"
"""Name of the fixture that makes a test a gated one; defined here because every pytest run may import this module."""


PREFIX = "--ddperf-"
"""Prefix of the plugin's command-line options."""


class Option(NamedTuple):
    """One option.

    Args:
        name: `max-batch-size`; gives `--ddperf-max-batch-size`, `ddperf_max_batch_size`, `DDPERF_MAX_BATCH_SIZE`.
        help: help text for `pytest --help`.
        parse: converts text to a value; raises ValueError with a description of what is expected.
        default: the value if the option is not given.
        metavar: how the value is shown in the help; None for a flag.
        bare: the value if the option is given without one (`--ddperf-update-baselines`); None: a value is required.
        repeatable: whether it may be given several times on the command line; elsewhere, and for `parse`, its values
            are separated by commas.
    """

    name: str
    help: str
    parse: Callable[[str], Any]
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


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        raise ValueError("one name or several, separated by commas")
    return names


def _count(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        expected = f"a whole number of {least} or more"
        try:
            value = int(text)
        except ValueError:
            raise ValueError(expected) from None
        if value < least:
            raise ValueError(expected)
        return value

    return parse


def _batch_sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(sorted({_count(1)(part) for part in _names(text)}))
    except ValueError:
        raise ValueError("batch sizes of 1 or more, separated by commas, such as 1,2,4,8") from None
    return sizes


def _clients(text: str) -> tuple[int, ...]:
    from pytest_ddperf.core.scenarios import CLIENTS_EXPECTED, normalise_clients  # noqa: PLC0415 - only where it is given

    try:
        return normalise_clients(int(part) for part in _names(text))
    except ValueError:
        raise ValueError(f"{CLIENTS_EXPECTED}, separated by commas, such as 1,2,4,8") from None


def _rates(text: str) -> tuple[float, ...]:
    from pytest_ddperf.core.scenarios import RATES_EXPECTED, normalise_rates  # noqa: PLC0415 - only where it is given

    try:
        return normalise_rates(float(part) for part in _names(text))
    except (ValueError, OverflowError):
        raise ValueError(f"{RATES_EXPECTED}, separated by commas, such as 10,50") from None


def _text(expected: str) -> Callable[[str], str]:
    """Create a parser that rejects empty text, which results from `OPTION=$VARIABLE` with an unset variable."""

    def parse(text: str) -> str:
        if not text.strip():
            raise ValueError(expected)
        return text

    return parse


def _wait(text: str) -> float:
    from pytest_ddperf.core.limits import WAIT_EXPECTED, is_wait  # noqa: PLC0415 - only where it is given

    return _seconds(text, is_wait, WAIT_EXPECTED)


def _time_limit(text: str) -> float:
    from pytest_ddperf.core.limits import TIME_LIMIT_EXPECTED, is_time_limit  # noqa: PLC0415 - likewise

    return _seconds(text, is_time_limit, TIME_LIMIT_EXPECTED)


def _seconds(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(expected) from None
    if not fits(value):
        raise ValueError(expected)
    return value


def _service(text: str) -> str:
    from pytest_ddperf.core.limits import SERVICE_EXPECTED, is_service_name  # noqa: PLC0415 - likewise

    if not is_service_name(text):
        raise ValueError(SERVICE_EXPECTED)
    return text


def _factor(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not value or abs(value) == float("inf") or value != value:  # noqa: PLR0124 - NaN is not itself
        raise ValueError("a finite number other than 0")
    return value


def _exit_code(text: str) -> int:
    """Parse an exit status: 0 would not be a failure, and the system keeps one byte."""
    expected = "a whole number from 1 to 255"
    try:
        value = int(text)
    except ValueError:
        raise ValueError(expected) from None
    if not 1 <= value <= 255:
        raise ValueError(expected)
    return value


def _tolerance(text: str) -> float:
    expected = "a share from 0 to below 1, such as 0.1, or percent below 1000, such as 10%"
    stripped = text.strip()
    try:
        value = float(stripped.removesuffix("%")) / (100 if stripped.endswith("%") else 1)
    except ValueError:
        raise ValueError(expected) from None
    if not 0 <= value < 10 or (value >= 1 and not stripped.endswith("%")):
        raise ValueError(expected)
    return value


def _switch(text: str) -> bool:
    value = text.strip().lower()
    if value in {"1", "true", "yes", "on"}:
        return True
    if value in {"0", "false", "no", "off", ""}:
        return False
    raise ValueError("true or false")


class Choice:
    """Parses one of several words.

    Args:
        choices: the words.
    """

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def __call__(self, text: str) -> str:
        """Return the text if it is one of the words.

        Raises:
            ValueError: it is not.
        """
        if text not in self.choices:
            raise ValueError("one of " + ", ".join(self.choices))
        return text


def _urls(text: str) -> dict[str, str]:
    """Parse `URL` for the only platform (under the key ""), or `tk1=URL,tx1=URL`."""
    from pytest_ddperf.deepdetect.url import Address, check_url  # noqa: PLC0415 - only when a URL is given

    urls: dict[str, str] = {}
    for part in _names(text):
        name, given, url = part.partition("=")
        platform, url = (name.strip(), url.strip()) if given and "/" not in name else ("", part)
        if platform in urls:
            raise ValueError("one URL a platform" if platform else "platform=URL,platform=URL for several servers")
        urls[platform] = Address(check_url(url))
    if "" in urls and len(urls) > 1:
        raise ValueError("one URL, or platform=URL,platform=URL for several servers")
    return urls


OPTION_GROUPS: dict[str, tuple[Option, ...]] = {
    "what to measure": (
        Option("platform", "platforms to measure; short form: --platform; default: local, the embedded server on this "
               "machine", _names, ("local",), "A[,B]"),
        Option("models", "networks to measure, or folders (with a slash) with networks of your own; default: those of "
               "the baseline table and ddperf.toml", _names, (), "A[,B]"),
        Option("batch-sizes", "batch sizes to measure; default: those of the baseline table", _batch_sizes, (),
               "N[,N]"),
        Option("max-batch-size", "largest batch size; default: the platform's", _count(1), None, "N"),
        Option("batch-schedule", "generate the batch sizes: pow2 (1, 2, 4, 8 ...) or dd_bench (1, 2, 4, 8, 16, 32, "
               "then every 16); default: those of the baseline table", Choice("pow2", "dd_bench"), None, "NAME"),
        Option("run-unavailable", "also measure cells that the baseline marks x (unavailable)", _switch, False),
    ),
    "server and services": (
        Option("url", "server: http[s]://[user:password@]host:port[/path], or embedded; for several platforms "
               "tk1=URL,tx1=URL; default: the platform's", _urls, {}, "URL"),
        Option("repository", "create services from this folder of the server, such as /opt/models/{model}",
               _text("a folder of the server"), None, "DIR"),
        Option("service", "service name of each network; default: {model}", _service, "{model}", "TEMPLATE"),
        Option("missing-service", "fail or skip cells whose service does not exist and cannot be created; default: "
               "fail", Choice("fail", "skip"), "fail", "fail|skip"),
        Option("recreate", "recreate our service for every batch size (always done for TensorRT)", _switch, False),
        Option("delete-services", "delete the measured services at the end, including those that existed before",
               _switch, False),
        Option("mllib", "backend of created services; default: the platform's", _text("a backend's name"), None,
               "NAME"),
        Option("gpu", "create services on the GPU; default: if the platform has one", _switch, None),
        Option("gpuid", "index of the GPU; default: 0", _count(0), 0, "N"),
        Option("dla", "create services on a Jetson's DLA core", _switch, False),
        Option("datatype", "precision of created services; default: fp32", Choice("fp32", "fp16"),
               "fp32", "fp32|fp16"),
        Option("nclasses", "number of classes of created services; default: the network's", _count(1), None, "N"),
        Option("max-workspace-size", "workspace of a TensorRT engine, MiB; default: 1024", _count(1), 1024, "N"),
        Option("ca-file", "certificates to trust for https (PEM); default: REQUESTS_CA_BUNDLE, else certifi's",
               _text("a file of certificates"), None, "FILE"),
        Option("threads", "threads of the embedded server; default: one per core", _count(1), None, "N"),
    ),
    "gate": (
        Option("baseline", "compare with: history, recorded, report, a file, or auto (the history from 8 accepted "
               "nights, else recorded, else report); default: auto",
               _text("history, recorded, report, a file, or auto"), "auto", "KIND|PATH"),
        Option("tolerance", "slowdown that still passes, such as 10%%; default: the platform's", _tolerance, None,
               "SHARE"),
        Option("require-baseline", "fail cells that have no baseline", _switch, False),
        Option("update-baselines", "record this run as the baseline; accepted: regressed and unstable cells keep "
               "their old values; all: they are also recorded, and pass; default: accepted",
               Choice("accepted", "all"), None, "accepted|all", "accepted"),
        Option("accept", "accept this run as a reference for later nights", _switch, False),
        Option("infra-exit-code", "exit status if all failed tests are cells that are error, crashed or invalid (the "
               "server failed, nothing is slower); default: 1", _exit_code, None, "N"),
    ),
    "output": (
        Option("report", "write a report: FILE.md, FILE.html, FILE.csv, FILE.json, bmf:FILE (Bencher) or pytest:FILE "
               "(github-action-benchmark); repeatable", _names, (), "FILE", repeatable=True),
        Option("plot", "draw the figures into this folder; without test paths, draw stored results and run no test; "
               "default: ddperf-figures", _text("a folder"), None, "DIR", "ddperf-figures"),
        Option("storage", "folder of the history; default: .ddperf", _text("a folder"), ".ddperf", "DIR"),
    ),
    "load": (
        Option("concurrency", "also measure with N clients at once; adds cells such as tk1-resnet50-b8-c4", _clients,
               (), "N[,N]"),
        Option("rate", "also measure at R requests per second (Poisson arrivals); adds cells such as "
               "tk1-resnet50-b8-r20", _rates, (), "R[,R]"),
        Option("load-requests", "requests per pass under load; default: 10 per client, or 40 at a rate",
               _count(2), None, "N"),
    ),
    "passes and clock": (
        Option("npasses", "minimum number of timed passes per cell; default: 5", _count(1), 5, "N"),
        Option("max-passes", "maximum number of timed passes, for cells that scatter; default: npasses", _count(1),
               None, "N"),
        Option("warmup", "warm-up passes, not timed; default: 1", _count(0), 1, "N"),
        Option("timer", "clock to gate: predict (the server's cumulated time), head (head.time), client, or auto "
               "(predict, else head); default: auto", Choice("auto", "predict", "head", "client"), "auto", "CLOCK"),
        Option("tune", "set the board's clocks to maximum during the run, then restore them; needs telemetry in "
               "ddperf.toml", _switch, False),
    ),
    "images": (
        Option("data-dir", "folder of the images, as the server sees it; default: images are sent inline (base64)",
               _text("a folder of the server"), None, "DIR"),
        Option("bench-files", "file with the names of these images, one per line; default: the same folder of this "
               "machine",
               _text("a file"), None, "FILE"),
        Option("img-width", "input width in pixels; default: the network's", _count(1), None, "N"),
        Option("img-height", "input height in pixels; default: the network's", _count(1), None, "N"),
        Option("bw", "create services for black and white images", _switch, False),
        Option("rgb", "create services for RGB channel order", _switch, False),
        Option("scale", "create services that multiply pixel values by F; default: 1", _factor, 1.0, "F"),
        Option("histogram-equalization", "create services that equalize the histogram", _switch, False),
        Option("image-interp", "resize filter: nearest, linear, cubic, area or lanczos4; default: the server's",
               Choice("nearest", "linear", "cubic", "area", "lanczos4"), None, "NAME"),
        Option("gpu-resize", "resize images on the GPU", _switch, False),
    ),
    "time limits": (
        Option("wait", "seconds to wait for a server that is not up yet; default: 0", _wait, 0.0, "S"),
        Option("timeout", "seconds to wait for a response; default: 300", _time_limit, 300.0, "S"),
        Option("cold-start-timeout", "seconds to wait for a service to be created, and for its first prediction; "
               "default: 900", _time_limit, 900.0, "S"),
        Option("recovery-timeout", "seconds to wait for a server that stops responding during the run; default: 120",
               _wait, 120.0, "S"),
        Option("lock-wait", "seconds to wait for another run that uses the same server; default: 1800", _wait, 1800.0,
               "S"),
    ),
}  # fmt: skip
"""The options by group, in the order of `pytest --help` and docs/options.md: the most used ones first."""


OPTIONS: tuple[Option, ...] = tuple(option for group in OPTION_GROUPS.values() for option in group)


BY_NAME: dict[str, Option] = {option.name: option for option in OPTIONS}


def parse_value(name: str, text: str) -> Any:  # noqa: ANN401 - the option's own type
    """Parse the text of an option's value.

    Raises:
        ValueError: the text is not a valid value; the message states what is expected.
    """
    return BY_NAME[name].parse(text)


def group_title(group: str) -> str:
    """The heading of a group of options in `pytest --help`."""
    return f"pytest-ddperf ({group})"


def suggest(args: Sequence[str]) -> str | None:
    """Suggest the option closest to the first unknown `--ddperf-*` argument; None if there is none."""
    names = [arg.removeprefix(PREFIX).partition("=")[0] for arg in args if arg.startswith(PREFIX)]
    unknown = [name for name in names if name not in BY_NAME]
    if not unknown:
        return None
    import difflib  # noqa: PLC0415 - only where an option is misspelled

    return next((BY_NAME[name].flag for name in difflib.get_close_matches(unknown[0], BY_NAME, n=1)), None)
