"""Answers of a scripted server to tasks other than classification, in DeepDetect's format."""

from __future__ import annotations

from typing import Any

BOX = {"xmin": 12.5, "ymin": 8.0, "xmax": 101.25, "ymax": 77.75}
NEIGHBOURS = [{"uri": "/srv/indexed/1.jpg", "dist": 0.25}, {"uri": "/srv/indexed/2.jpg", "dist": 3.5}]
MASK_SIZE = {"width": 4, "height": 3}


def by_task(uri: str, parameters: dict[str, Any], classified: dict[str, Any]) -> dict[str, Any]:
    """Return the prediction for one image, according to the requested task.

    Args:
        uri: uri of the image.
        parameters: parameters of the request.
        classified: the answer if only classes are requested.
    """
    output = parameters.get("output", {})
    if parameters.get("input", {}).get("segmentation"):
        pixels = MASK_SIZE["width"] * MASK_SIZE["height"]
        return {"uri": uri, "imgsize": MASK_SIZE, "vals": [float(pixel % 3) for pixel in range(pixels)]}
    if output.get("regression"):
        return {"uri": uri, "vector": [{"cat": "age", "val": 41.5, "last": True}]}
    if output.get("ctc"):
        return {"uri": uri, "classes": [{"prob": 1.0, "cat": "rue de rivoli", "last": True}]}
    detected = {"prob": 0.9, "cat": "face", "last": True}
    if output.get("multibox_rois"):
        return {"uri": uri, "classes": [detected], "nns": NEIGHBOURS}
    if output.get("rois"):
        return {"uri": uri, "rois": [{**detected, "bbox": BOX, "vals": [0.5, 0.25], "nns": NEIGHBOURS}]}
    if output.get("bbox"):
        classified = {"uri": uri, "classes": [{**detected, "bbox": BOX}]}
    return {**classified, "nns": NEIGHBOURS} if output.get("search") else classified
