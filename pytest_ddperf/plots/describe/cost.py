"""Cost of the networks: multiply-adds and parameters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import common
from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.networks import Network

SMALL_GIGA_FLOPS = 2.0
SMALL_MILLION_PARAMS = 10.0
"""A small network is below both limits. Of the report's 13 networks, these are the ones that it finds suited for
embedded systems: SqueezeNet, ShuffleNet, MobileNet and GoogLeNet."""


def list_networks_with_cost(catalog: Catalog) -> tuple[Network, ...]:
    """Return the networks whose cost is known, in the order of the catalogue."""
    return tuple(
        one for one in catalog.networks.values() if one.giga_flops is not None and one.million_params is not None
    )


def is_small(network: Network) -> bool:
    """Whether a network is below both `SMALL_GIGA_FLOPS` and `SMALL_MILLION_PARAMS`."""
    flops, params = network.giga_flops, network.million_params
    return flops is not None and params is not None and flops < SMALL_GIGA_FLOPS and params < SMALL_MILLION_PARAMS


def cost_chart(catalog: Catalog, *, small: bool) -> BarChart | None:
    """Describe GFLOPs and parameters of all networks or only the small ones; None if no cost is known."""
    chosen = sorted(
        (one for one in list_networks_with_cost(catalog) if is_small(one) or not small), key=_flops, reverse=True
    )
    if not chosen:
        return None
    rule = f"under {SMALL_GIGA_FLOPS:g} GFLOPs per image and under {SMALL_MILLION_PARAMS:g} million parameters"
    text = Text(
        "Cost of the small networks" if small else "Cost of the networks",
        rule if small else "one image, forward",
        ("Source: the report's table of flops and parameters. GFLOPs: 10\u2079 multiply-adds, as counted there.",),
    )
    return BarChart(text, _rows(catalog, chosen), _panels(chosen))


def _panels(networks: Iterable[Network]) -> tuple[BarPanel, ...]:
    shown = list(networks)
    return (
        BarPanel("GFLOPs per image", (Bars("", tuple(one.giga_flops for one in shown)),)),
        BarPanel("parameters, millions", (Bars("", tuple(one.million_params for one in shown)),)),
    )


def _rows(catalog: Catalog, networks: Iterable[Network]) -> tuple[tuple[str, str], ...]:
    return tuple((one.id, common.title_of(catalog, one.id)) for one in networks)


def _flops(network: Network) -> float:
    return network.giga_flops or 0.0
