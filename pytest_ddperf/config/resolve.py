"""Settings created from the given values; options that conflict are rejected before measuring."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from pytest_ddperf.config.options import IN_FILE, SELF
from pytest_ddperf.config.own_models import resolve_models
from pytest_ddperf.config.settings import GivenValue, Origin, Settings
from pytest_ddperf.core.limits import MODEL
from pytest_ddperf.core.service_parameters import AUTO
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.url import ServerUrl, format_display_url
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.models.folder import check_embedded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import CellKey


def resolve_settings(found: Mapping[str, GivenValue], catalog: Catalog, project_dir: Path) -> Settings:
    """Create the settings and check them against the catalogue and each other.

    Folders among the named models are added to the catalogue.

    Raises:
        ConfigurationError: a platform or model is unknown, several platforms have no URL each, or options conflict.
    """
    asked = cast("tuple[str, ...]", found["platform"].value) if "platform" in found else ("local",)
    platforms = tuple(catalog.platform_ids(asked))
    cwd = Path.cwd()
    if (models := found.get("models")) is not None:
        base = project_dir if models.origin is Origin.INI else cwd
        catalog, ids = resolve_models(catalog, models.value, base)
        found = {**found, "models": GivenValue(ids, models.origin, models.text)}
    settings = Settings(dict(found), catalog, platforms, project_dir, cwd)
    _check_platform_files(settings)
    _check_urls(settings)
    _check_own_models(settings)
    _check_tuning(settings)
    _check_batch_sizes(settings)
    _check_passes(settings)
    _check_images(settings)
    _check_servers(settings)
    _check_references(settings)
    return settings


def _check_platform_files(settings: Settings) -> None:
    """Reject a URL in ddperf.toml that is not one."""
    for name in settings.platforms:
        stands = settings.catalog.platform(name)
        if "url" in stands.overridden and stands.url not in {None, "embedded"}:
            try:
                ServerUrl.parse(str(stands.url))
            except ConfigurationError as error:
                path = settings.project_dir / "ddperf.toml"
                raise ConfigurationError(f"{path}: url of platform {name}: {error}") from None


def _check_urls(settings: Settings) -> None:
    """Reject URLs of other platforms than the measured ones, and several platforms without a URL each."""
    urls = cast("Mapping[str, str]", settings.value("url"))
    named = _list_named(settings, "url")
    if len(settings.platforms) == 1:
        return
    if "" in urls and settings.given["url"].origin > Origin.PROJECT:
        raise ConfigurationError(
            f"--ddperf-url (or DDPERF_URL in the environment) names one server, {format_display_url(urls[''])}; "
            f"{len(settings.platforms)} platforms need a URL each, or it would be measured under all their names. "
            f"Expected --ddperf-url={','.join(f'{each}=URL' for each in settings.platforms)}, even if they share a "
            "server; or no URL, if ddperf.toml has one for each."
        )
    for name in settings.platforms:
        if name not in named and "url" not in settings.catalog.platform(name).overridden and name != "local":
            raise ConfigurationError(
                f"Each of several platforms needs a URL, and {name} has none; expected "
                f"--ddperf-url={','.join(f'{each}=URL' for each in settings.platforms)}, or url under "
                f"[platforms.{name}] in ddperf.toml."
            )


def _list_named(settings: Settings, option: str) -> list[str]:
    """Return the platforms that an option names with a URL each; reject others than the measured ones."""
    named = [settings.catalog.platform(name).id for name in settings.value(option) if name]
    if stray := [name for name in named if name not in settings.platforms]:
        raise ConfigurationError(
            f"--ddperf-{option} names {', '.join(stray)}, but --ddperf-platform={','.join(settings.platforms)} does "
            "not; name the same platforms in both."
        )
    return named


def _check_own_models(settings: Settings) -> None:
    """Reject networks of the user's own that the embedded server cannot run."""
    for name in settings.platforms:
        if settings.url(name) == "embedded":
            for model in settings.models(name):
                if settings.catalog.networks[model].is_own:
                    check_embedded(settings.catalog.networks[model])


def _check_tuning(settings: Settings) -> None:
    """Reject setting the clocks of a board whose address is unknown."""
    unknown = [name for name in settings.platforms if settings.catalog.platform(name).telemetry is None]
    if settings.value("tune") and unknown:
        raise ConfigurationError(
            f"--ddperf-tune needs the address of the board of {', '.join(unknown)}; set telemetry under "
            f'[platforms.{unknown[0]}] in ddperf.toml to "local" or "ssh:HOST".'
        )


def _check_batch_sizes(settings: Settings) -> None:
    """Reject batch sizes and a batch schedule that are given in the same place.

    If they are given in different places, the order of precedence decides.
    """
    sizes, schedule = settings.given.get("batch-sizes"), settings.given.get("batch-schedule")
    if sizes is not None and schedule is not None and sizes.origin is schedule.origin:
        asked = ",".join(map(str, sizes.value))
        raise ConfigurationError(
            f"--ddperf-batch-sizes={asked} and --ddperf-batch-schedule={schedule.value} exclude each other; expected "
            "one of them."
        )


def _check_passes(settings: Settings) -> None:
    """Reject a maximum number of passes below the minimum."""
    least, most = settings.value("npasses"), settings.value("max-passes")
    if most is not None and most < least:
        raise ConfigurationError(
            f"--ddperf-max-passes={most} is below --ddperf-npasses={least}; expected --ddperf-max-passes={least} or "
            f"more, or --ddperf-npasses={most} or less."
        )


def _check_images(settings: Settings) -> None:
    """Reject a list of images without a folder."""
    for name in settings.platforms:
        listed = settings.value("bench-files", name)
        if listed is not None and settings.value("data-dir", name) is None:
            raise ConfigurationError(
                f"--ddperf-bench-files={listed} lists the images of a folder, but {name} has no folder; add "
                "--ddperf-data-dir=DIR, the folder as the server sees it."
            )


def _check_servers(settings: Settings) -> None:
    """Reject command-line options for a kind of server that the run does not measure.

    In the environment and in files these options may be meant for other runs, and are ignored.
    """
    urls = {name: settings.url(name) for name in settings.platforms}
    every = [*urls.values(), *(str(settings.reference_url(name)) for name in settings.platforms)]
    if settings.was_typed("threads") and "embedded" not in every:
        raise ConfigurationError(
            f"--ddperf-threads={settings.value('threads')} applies only to the embedded server, which does not run "
            f"{', '.join(urls)}. Omit the option; the threads of your own server are set where you start it."
        )
    if settings.was_typed("ca-file") and not any(url.startswith("https:") for url in every):
        raise ConfigurationError(
            f"--ddperf-ca-file={settings.value('ca-file')} applies only to https servers, and the URL of "
            f"{', '.join(urls)} is not https. Add --ddperf-url=https://HOST:PORT, or omit the option."
        )


NOT_IN_PAIRS = {
    "accept": "such a run is not a night that others are compared with",
    "update-baselines": "such a run records no baseline: record one without --ddperf-against",
    "baseline": "the reference replaces the baseline",
    "concurrency": "pairs are of single requests, not under load",
    "rate": "pairs are of single requests, not under load",
    "load-requests": "pairs are of single requests, not under load",
    "npasses": "a round has 8 pairs; --ddperf-max-pairs limits their number",
    "max-passes": "a round has 8 pairs; --ddperf-max-pairs limits their number",
}
"""Options that do not fit --ddperf-against, and why."""

ONLY_IN_PAIRS = ("max-pairs", "pair-seed")
"""Options that need --ddperf-against."""

_ALWAYS_REFUSED = ("accept", "update-baselines")


def _check_references(settings: Settings) -> None:
    """Reject references that cannot be compared with the server under test, and options that do not fit them.

    Other options than those that store the run may be meant for other runs if they are in the environment or in files,
    and are ignored there.
    """
    urls = cast("Mapping[str, str]", settings.value("against"))
    if not urls:
        for name in ONLY_IN_PAIRS:
            if settings.was_typed(name):
                raise ConfigurationError(
                    f"--ddperf-{name}={settings.value(name)} applies only to measurements in pairs; add "
                    "--ddperf-against=URL, or omit the option."
                )
        return
    for name, why in NOT_IN_PAIRS.items():
        if settings.was_typed(name) or (name in _ALWAYS_REFUSED and settings.value(name)):
            raise ConfigurationError(f"--ddperf-against and --ddperf-{name} exclude each other: {why}.")
    _list_named(settings, "against")
    if len(settings.platforms) > 1 and urls.get("", SELF) not in {SELF, IN_FILE, "embedded"}:
        raise ConfigurationError(
            f"--ddperf-against names one server, {format_display_url(urls[''])}, for {len(settings.platforms)} "
            f"platforms; expected --ddperf-against={','.join(f'{each}=URL' for each in settings.platforms)}."
        )
    for name in settings.platforms:
        _check_reference(settings, name)


def _check_reference(settings: Settings, name: str) -> None:
    """Reject a reference that is the service under test."""
    if (reference := settings.reference(name)) is None or settings.is_own_reference(name):
        return
    if settings.given_reference(name) == IN_FILE and not settings.catalog.platform(name).against:
        raise ConfigurationError(
            f"--ddperf-against without a value uses [platforms.{name}.against] of ddperf.toml, which is missing or "
            "empty; expected that table, or --ddperf-against=URL, embedded or self."
        )
    try:
        here, there = settings.server_options(name), reference.server_options(name)
        is_same = here.is_same_server(there) and here.service.lower() == there.service.lower()
    except ConfigurationError as error:
        raise ConfigurationError(f"The reference of {name}: {error}") from None
    if is_same:
        raise ConfigurationError(
            f"--ddperf-against names the service that is measured, {here.service} on {here.display_url}; expected "
            f'another server, another service (service = "NAME" under [platforms.{name}.against] in ddperf.toml), or '
            "--ddperf-against=self."
        )


def check_services(settings: Settings, cells: Iterable[CellKey]) -> None:
    """Reject measuring one service under the names of several networks.

    Args:
        settings: settings of the run.
        cells: the cells to measure.

    Raises:
        ConfigurationError: a platform has several networks, but only one service name, model folder or template.
    """
    models: dict[str, set[str]] = {}
    for key in cells:
        models.setdefault(key.platform, set()).add(key.model)
    for platform, named in models.items():
        own = sum(settings.catalog.networks[model].is_own for model in named)  # each has its own folder
        for option, of_it in (("service", len(named)), ("repository", len(named) - own)):
            template = settings.value(option, platform)
            if template is not None and MODEL not in template and of_it > 1:
                raise ConfigurationError(
                    f"--ddperf-{option}={template} names one {option} for all {of_it} networks of {platform}, so one "
                    f"network would be measured under all their names. Include {MODEL}, the network's id, or choose "
                    "one network with --ddperf-models=NAME."
                )
        _check_templates(settings, platform, named)


def _check_templates(settings: Settings, platform: str, models: Iterable[str]) -> None:
    """Reject measuring a template under the name of another network, or of several."""
    of_template: dict[str, list[Network]] = {}
    for model in sorted(models, key=settings.catalog.model_order):
        of_template.setdefault(settings.value("template", platform, model), []).append(settings.catalog.networks[model])
    of_template.pop(AUTO, None)
    for template, networks in of_template.items():
        other = [
            one for one in networks if one.template != template and not (one.is_own and one.task is Task.CLASSIFICATION)
        ]
        if other or len(networks) > 1:
            names = ", ".join(one.id for one in other or networks)
            raise ConfigurationError(
                f"--ddperf-template={template} would measure the network {template} under the name of {names} on "
                f"{platform}. Omit it, because auto is the template of each network; or set it for a single network of "
                "your own in ddperf.toml, under [platforms.<id>.knobs.<network>]."
            )
