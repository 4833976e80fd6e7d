"""The 13 networks of the report, built in code as ONNX graphs."""

from __future__ import annotations

NETWORK_IDS = (
    "mobilenet",
    "mobilenet_depthwise",
    "resnet50",
    "resnet101",
    "resnet152",
    "googlenet",
    "densenet121",
    "densenet201",
    "squeezenet_v1.0",
    "squeezenet_v1.1",
    "vgg16",
    "vgg19",
    "shufflenet",
)
"""The networks, in the order of the report's columns."""
