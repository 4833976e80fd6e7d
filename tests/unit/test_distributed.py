from __future__ import annotations

import pytest

from pytest_ddperf.distributed import CellNames
from pytest_ddperf.records import CellKey

NAMES = CellNames(("tk1", "tx2", "tx2-tensorrt", "my.board"), ("resnet50", "squeezenet_v1.1", "my", "my-net"))


@pytest.mark.parametrize(
    ("nodeid", "key"),
    [
        ("b/test_p.py::test_predict[tk1-resnet50-b8]", CellKey("tk1", "resnet50", 8)),
        ("b/test_p.py::TestA::test_b[tk1-squeezenet_v1.1-b128]", CellKey("tk1", "squeezenet_v1.1", 128)),
        ("b/test_p.py::test_predict[tx2-tensorrt-resnet50-b1]", CellKey("tx2-tensorrt", "resnet50", 1)),
        ("b/test_p.py::test_predict[tx2-resnet50-b1]", CellKey("tx2", "resnet50", 1)),
        ("b/test_p.py::test_predict[my.board-resnet50-b1]", CellKey("my.board", "resnet50", 1)),
        ("b/test_p.py::test_predict[tk1-resnet50-b8-c4]", CellKey("tk1", "resnet50", 8, "c4")),
        ("b/test_p.py::test_predict[tk1-resnet50-b8-r0.5]", CellKey("tk1", "resnet50", 8, "r0.5")),
        ("b/test_p.py::test_predict[tk1-resnet50-b8-r20-yours]", CellKey("tk1", "resnet50", 8, "r20")),
        ("b/test_p.py::test_predict[tk1-my-net-b8]", CellKey("tk1", "my-net", 8)),
        ("b/test_p.py::test_predict[tk1-my-b8-c4]", CellKey("tk1", "my", 8, "c4")),
        ("b/test_p.py::test_predict[mine-tk1-resnet50-b8-yours]", CellKey("tk1", "resnet50", 8)),
        ("b/test_p.py::test_predict[tk1-resnet50-b8]@group", CellKey("tk1", "resnet50", 8)),
        ("b/test_p.py::test_predict[tk1-tk1-resnet50-b8]", CellKey("tk1", "resnet50", 8)),
    ],
)
def test_a_cell_is_known_by_its_node_id(nodeid: str, key: CellKey) -> None:
    assert NAMES.key(nodeid) == key


@pytest.mark.parametrize(
    "nodeid",
    [
        "test_x.py::test_plain",
        "test_x.py::test_x[myxboard-resnet50-b1]",
        "test_x.py::test_x[nano-resnet50-b1]",
        "test_x.py::test_x[tk1-resnet51-b1]",
        "test_x.py::test_x[tk1-resnet50-bx]",
        "test_x.py::test_x[no-cell]",
    ],
)
def test_any_other_test_is_none(nodeid: str) -> None:
    assert NAMES.key(nodeid) is None
