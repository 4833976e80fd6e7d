"""Options that are each right and cannot hold together: refused before anything is measured, not passed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.settings import Settings


def check_batch_sizes(settings: Settings) -> None:
    """Refuse batch sizes beside a schedule of them, given in the same place.

    Where one is given in another place, the order of precedence says which holds.

    Raises:
        ConfigurationError: both are given on the command line, both in the environment, or both in the ini file.
    """
    sizes, schedule = settings.given.get("batch-sizes"), settings.given.get("batch-schedule")
    if sizes is not None and schedule is not None and sizes.origin is schedule.origin:
        asked = ",".join(map(str, sizes.value))
        raise ConfigurationError(
            f"--ddperf-batch-sizes={asked} and --ddperf-batch-schedule={schedule.value} both say which batch sizes are "
            "measured, and only one can hold; expected one of them."
        )


def check_passes(settings: Settings) -> None:
    """Refuse fewer passes at the most than at the least.

    Raises:
        ConfigurationError: it is so.
    """
    least, most = settings.value("npasses"), settings.value("max-passes")
    if most is not None and most < least:
        raise ConfigurationError(
            f"--ddperf-max-passes={most} is below --ddperf-npasses={least}: a cell cannot have at most {most} and at "
            f"least {least} passes; expected --ddperf-max-passes={least} or more, or --ddperf-npasses={most} beside it."
        )


def check_images(settings: Settings) -> None:
    """Refuse a list of images that lie nowhere.

    Raises:
        ConfigurationError: a list is given, and no folder.
    """
    for name in settings.platforms:
        listed = settings.value("bench-files", name)
        if listed is not None and settings.value("data-dir", name) is None:
            raise ConfigurationError(
                f"--ddperf-bench-files={listed} lists images of a folder, and for {name} no folder is named; expected "
                "--ddperf-data-dir=DIR beside it, the folder as the server sees it."
            )


def check_servers(settings: Settings) -> None:
    """Refuse, on the command line, what is of a kind of server that the run does not measure.

    In the environment and in files it may stand for other runs, and says nothing here.

    Raises:
        ConfigurationError: threads and no embedded server, or certificates and no https.
    """
    urls = {name: settings.url(name) for name in settings.platforms}
    measured = f"{', '.join(urls)} {'is' if len(urls) == 1 else 'are'} not"
    if settings.was_typed("threads") and "embedded" not in urls.values():
        raise ConfigurationError(
            f"--ddperf-threads={settings.value('threads')} is of the embedded server, and {measured} measured on it: "
            "how many threads a server of yours has is said where it is started; expected a run without the option."
        )
    if settings.was_typed("ca-file") and not any(url.startswith("https:") for url in urls.values()):
        raise ConfigurationError(
            f"--ddperf-ca-file={settings.value('ca-file')} is for servers that are reached by https, and {measured}; "
            "expected --ddperf-url=https://HOST:PORT beside it, or a run without the option."
        )


def check_services(settings: Settings, cells: Iterable[CellKey]) -> None:
    """Refuse to measure one service under the names of several networks.

    Args:
        settings: of the run.
        cells: those that are to be measured.

    Raises:
        ConfigurationError: a platform has several networks, and one name of a service, or one model folder.
    """
    from pytest_ddperf.core.limits import MODEL  # noqa: PLC0415 - only with cells to measure

    models: dict[str, set[str]] = {}
    for key in cells:
        models.setdefault(key.platform, set()).add(key.model)
    for platform, named in models.items():
        own = sum(settings.catalog.networks[model].is_own for model in named)  # each has a folder of its own
        for option, of_it in (("service", len(named)), ("repository", len(named) - own)):
            template = settings.value(option, platform)
            if template is not None and MODEL not in template and of_it > 1:
                raise ConfigurationError(
                    f"--ddperf-{option}={template} is the same for all {of_it} networks that are to be measured on "
                    f"{platform}: one would be measured under the names of all; expected {MODEL} in it, which stands "
                    "for a network's id, or one network with --ddperf-models=NAME."
                )
