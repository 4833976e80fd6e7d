"""The catalog of networks and platforms, and the matrix of cells. Pure, standard library only."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_ddperf.core.networks import NETWORK_IDS, OTHER_NETWORKS, REPORT_NETWORKS, TASK_NETWORKS
from pytest_ddperf.core.records import CellKey
from pytest_ddperf.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.platform import Platform


@dataclass(frozen=True, slots=True)
class Catalog:
    """All networks and platforms that are known.

    Args:
        networks: by id, the 13 first, in the report's column order.
        platforms: by id, the report's first.
    """

    networks: Mapping[str, Network]
    platforms: Mapping[str, Platform]

    def model(self, name: str) -> Network:
        """The network of that id or alias.

        Raises:
            ConfigurationError: there is none, or the name does not say which.
        """
        wanted = _plain(name)
        known = {_plain(spelling): one for one in self.networks.values() for spelling in (*one.aliases, one.id)}
        if wanted in known:
            return known[wanted]
        if candidates := self._meant(wanted):
            raise ConfigurationError(
                f"The model {name!r} does not say which is meant: {' or '.join(candidates)}; name one of these."
            )
        raise ConfigurationError(_unknown("model", name, self.networks, known))

    def platform(self, name: str) -> Platform:
        """The platform of that id, in any case.

        Raises:
            ConfigurationError: there is none.
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
        """The networks of the user's own, in the order in which they were named."""
        return tuple(one for one in self.networks.values() if one.is_own)

    def with_models(self, models: Iterable[Network]) -> Catalog:
        """The same with further networks, after those that are known.

        Raises:
            ConfigurationError: one goes by a name that another one has.
        """
        catalog = self
        for one in models:
            if clash := catalog.clash(one):
                raise ConfigurationError(
                    f"The model {one.id} of {one.repository} cannot be told from {clash}: give it another id in "
                    f"ddperf.toml, [models.my-{one.id}] with path = {str(one.path or one.repository)!r}, and name that."
                )
            catalog = Catalog({**catalog.networks, one.id: one}, self.platforms)
        return catalog

    def clash(self, model: Network) -> str:
        """The other network, in words, that goes by the name of `model`; "" where there is none."""
        spelled = {_plain(name): one for one in self.networks.values() for name in (*one.aliases, one.id)}
        other = spelled.get(_plain(model.id), model)
        if other == model:
            return ""
        return f"the model {other.id} of {other.repository if other.is_own else 'the catalogue'}"

    def model_order(self, model: str) -> tuple[int, str]:
        """A sort key: catalogue order, unknown networks last, by name."""
        ids = list(self.networks)
        return (ids.index(model) if model in self.networks else len(ids), model)

    def _meant(self, wanted: str) -> list[str]:
        """The ids that begin so, if they are several; those of the 13 alone where there are any."""
        if not wanted:
            return []
        begun = [one for one in self.networks if _plain(one).startswith(wanted)]
        of_the_report = [one for one in begun if one in NETWORK_IDS]
        chosen = of_the_report or begun
        return chosen if len(chosen) > 1 else []


def build_bare_catalog(platforms: Mapping[str, Platform] | None = None) -> Catalog:
    """The networks without the report's figures: enough to resolve names."""
    return Catalog({one.id: one for one in (*REPORT_NETWORKS, *OTHER_NETWORKS, *TASK_NETWORKS)}, platforms or {})


def find_closest(name: str, spellings: Iterable[str]) -> str | None:
    """The spelling that is most like `name`, None where nothing is like it. Case and punctuation do not matter."""
    by_plain = {_plain(spelling): spelling for spelling in spellings}
    near = difflib.get_close_matches(_plain(name), by_plain, n=1)
    return by_plain[near[0]] if near else None


def build_matrix(
    platforms: Sequence[Platform],
    models: Sequence[str] | None = None,
    batch_sizes: Sequence[int] | None = None,
    scenarios: Sequence[str] = ("",),
) -> list[CellKey]:
    """Every cell once: platform by platform and model by model as given, batch sizes ascending.

    Of a model the cells without a load come first, so that they find a board that is cool.

    Args:
        platforms: which platforms.
        models: ids of networks; None for those of each platform that run by default.
        batch_sizes: images per request; None for those of each platform.
        scenarios: "" for plain latency, and the ids of others, in the order in which they are measured.
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


def _plain(name: str) -> str:
    r"""A spelling without what people write differently: case and `-_. \` (the report escapes its underscores)."""
    return re.sub(r"[-_.\s\\]+", "", name).casefold()


def _unknown(
    what: str, name: str, ids: Iterable[str], spellings: Mapping[str, Network] | Mapping[str, Platform]
) -> str:
    near = difflib.get_close_matches(_plain(name), spellings, n=1)
    hint = f" Did you mean {spellings[near[0]].id}?" if near else ""
    return f"The {what} {name!r} is not known.{hint} The valid ones are {', '.join(ids)}."
