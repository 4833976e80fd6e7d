"""Cost of the networks: multiply-adds and parameters. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.plots.describe import names
from pytest_ddperf.plots.describe.charts import BarChart, BarPanel, Bars, Text

if TYPE_CHECKING:
    from pytest_ddperf.core.catalog import Catalog
    from pytest_ddperf.core.networks import Network

SMALL_GIGA_FLOPS = 2.0
SMALL_MILLION_PARAMS = 10.0
"""A small network is below both limits. Of the report's 13 networks, these are the ones that it finds suited for
embedded systems: SqueezeNet, ShuffleNet, MobileNet and GoogLeNet."""


def cost_charts(catalog: Catalog) -> dict[str, BarChart]:
    """Return the charts of all networks and of the small ones, by file name."""
    return {names.COST_ALL: cost_chart(catalog, small=False), names.COST_SMALL: cost_chart(catalog, small=True)}


def is_small(network: Network) -> bool:
    """Whether a network is below both `SMALL_GIGA_FLOPS` and `SMALL_MILLION_PARAMS`."""
    flops, params = network.giga_flops, network.million_params
    return flops is not None and params is not None and flops < SMALL_GIGA_FLOPS and params < SMALL_MILLION_PARAMS


def cost_chart(catalog: Catalog, *, small: bool) -> BarChart:
    """Describe GFLOPs and parameters of all networks or only the small ones, of those with known cost."""
    known = [one for one in catalog.networks.values() if one.giga_flops is not None and one.million_params is not None]
    chosen = sorted(
        (one for one in known if is_small(one) or not small), key=lambda one: one.giga_flops or 0.0, reverse=True
    )
    rule = f"under {SMALL_GIGA_FLOPS:g} GFLOPs per image and under {SMALL_MILLION_PARAMS:g} million parameters"
    text = Text(
        "Cost of the small networks" if small else "Cost of the networks",
        rule if small else "one image, forward",
        ("Source: the report's table of flops and parameters. GFLOPs: 10\u2079 multiply-adds, as counted there.",),
    )
    panels = (
        BarPanel("GFLOPs per image", (Bars("", tuple(one.giga_flops for one in chosen)),)),
        BarPanel("parameters, millions", (Bars("", tuple(one.million_params for one in chosen)),)),
    )
    return BarChart(text, tuple((one.id, one.title) for one in chosen), panels)
