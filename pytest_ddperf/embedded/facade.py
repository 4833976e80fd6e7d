"""What the commands use of the extra `embedded`: network costs and the reader of .onnx files.

If the extra is not installed, each function raises an error that says how to install it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_ddperf.embedded.launch import require_extra

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_ddperf.core.network_cost import Cost
    from pytest_ddperf.embedded.networks.onnx_files import OnnxNet


def compute_network_costs() -> dict[str, Cost]:
    """Return the costs of the 13 networks, by id, counted in the graphs that the embedded server runs.

    Raises:
        ConfigurationError: the embedded server's packages are not installed.
    """
    require_extra()
    from pytest_ddperf.embedded.networks.cost import compute_cost  # noqa: PLC0415 - an optional extra
    from pytest_ddperf.embedded.networks.networks import NETWORK_IDS, build  # noqa: PLC0415 - an optional extra

    return {name: compute_cost(build(name).model) for name in NETWORK_IDS}


def read_onnx(path: Path) -> OnnxNet:
    """Read the description of a network from an .onnx file.

    Raises:
        ModelFileError: the file is not an ONNX model.
        ConfigurationError: the embedded server's packages are not installed.
    """
    require_extra()
    from pytest_ddperf.embedded.networks.onnx_files import read_onnx as read  # noqa: PLC0415 - an optional extra

    return read(path)
