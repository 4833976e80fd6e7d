"""Settings of a run: their origin and precedence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from pytest_ddperf.config.credentials import build_authorization
from pytest_ddperf.config.local_paths import local_path, server_path
from pytest_ddperf.config.options import BY_NAME, IN_FILE, SELF
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.core.budgets import NO_BUDGET, Budget
from pytest_ddperf.core.platform import build_batch_schedule
from pytest_ddperf.core.scenarios import list_scenario_ids
from pytest_ddperf.core.service_parameters import AUTO, PARAMETERS, ServiceParameters
from pytest_ddperf.deepdetect.url import Address, identify_server
from pytest_ddperf.models.folder import is_runnable_embedded

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.platform import Platform


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

    def shared_servers(self) -> dict[str, tuple[str, ...]]:
        """The platforms that share a server, by `servers_of`; they are measured one after the other."""
        found: dict[str, tuple[str, ...]] = {}
        for name, servers in self.servers_of.items():
            found[servers] = (*found.get(servers, ()), name)
        return {servers: names for servers, names in found.items() if len(names) > 1}

    @cached_property
    def servers_of(self) -> dict[str, str]:
        """The servers that only one process may use for a platform's cells, as text, by platform.

        With a reference these are two, and those of every platform that shares one of them.
        """
        groups: list[tuple[set[str], list[str]]] = []
        for name in self.platforms:
            reference = self.reference(name)
            servers = {identify_server(one.url(name)) for one in (self, reference) if one is not None}
            names = [name]
            for group in [one for one in groups if one[0] & servers]:
                groups.remove(group)
                servers, names = servers | group[0], group[1] + names
            groups.append((servers, names))
        return {name: " and ".join(sorted(servers)) for servers, names in groups for name in names}

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

    def given_reference(self, platform: str) -> str | None:
        """What --ddperf-against gives for a platform: a URL, `embedded`, `self` or `ddperf.toml`; None for nothing."""
        urls = cast("Mapping[str, str]", self.value("against"))
        return next((url for name, url in urls.items() if not name or self.catalog.platform(name).id == platform), None)

    def reference_url(self, platform: str) -> str | None:
        """The reference of a platform that is measured in pairs: a URL, `embedded` or `self`; None without one."""
        url = self.given_reference(platform)
        if url != IN_FILE:
            return url
        return self.catalog.platform(platform).against.get("url") or self.url(platform)

    def is_own_reference(self, platform: str) -> bool:
        """Whether a platform's server is its own reference, with a second service."""
        return self.reference_url(platform) == SELF

    def reference(self, platform: str) -> Settings | None:
        """The settings of a platform's reference; None without one.

        A key of [platforms.<id>.against] takes precedence over everything that is given for the server under test.
        Everything else is as for that server.
        """
        url = self.reference_url(platform)
        if url is None:
            return None
        stands = self.catalog.platform(platform)
        if self.is_own_reference(platform):
            url, own = self.url(platform), {"service": f"{self.value('service', platform)}_b"}
        else:
            own = dict(stands.against)
        own["url"] = url
        knobs = {
            model: {key: value for key, value in of_model.items() if key not in own}
            for model, of_model in stands.knobs.items()
        }
        other = stands.with_values({**own, "knobs": knobs}, overridden=stands.overridden | own.keys())
        given = {name: value for name, value in self.given.items() if name.replace("-", "_") not in own}
        catalog = replace(self.catalog, platforms={**self.catalog.platforms, platform: other})
        return replace(self, given=given, catalog=catalog)

    def budget(self, platform: str, model: str, marked: Budget = NO_BUDGET) -> Budget:
        """The absolute limits of a network on a platform.

        Args:
            platform: id of the platform.
            model: id of the network.
            marked: the limits of a test's marker. The command line and the environment take precedence over them,
                and they take precedence over ddperf.toml and the ini file.
        """
        first: dict[str, float] = {}
        last: dict[str, float] = {}
        for name in ("min-fps", "max-ms"):
            if (said := self.given.get(name)) is not None:
                (first if said.origin > Origin.PROJECT else last)[name.replace("-", "_")] = said.value
        of_file = self.catalog.platform(platform).budget_of(model)
        return Budget(**last | dict(of_file.limits()) | dict(marked.limits()) | first)

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
        if schedule is not None and schedule.origin > self.origin("batch-sizes", platform):
            asked = build_batch_schedule(schedule.value, largest or max(asked))
        return tuple(size for size in asked if largest is None or size <= largest)

    def scenarios(self, platform: str) -> tuple[str, ...]:
        """The scenarios to measure for each cell of a platform: "" for plain latency, then the ids of loads."""
        if self.reference_url(platform) is not None:  # pairs are of single requests
            return ("",)
        clients, rates = self.value("concurrency", platform), self.value("rate", platform)
        return "", *list_scenario_ids(clients, rates)

    def origin(self, name: str, platform: str | None = None) -> Origin:
        """Where the value of an option was given, for the whole run or for a platform."""
        said = self.given.get(name)
        stands = platform is not None and name.replace("-", "_") in self.catalog.platform(platform).overridden
        return max(said.origin if said else Origin.DEFAULT, Origin.PROJECT if stands else Origin.DEFAULT)

    def was_given(self, name: str) -> bool:
        """Whether an option was given on the command line, in the environment or in the ini file."""
        return name in self.given

    def was_typed(self, name: str) -> bool:
        """Whether an option was given on the command line, and so for this run only."""
        return self.origin(name) is Origin.COMMAND_LINE

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
        typed = frozenset(name for name, option in options.items() if self.origin(option) > Origin.PROJECT)
        values = {name: self.value(option, platform, model) for name, option in options.items()}
        if "mllib" not in own and self.origin("mllib", platform) is Origin.DEFAULT:
            values["mllib"] = AUTO  # the package's value is the backend of the published table
        return ServiceParameters(
            **values,
            named=typed.union(name for name in options if name in own),
            typed=typed,
        )

    def folder_of(self, name: str, platform: str | None = None) -> Path:
        """The folder to which an option's relative paths refer: the current one, or the project's if set in a file."""
        return self.project_dir if self.origin(name, platform) <= Origin.PROJECT else self.cwd

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
