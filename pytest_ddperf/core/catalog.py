"""The catalog of networks and platforms, and the matrix of cells. Pure, standard library only."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from pytest_ddperf.core.networks import (
    NETWORK_IDS,
    OTHER_NETWORKS,
    REPORT_NETWORKS,
    TASK_NETWORKS,
    TEMPLATE_NETWORKS,
    Network,
)
from pytest_ddperf.core.platform import Platform
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Catalog:
    """All known networks and platforms.

    Args:
        networks: by id; the report's 13 first, in the order of its columns.
        platforms: by id; those of the report first.
    """

    networks: Mapping[str, Network]
    platforms: Mapping[str, Platform]

    def model(self, name: str) -> Network:
        """The network with this id or alias.

        Raises:
            ConfigurationError: the name is unknown or ambiguous.
        """
        wanted = _plain(name)
        known = {_plain(spelling): one for one in self.networks.values() for spelling in (*one.aliases, one.id)}
        if wanted in known:
            return known[wanted]
        if candidates := self._meant(wanted):
            raise ConfigurationError(f"The model {name!r} is ambiguous; name one of {', '.join(candidates)}.")
        raise ConfigurationError(_unknown("model", name, self.networks, known))

    def platform(self, name: str) -> Platform:
        """The platform with this id; case and punctuation are ignored.

        Raises:
            ConfigurationError: there is no such platform.
        """
        if name in self.platforms:
            return self.platforms[name]
        known = {_plain(one.id): one for one in self.platforms.values()}
        found = known.get(_plain(name))
        if found is None:
            raise ConfigurationError(_unknown("platform", name, self.platforms, known))
        return found

    def platform_ids(self, names: Iterable[str]) -> list[str]:
        """Ids of the named platforms, each once.

        Raises:
            ConfigurationError: a platform is not known.
        """
        return list(dict.fromkeys(self.platform(name).id for name in names))

    @property
    def own_models(self) -> tuple[Network, ...]:
        """The user's own networks, in the order in which they were named."""
        return tuple(one for one in self.networks.values() if one.is_own)

    def find_platform(self, platform: str) -> Platform:
        """The platform with this id; without facts if it is unknown, like one of a stored run that left ddperf.toml."""
        return self.platforms.get(platform) or Platform(platform, platform, backend="")

    def find_network(self, model: str) -> Network:
        """The network with this id; without figures if it is unknown."""
        return self.networks.get(model) or Network(model, model)

    def platform_title(self, platform: str) -> str:
        """The title of a platform; its id if it is unknown."""
        return self.find_platform(platform).title

    def network_title(self, model: str) -> str:
        """The title of a network; its id if it is unknown."""
        return self.find_network(model).title

    def with_model(self, model: Network) -> Catalog:
        """A copy with a further network after the known ones.

        Raises:
            ConfigurationError: the network has the name of another one.
        """
        if clash := self.clash(model):
            raise ConfigurationError(
                f"The model {model.id} of {model.repository} has the same name as {clash}. Give it another id in "
                f"ddperf.toml, [models.my-{model.id}] with path = {(model.path or model.repository)!r}, and use that."
            )
        return Catalog({**self.networks, model.id: model}, self.platforms)

    def clash(self, model: Network) -> str:
        """Description of another network that has the name of `model`; "" if there is none."""
        spelled = {_plain(name): one for one in self.networks.values() for name in (*one.aliases, one.id)}
        other = spelled.get(_plain(model.id), model)
        if other == model:
            return ""
        return f"the model {other.id} of {other.repository if other.is_own else 'the catalogue'}"

    def model_order(self, model: str) -> tuple[int, str]:
        """Sort key: catalogue order, unknown networks last, by name."""
        ids = list(self.networks)
        return (ids.index(model) if model in self.networks else len(ids), model)

    def _meant(self, wanted: str) -> list[str]:
        """The ids that start with `wanted`, if there are several; only the report's 13 if any of them match."""
        if not wanted:
            return []
        begun = [one for one in self.networks if _plain(one).startswith(wanted)]
        of_the_report = [one for one in begun if one in NETWORK_IDS]
        chosen = of_the_report or begun
        return chosen if len(chosen) > 1 else []


@cache  # sorting cells asks it for the place of each
def build_bare_catalog() -> Catalog:
    """Build a catalog of the networks without the report's figures, which is enough to resolve names."""
    networks = (*REPORT_NETWORKS, *OTHER_NETWORKS, *TEMPLATE_NETWORKS, *TASK_NETWORKS)
    return Catalog({one.id: one for one in networks}, {})


def find_closest(name: str, spellings: Iterable[str]) -> str | None:
    """Find the spelling closest to `name`, ignoring case and punctuation; None if none is close."""
    by_plain = {_plain(spelling): spelling for spelling in spellings}
    near = difflib.get_close_matches(_plain(name), by_plain, n=1)
    return by_plain[near[0]] if near else None


def build_matrix(
    platform: str, models: Iterable[str], batch_sizes: Iterable[int], scenarios: Sequence[str] = ("",)
) -> list[CellKey]:
    """Build the list of a platform's cells: models in the given order, batch sizes ascending.

    The plain-latency cells of a model come before its cells under load, so that the board is cool when they run.

    Args:
        platform: id of the platform.
        models: ids of networks, each once.
        batch_sizes: images per request, each once.
        scenarios: "" for plain latency, and the ids of load scenarios, in measuring order.
    """
    plain, loads = [one for one in scenarios if not one], [one for one in scenarios if one]
    return [
        CellKey(platform, model, batch_size, scenario)
        for model in models
        for group in (plain, loads)
        for batch_size in sorted(batch_sizes)
        for scenario in group
    ]


@cache  # reading the tables compares every name with every spelling
def _plain(name: str) -> str:
    r"""Normalise a name by removing case, spaces and `-_. \` (the report escapes its underscores)."""
    return re.sub(r"[-_.\s\\]+", "", name).casefold()


def _unknown(
    what: str, name: str, ids: Iterable[str], spellings: Mapping[str, Network] | Mapping[str, Platform]
) -> str:
    near = difflib.get_close_matches(_plain(name), spellings, n=1)
    hint = f" Did you mean {spellings[near[0]].id}?" if near else ""
    return f"The {what} {name!r} is not known.{hint} The valid ones are {', '.join(ids)}."
