"""Exchanges recorded from three real DeepDetect servers, and a responder that plays them back.

with ScriptedServer(Replay(load("ncnn-v0.29"))) as server: ...
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripted_server import Reply, Request

DATA = Path(__file__).parent.parent / "data"
RECORDINGS = ("ncnn-v0.29", "caffe-v0.28", "torch-v0.29")
_CUT_LIST = re.compile(r"\.\.\.\[(\d+) items\]")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A recorded request and its answer.

    Args:
        name: unique in its recording.
        body: body of the request: decoded JSON, text that is not JSON, or None.
        status: HTTP status; None if the server closed the connection without an answer.
        answer: decoded JSON, "" for an empty body, None without an answer.
    """

    name: str
    method: str
    path: str
    headers: dict[str, str]
    body: Any
    status: int | None
    reason: str
    answer_headers: dict[str, str]
    answer: Any

    @property
    def content(self) -> bytes | None:
        """Return the request's body as it was sent, except for parts that the recording cut."""
        if self.body is None:
            return None
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()

    def reply(self) -> Reply:
        """Return the answer as it was sent; lists that the recording cut have their original length."""
        if self.status is None:
            return Reply(drop=True)
        kept = {name: value for name, value in self.answer_headers.items() if name in {"Server", "Content-Type"}}
        return Reply(
            self.status,
            b"" if self.answer == "" else _mended(self.answer),
            headers=kept,
            reason=self.reason,
            close=self.answer_headers.get("Connection") == "close",
            compressible=True,
        )


def load(recording: str) -> list[Exchange]:
    """Load the exchanges of one server, in their original order."""
    recorded = json.loads((DATA / f"transcripts-{recording}.json").read_text(encoding="utf-8"))
    return [_exchange(one) for one in recorded]


class Replay:
    """Answers a request with its recorded answer.

    A request that was recorded several times gets the answers in order, and then always the last one. If no recorded
    request is equal, a predict body matches by the file names of its images, whatever their folder; the recording cuts
    base64 images, so those match by their beginning. A request that was never recorded is answered with 501 and added
    to `unmatched`.
    """

    def __init__(self, exchanges: list[Exchange]) -> None:
        self.unmatched: list[Request] = []
        self._exchanges = exchanges
        self._given: dict[tuple[int, ...], int] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Reply:
        body = _body(request)
        near = [
            number
            for number, one in enumerate(self._exchanges)
            if (one.method, one.path) == (request.method, request.path)
        ]
        exact = [number for number in near if self._exchanges[number].body == body]
        matching = tuple(exact or [number for number in near if _alike(self._exchanges[number].body, body)])
        with self._lock:
            if not matching:
                self.unmatched.append(request)
                return Reply(501, {"status": {"code": 501, "msg": f"not recorded: {request.method} {request.path}"}})
            turn = self._given.get(matching, 0)
            self._given[matching] = turn + 1
        return self._exchanges[matching[min(turn, len(matching) - 1)]].reply()


def _exchange(recorded: dict[str, Any]) -> Exchange:
    request, response = recorded["request"], recorded.get("response", {})
    return Exchange(
        name=recorded["name"],
        method=request["method"],
        path=request["path"],
        headers=request["headers"],
        body=_decoded(request["body"]),
        status=response.get("status"),
        reason=response.get("reason", ""),
        answer_headers=response.get("headers", {}),
        answer=response.get("body"),
    )


def _body(request: Request) -> object:
    """Return a request's body as in the recording: decoded JSON, other text unchanged, None for no body."""
    if not request.body:
        return "" if "content-length" in request.headers and request.method in {"PUT", "POST"} else None
    return _decoded(request.body.decode(errors="replace"))


def _decoded(body: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Decode a text that is JSON; one recording contains the text of requests that are not objects."""
    try:
        return json.loads(body) if isinstance(body, str) else body
    except ValueError:
        return body


def _alike(recorded: object, asked: object) -> bool:
    if not recorded and not asked and not isinstance(recorded, (dict, list)):
        return True  # "" or None: both mean an empty body
    if not (isinstance(recorded, dict) and isinstance(asked, dict)):
        return False
    old, new = recorded.get("data"), asked.get("data")
    rest = {**recorded, "data": None} == {**asked, "data": None}
    if not (rest and isinstance(old, list) and isinstance(new, list) and len(old) == len(new)):
        return False
    return all(
        isinstance(one, str) and isinstance(two, str) and _same_image(one, two)
        for one, two in zip(old, new, strict=True)
    )


def _same_image(recorded: str, asked: str) -> bool:
    begun, cut, _ = recorded.partition("...")
    if cut:
        return asked.startswith(begun)
    return "." in recorded and recorded.rpartition("/")[2] == asked.rpartition("/")[2]


def _mended(answer: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """Restore the length of every list in an answer: `[a, b, c, "...[1000 items]"]` gets 997 classes, or zeros."""
    if isinstance(answer, dict):
        return {key: _mended(value) for key, value in answer.items()}
    if not isinstance(answer, list):
        return answer
    cut = _CUT_LIST.fullmatch(answer[-1]) if answer and isinstance(answer[-1], str) else None
    if cut is None:
        return [_mended(one) for one in answer]
    kept = answer[:-1]
    if kept and isinstance(kept[0], float):
        return [*kept, *[0.0] * (int(cut[1]) - len(kept))]
    further = range(len(kept), int(cut[1]))
    filled = [{"prob": 0.0, "cat": f"n1{number:07d} class_{number}"} for number in further]
    return [*kept, *filled[:-1], {"last": True, **filled[-1]}]
