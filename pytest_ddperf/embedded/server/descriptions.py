"""The description of a service's parameters, as a server returns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_ddperf.embedded.wire import JsonObject


def describe_parameters(given: JsonObject, width: int, height: int, threads: int) -> dict[str, Any]:
    """Return the parameters as a v0.29 server shows them: its defaults, overridden by those given at creation."""
    return {
        "input": {
            "connector": "image",
            "timeout": -1,
            "continuation": False,
            **given["input"],
            "width": width,
            "height": height,
        },
        "mllib": {
            "nclasses": 0,
            "ntargets": 0,
            "segmentation": False,
            "ctc": False,
            "template": "",
            "gpu": False,
            "finetuning": False,
            "datatype": "fp32",
            "extract_layer": "",
            "net": {"test_batch_size": 1},
            "self_supervised": "",
            "embedding_size": 768,
            "freeze_traced": False,
            "loss": "",
            "timesteps": -1,
            "multi_label": False,
            "concurrent_predict": False,
            "forward_method": "",
            "calibration": False,
            "lightmode": True,
            "inputBlob": "data",
            **given["mllib"],
            "gpuid": 0,
            "threads": threads,
        },
        "output": {
            "store_config": False,
            "bbox": False,
            "keypoints": False,
            "ctc": False,
            "confidence_threshold": 0.0,
            "keypoint_threshold": 0.05,
            "best_bbox": -1,
            "nms_threshold": 0.45,
            "top_k": -1,
            "image": False,
            "measure": [],
            "binarized": False,
            "bool_binarized": False,
            "string_binarized": False,
            "index": False,
            "build_index": False,
            "search": False,
            "index_gpu": False,
            "blank_label": -1,
            "regression": False,
            **given["output"],
        },
    }
