"""Requests that kill or wedge a DeepDetect server, or that it answers with nonsense. No run sends one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from scripted_server import Request

_SERVICES = "/services/"
_DEFAULT_CLASSES = 1000


class HarmWatch:
    """Watches the requests to servers.

    Attributes:
        found: the harmful requests so far, with the reason.
    """

    def __init__(self) -> None:
        self.found: list[str] = []
        self._classes: dict[str, int] = {}

    def note(self, request: Request) -> None:
        """Check one request."""
        if reasons := self.find_harm(request.method, request.path, request.body):
            self.found.append(f"{request.method} {request.path}: {', '.join(reasons)}")

    def find_harm(self, method: str, path: str, content: bytes) -> list[str]:
        """Return why a request is harmful; empty if it is not."""
        where = urlsplit(path)
        if method == "DELETE":
            return [f"deletes files: {where.query}"] if "clear" in where.query else []
        if method in {"PUT", "POST"} and where.path.startswith(_SERVICES):
            return self._find_in_creation(where.path.removeprefix(_SERVICES).lower(), _decoded(content))
        return self._find_in_prediction(_decoded(content)) if where.path.endswith("/predict") else []

    def _find_in_creation(self, name: str, body: Any) -> list[str]:  # noqa: ANN401 - JSON
        if not isinstance(body, dict):
            return ["not an object"]
        found = ["named as the log"] if name == "api" else []
        if not (isinstance(body.get("mllib"), str) and body["mllib"]):
            found.append("no mllib")
        if not isinstance(body.get("parameters"), dict):
            return [*found, "no parameters"]
        if not isinstance(_get(body, "input").get("connector"), str):
            found.append("no connector")
        classes = _get(body, "mllib").get("nclasses", _DEFAULT_CLASSES)
        if not (type(classes) is int and classes >= 0):
            found.append(f"nclasses {classes!r}")
        self._classes[name] = classes or _DEFAULT_CLASSES
        return [*found, *_find_in_parameters(body)]

    def _find_in_prediction(self, body: Any) -> list[str]:  # noqa: ANN401 - JSON
        if not (isinstance(body, dict) and isinstance(body.get("service"), str)):
            return ["no service"]
        best = _get(body, "output").get("best", 1)
        classes = self._classes.get(body["service"].lower(), _DEFAULT_CLASSES)
        found = [] if type(best) is int and 1 <= best <= classes else [f"best {best!r} of {classes}"]
        images, net = len(body.get("data", ())), _get(body, "mllib").get("net", {})
        if net and net.get("test_batch_size") != images:
            found.append(f"net {net} for {images} images")
        return [*found, *_find_in_parameters(body)]


def _find_in_parameters(body: Any) -> list[str]:  # noqa: ANN401 - JSON
    gpuid, scale = _get(body, "mllib").get("gpuid", 0), _get(body, "input").get("scale", 1.0)
    found = [] if type(gpuid) is int and gpuid >= -1 else [f"gpuid {gpuid!r}"]
    return found if type(scale) is float else [*found, f"scale {scale!r}"]


def _get(body: Any, section: str) -> dict[str, Any]:  # noqa: ANN401 - JSON
    found = body["parameters"].get(section, {}) if isinstance(body.get("parameters"), dict) else {}
    return found if isinstance(found, dict) else {}


def _decoded(content: bytes) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(content)
    except ValueError:
        return None
