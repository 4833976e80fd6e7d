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
)
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform


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

    @property
    def own_models(self) -> tuple[Network, ...]:
        """The user's own networks, in the order in which they were named."""
        return tuple(one for one in self.networks.values() if one.is_own)

    def with_models(self, models: Iterable[Network]) -> Catalog:
        """A copy with further networks after the known ones.

        Raises:
            ConfigurationError: a network has the name of another one.
        """
        catalog = self
        for one in models:
            if clash := catalog.clash(one):
                raise ConfigurationError(
                    f"The model {one.id} of {one.repository} has the same name as {clash}. Give it another id in "
                    f"ddperf.toml, [models.my-{one.id}] with path = {str(one.path or one.repository)!r}, and use that."
                )
            catalog = Catalog({**catalog.networks, one.id: one}, self.platforms)
        return catalog

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


def build_bare_catalog(platforms: Mapping[str, Platform] | None = None) -> Catalog:
    """Build a catalog of the networks without the report's figures, which is enough to resolve names."""
    networks = (*REPORT_NETWORKS, *OTHER_NETWORKS, *TEMPLATE_NETWORKS, *TASK_NETWORKS)
    return Catalog({one.id: one for one in networks}, platforms or {})


def find_closest(name: str, spellings: Iterable[str]) -> str | None:
    """Find the spelling closest to `name`, ignoring case and punctuation; None if none is close."""
    by_plain = {_plain(spelling): spelling for spelling in spellings}
    near = difflib.get_close_matches(_plain(name), by_plain, n=1)
    return by_plain[near[0]] if near else None


def build_matrix(
    platforms: Sequence[Platform],
    models: Sequence[str] | None = None,
    batch_sizes: Sequence[int] | None = None,
    scenarios: Sequence[str] = ("",),
) -> list[CellKey]:
    """Build the list of cells without duplicates: platforms and models in the given order, batch sizes ascending.

    The plain-latency cells of a model come before its cells under load, so that the board is cool when they run.

    Args:
        platforms: the platforms.
        models: ids of networks; None for the default networks of each platform.
        batch_sizes: images per request; None for those of each platform.
        scenarios: "" for plain latency, and the ids of load scenarios, in measuring order.
    """
    plain, loads = [one for one in scenarios if not one], [one for one in scenarios if one]
    cells = [
        CellKey(platform.id, model, batch_size, scenario)
        for platform in platforms
        for model in (platform.default_models if models is None else models)
        for group in (plain, loads)
        for batch_size in sorted(platform.batch_sizes if batch_sizes is None else batch_sizes)
        for scenario in group
    ]
    return list(dict.fromkeys(cells))


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
