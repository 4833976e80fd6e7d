"""What the commands use of the extra `embedded`: network costs, the reader of .onnx files and a check for the extra.

If the extra is not installed, each function raises an error that says how to install it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_ddperf.embedded import launch

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.embedded.networks import onnx_files


def require_embedded() -> None:
    """Check that the embedded server can run here.

    Raises:
        ConfigurationError: the embedded server's packages are not installed.
    """
    launch.require_extra()


@dataclass(frozen=True, slots=True)
class NetworkCost:
    """The cost of one image, counted in the graph that the embedded server runs.

    Args:
        giga_flops_text: giga multiply-adds, as the report prints them.
        million_params_text: millions of parameters, as the report prints them.
        true_multiply_adds: multiply-adds including those of the depthwise layers, which the report omits.
        parameters: number of parameters.
    """

    giga_flops_text: str
    million_params_text: str
    true_multiply_adds: int
    parameters: int


def compute_network_costs() -> dict[str, NetworkCost]:
    """Return the costs of the 13 networks, by id.

    Raises:
        ConfigurationError: the embedded server's packages are not installed.
    """
    require_embedded()
    from pytest_ddperf.embedded.networks.cost import compute_cost  # noqa: PLC0415 - an optional extra
    from pytest_ddperf.embedded.networks.networks import NETWORK_IDS, build  # noqa: PLC0415 - an optional extra

    counted = {name: compute_cost(build(name).model) for name in NETWORK_IDS}
    return {
        name: NetworkCost(one.giga_flops_text, one.million_params_text, one.true_multiply_adds, one.parameters)
        for name, one in counted.items()
    }


OnnxNet: TypeAlias = "onnx_files.OnnxNet"


def read_onnx(path: Path) -> OnnxNet:
    """Read the description of a network from an .onnx file.

    Raises:
        ModelFileError: the file is not an ONNX model.
        ConfigurationError: the embedded server's packages are not installed.
    """
    require_embedded()
    from pytest_ddperf.embedded.networks.onnx_files import read_onnx as read  # noqa: PLC0415 - an optional extra

    return read(path)
