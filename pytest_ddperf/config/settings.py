"""Settings of a run: their origin and precedence, and checks that reject conflicting options before measuring."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pytest_ddperf.config.credentials import build_authorization
from pytest_ddperf.config.local_paths import local_path, server_path
from pytest_ddperf.config.options import BY_NAME
from pytest_ddperf.config.own_models import resolve_models
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.limits import MODEL
from pytest_ddperf.core.platform import build_batch_schedule
from pytest_ddperf.core.scenarios import list_scenario_ids
from pytest_ddperf.core.service_parameters import AUTO, PARAMETERS, ServiceParameters
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.url import Address, ServerUrl, format_display_url, identify_server
from pytest_ddperf.errors import ConfigurationError
from pytest_ddperf.models.folder import check_embedded, is_runnable_embedded

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform
    from pytest_ddperf.core.records import CellKey


def check_batch_sizes(settings: Settings) -> None:
    """Reject batch sizes and a batch schedule that are given in the same place.

    If they are given in different places, the order of precedence decides.

    Raises:
        ConfigurationError: both are given on the command line, both in the environment, or both in the ini file.
    """
    sizes, schedule = settings.given.get("batch-sizes"), settings.given.get("batch-schedule")
    if sizes is not None and schedule is not None and sizes.origin is schedule.origin:
        asked = ",".join(map(str, sizes.value))
        raise ConfigurationError(
            f"--ddperf-batch-sizes={asked} and --ddperf-batch-schedule={schedule.value} exclude each other; expected "
            "one of them."
        )


def check_passes(settings: Settings) -> None:
    """Reject a maximum number of passes below the minimum.

    Raises:
        ConfigurationError: max-passes is below npasses.
    """
    least, most = settings.value("npasses"), settings.value("max-passes")
    if most is not None and most < least:
        raise ConfigurationError(
            f"--ddperf-max-passes={most} is below --ddperf-npasses={least}; expected --ddperf-max-passes={least} or "
            f"more, or --ddperf-npasses={most} or less."
        )


def check_images(settings: Settings) -> None:
    """Reject a list of images without a folder.

    Raises:
        ConfigurationError: bench-files is given without data-dir.
    """
    for name in settings.platforms:
        listed = settings.value("bench-files", name)
        if listed is not None and settings.value("data-dir", name) is None:
            raise ConfigurationError(
                f"--ddperf-bench-files={listed} lists the images of a folder, but {name} has no folder; add "
                "--ddperf-data-dir=DIR, the folder as the server sees it."
            )


def check_servers(settings: Settings) -> None:
    """Reject command-line options for a kind of server that the run does not measure.

    In the environment and in files these options may be meant for other runs, and are ignored.

    Raises:
        ConfigurationError: threads without an embedded server, or ca-file without an https URL.
    """
    urls = {name: settings.url(name) for name in settings.platforms}
    if settings.was_typed("threads") and "embedded" not in urls.values():
        raise ConfigurationError(
            f"--ddperf-threads={settings.value('threads')} applies only to the embedded server, which does not run "
            f"{', '.join(urls)}. Omit the option; the threads of your own server are set where you start it."
        )
    if settings.was_typed("ca-file") and not any(url.startswith("https:") for url in urls.values()):
        raise ConfigurationError(
            f"--ddperf-ca-file={settings.value('ca-file')} applies only to https servers, and the URL of "
            f"{', '.join(urls)} is not https. Add --ddperf-url=https://HOST:PORT, or omit the option."
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
    """Reject measuring a template under the name of another network, or of several.

    Raises:
        ConfigurationError: see above.
    """
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


class Origin(IntEnum):
    """Where a value was given; the greater one takes precedence."""

    DEFAULT = 0
    INI = 1
    PROJECT = 2
    ENVIRONMENT = 3
    COMMAND_LINE = 4


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A value, its origin, and its original text."""

    value: Any
    origin: Origin
    text: str = ""


@dataclass(frozen=True)
class Settings:
    """All settings of a run, frozen; per platform if a platform file can set them.

    Args:
        given: the given values, by option name.
        catalog: networks and platforms.
        platforms: ids of the platforms to measure.
        project_dir: the folder of pytest's configuration, where ddperf.toml and baselines/ are searched.
        cwd: the folder in which the run was started; relative paths on the command line refer to it.
    """

    given: Mapping[str, GivenValue]
    catalog: Catalog
    platforms: tuple[str, ...]
    project_dir: Path
    cwd: Path

    @classmethod
    def resolve(cls, found: Mapping[str, GivenValue], catalog: Catalog, project_dir: Path) -> Settings:
        """Create the settings and check them against the catalogue and each other.

        Raises:
            ConfigurationError: a platform or model is unknown, several platforms have no URL each, or options conflict.
        """
        default: tuple[str, ...] = ("local",)
        asked = cast("tuple[str, ...]", found["platform"].value if "platform" in found else default)
        platforms = tuple(catalog.platform_ids(asked))

        cwd = Path.cwd()
        catalog, found = _with_folders(catalog, found, project_dir, cwd)
        settings = cls(dict(found), catalog, platforms, project_dir, cwd)
        settings._check_platform_files()
        settings._check_urls()
        settings._check_own_models()
        settings._check_tuning()
        check_batch_sizes(settings)
        check_passes(settings)
        check_images(settings)
        check_servers(settings)
        return settings

    def _check_urls(self) -> None:
        urls = cast("Mapping[str, str]", self.value("url"))
        unknown = [self.catalog.platform(name).id for name in urls if name] if urls else []
        stray = [name for name in unknown if name not in self.platforms]
        if stray:
            raise ConfigurationError(
                f"--ddperf-url names {', '.join(stray)}, but --ddperf-platform={','.join(self.platforms)} does not; "
                "name the same platforms in both."
            )
        if len(self.platforms) == 1:
            return
        if "" in urls and self.given["url"].origin > Origin.PROJECT:
            raise ConfigurationError(
                f"--ddperf-url (or DDPERF_URL in the environment) names one server, {format_display_url(urls[''])}; "
                f"{len(self.platforms)} platforms need a URL each, or it would be measured under all their names. "
                f"Expected --ddperf-url={','.join(f'{each}=URL' for each in self.platforms)}, even if they share a "
                "server; or no URL, if ddperf.toml has one for each."
            )
        for name in self.platforms:
            if name not in unknown and "url" not in self.catalog.platform(name).overridden and name != "local":
                raise ConfigurationError(
                    f"Each of several platforms needs a URL, and {name} has none; expected "
                    f"--ddperf-url={','.join(f'{each}=URL' for each in self.platforms)}, or url under "
                    f"[platforms.{name}] in ddperf.toml."
                )

    def _check_platform_files(self) -> None:
        for name in self.platforms:
            stands = self.catalog.platform(name)
            if "url" in stands.overridden and stands.url not in {None, "embedded"}:
                try:
                    ServerUrl.parse(str(stands.url))
                except ConfigurationError as error:
                    path = self.project_dir / "ddperf.toml"
                    raise ConfigurationError(f"{path}: url of platform {name}: {error}") from None

    def _check_tuning(self) -> None:
        unknown = [name for name in self.platforms if self.catalog.platform(name).telemetry is None]
        if self.value("tune") and unknown:
            raise ConfigurationError(
                f"--ddperf-tune needs the address of the board of {', '.join(unknown)}; set telemetry under "
                f'[platforms.{unknown[0]}] in ddperf.toml to "local" or "ssh:HOST".'
            )

    def shared_servers(self) -> dict[str, tuple[str, ...]]:
        """The platforms that share a server, by server; they are measured one after the other."""
        found: dict[str, tuple[str, ...]] = {}
        for name in self.platforms:
            server = identify_server(self.url(name))
            found[server] = (*found.get(server, ()), name)
        return {server: names for server, names in found.items() if len(names) > 1}

    def _check_own_models(self) -> None:
        for name in self.platforms:
            own = [self.catalog.networks[model] for model in self.models(name) if self.catalog.networks[model].is_own]
            if own and self.url(name) == "embedded":
                for model in own:
                    check_embedded(model)

    def value(self, name: str, platform: str | None = None, model: str | None = None) -> Any:  # noqa: ANN401 - its own type
        """The value of an option, for a platform if platform files can set it (key `max_batch_size` ...).

        Args:
            name: name of the option.
            platform: id of a platform; None for the whole run.
            model: id of a network for which the platform's file may set a value of its own.
        """
        default, said = BY_NAME[name].default, self.given.get(name)
        if said is not None and (said.origin > Origin.PROJECT or platform is None):
            return said.value
        if platform is None:
            return default
        key, stands = name.replace("-", "_"), self.catalog.platform(platform)
        if key in (own := stands.knobs.get(model or "", {})):
            return own[key]
        if said is not None and key not in stands.overridden:
            return said.value
        value = stands.value_of(key)
        return default if value is None else value

    def url(self, platform: str) -> str:
        """The server of a platform: a URL, or `embedded`."""
        stands = self.catalog.platform(platform)
        said = self.given.get("url")
        if said is not None and (said.origin > Origin.PROJECT or "url" not in stands.overridden):
            for name, url in cast("Mapping[str, str]", said.value).items():
                if not name or self.catalog.platform(name).id == platform:
                    return url
        return stands.url or "embedded"

    def tolerance(self, platform: str) -> float:
        """The relative tolerance of a platform's gate."""
        return cast("float", self.value("tolerance", platform))

    def models(self, platform: str) -> tuple[str, ...]:
        """Ids of the networks to measure on a platform."""
        stands = self.catalog.platform(platform)
        if not self.was_given("models") and "models" not in stands.overridden:
            return (*stands.default_models, *self._own_models(platform))
        asked = cast("tuple[str, ...]", self.value("models", platform))
        return tuple(dict.fromkeys(self.catalog.model(name).id for name in asked))

    def _own_models(self, platform: str) -> tuple[str, ...]:
        """The user's own models that run by default: all; on the embedded server only folders with one .onnx file."""
        own = self.catalog.own_models
        if own and self.url(platform) == "embedded":
            own = tuple(one for one in own if is_runnable_embedded(one))
        return tuple(one.id for one in own)

    def batch_sizes(self, platform: str) -> tuple[int, ...]:
        """The batch sizes to measure on a platform, ascending."""
        asked = cast("tuple[int, ...]", self.value("batch-sizes", platform))
        largest = self.value("max-batch-size")
        schedule = self.given.get("batch-schedule")
        if schedule is not None and schedule.origin > self._origin("batch-sizes", platform):
            asked = build_batch_schedule(schedule.value, largest or max(asked))
        return tuple(size for size in asked if largest is None or size <= largest)

    def scenarios(self, platform: str) -> tuple[str, ...]:
        """The scenarios to measure for each cell of a platform: "" for plain latency, then the ids of loads."""
        clients, rates = self.value("concurrency", platform), self.value("rate", platform)
        return "", *list_scenario_ids(clients, rates)

    def _origin(self, name: str, platform: str | None) -> Origin:
        said = self.given.get(name)
        stands = platform is not None and name.replace("-", "_") in self.catalog.platform(platform).overridden
        return max(said.origin if said else Origin.DEFAULT, Origin.PROJECT if stands else Origin.DEFAULT)

    def was_given(self, name: str) -> bool:
        """Whether an option was given on the command line, in the environment or in the ini file."""
        return name in self.given

    def was_typed(self, name: str) -> bool:
        """Whether an option was given on the command line, and so for this run only."""
        return name in self.given and self.given[name].origin is Origin.COMMAND_LINE

    def server_options(self, platform: str) -> ServerOptions:
        """Return the options of a platform's server.

        Raises:
            ConfigurationError: an environment variable for its credentials is not set, or a path is in a home folder
                that is not known on this machine.
        """
        stands: Platform = self.catalog.platform(platform)
        listed = self.path("bench-files", platform)
        return ServerOptions(
            url=Address(self.url(platform)),
            data_dir=self.server_path("data-dir", platform),
            bench_files=None if listed is None else str(listed),
            wait_s=self.value("wait", platform),
            timeout_s=self.value("timeout", platform),
            repository=self.server_path("repository", platform),
            service=self.value("service", platform),
            threads=self.value("threads", platform),
            model_dirs=tuple(one.path for one in self.catalog.own_models if one.path is not None),
            cold_start_timeout_s=self.value("cold-start-timeout", platform),
            ca_path=self.path("ca-file", platform),
            authorization=build_authorization(stands),
            prepared_first=bool(stands.before),
            lock_wait_s=self.value("lock-wait", platform),
            recovery_timeout_s=self.value("recovery-timeout", platform),
            parameters=self.parameters(platform),
            by_model={model: self.parameters(platform, model) for model in stands.knobs},
            platform_mllib=stands.parameters.mllib,
        )

    def parameters(self, platform: str, model: str | None = None) -> ServiceParameters:
        """The service parameters on a platform, or of one network on it."""
        own = self.catalog.platform(platform).knobs.get(model or "", {})
        options = {name: name.replace("_", "-") for name in PARAMETERS}
        typed = frozenset(name for name, option in options.items() if self._origin(option, None) > Origin.PROJECT)
        values = {name: self.value(option, platform, model) for name, option in options.items()}
        if "mllib" not in own and self._origin("mllib", platform) is Origin.DEFAULT:
            values["mllib"] = AUTO  # the package's value is the backend of the published table
        return ServiceParameters(
            **values,
            named=typed.union(name for name in options if name in own),
            typed=typed,
        )

    def folder_of(self, name: str, platform: str | None = None) -> Path:
        """The folder to which an option's relative paths refer: the current one, or the project's if set in a file."""
        return self.project_dir if self._origin(name, platform) <= Origin.PROJECT else self.cwd

    def path(self, name: str, platform: str | None = None) -> Path | None:
        """The file or folder on this machine that an option names; None for none.

        Raises:
            ConfigurationError: the path is in a home folder that is not known on this machine.
        """
        value = self.value(name, platform)
        if value is None:
            return None

        return self.folder_of(name, platform) / local_path(value, BY_NAME[name].flag)

    def server_path(self, name: str, platform: str) -> str | None:
        """The file or folder that an option names, as the server sees it; None for none.

        Raises:
            ConfigurationError: the server is on this machine, and the named home folder is not known.
        """
        value = self.value(name, platform)
        if value is None:
            return None

        return server_path(value, self.url(platform), BY_NAME[name].flag)

    @property
    def storage_dir(self) -> Path:
        """The folder of the history."""
        return cast("Path", self.path("storage"))


def _with_folders(
    catalog: Catalog, found: Mapping[str, GivenValue], project_dir: Path, cwd: Path
) -> tuple[Catalog, Mapping[str, GivenValue]]:
    """Add the folders among the named models to the catalogue, and replace the names by ids.

    Raises:
        ConfigurationError: a model is unknown, or a folder cannot be used as a model.
    """
    said = found.get("models")
    if said is None:
        return catalog, found

    base = project_dir if said.origin is Origin.INI else cwd
    catalog, ids = resolve_models(catalog, said.value, base)
    return catalog, {**found, "models": GivenValue(ids, said.origin, said.text)}
