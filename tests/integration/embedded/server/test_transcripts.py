"""Every exchange recorded from two real servers, made again with the embedded one, in the same order, over a socket."""

from __future__ import annotations

import base64
import gzip
import http.client
import http.server
import json
import re
import shutil
import threading
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from pytest_ddperf.embedded import launch

if TYPE_CHECKING:
    from collections.abc import Callable

Json = Any
"""Any JSON value."""

DATA = Path(__file__).resolve().parents[3] / "data"
TRANSCRIPTS = {"v0.29": DATA / "transcripts-ncnn-v0.29.json", "v0.28": DATA / "transcripts-caffe-v0.28.json"}
EXCHANGES = {version: json.loads(path.read_text()) for version, path in TRANSCRIPTS.items()}

OWN_TEXT = "..."

BOTH = "both"
DIFFERENCES: dict[tuple[str, str], tuple[dict[str, Any], str]] = {
    # (version, exchange): the `status` that the embedded server answers instead ("...": a text of its own), and why
    ("v0.29", "put_missing_mllib"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 400, "dd_msg": OWN_TEXT},
        "the real one dies",
    ),
    ("v0.29", "put_missing_parameters"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 400, "dd_msg": OWN_TEXT},
        "the real one dies",
    ),
    ("v0.29", "put_json_array"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 400, "dd_msg": OWN_TEXT},
        "the real one dies",
    ),
    ("v0.29", "predict_missing_service"): ({"code": 400, "msg": "BadRequest"}, "the real one dies"),
    ("v0.28", "put_missing_mllib"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 400, "dd_msg": OWN_TEXT},
        "`false` helps nobody",
    ),
    ("v0.28", "put_missing_parameters"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 400, "dd_msg": OWN_TEXT},
        "`false` helps nobody",
    ),
    ("v0.28", "put_json_array"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 400, "dd_msg": OWN_TEXT},
        "`IsObject()` is a piece of its source",
    ),
    (BOTH, "put_repo_empty"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 1006, "dd_msg": OWN_TEXT},
        "another kind of model file is missing; refused at once, as v0.29, where Caffe fails at every prediction",
    ),
    ("v0.28", "predict_on_empty_repo_service"): (
        {"code": 404, "msg": "NotFound", "dd_code": 1002, "dd_msg": "Service Not Found"},
        "as v0.29: it was not created",
    ),
    ("v0.28", "delete_empty_repo_service"): ({"code": 404, "msg": "NotFound"}, "as v0.29: it was not created"),
    ("v0.28", "put_missing_nclasses"): ({"code": 201, "msg": "Created"}, "as v0.29: the network knows its classes"),
    ("v0.28", "delete_noncls"): ({"code": 200, "msg": "OK"}, "as v0.29: it was created"),
    ("v0.29", "predict_size_224"): (
        {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": OWN_TEXT},
        "as v0.28: the networks take one size; NCNN loads them again",
    ),
    ("v0.28", "predict_size_224"): (
        {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": OWN_TEXT},
        "its text is a line of its source",
    ),
    (BOTH, "put_template_none_repo_create"): (
        {"code": 400, "msg": "BadRequest", "dd_code": 1006, "dd_msg": OWN_TEXT},
        "no folder is created; the real ones do, and v0.29 then finds it empty",
    ),
    ("v0.28", "delete_created"): ({"code": 404, "msg": "NotFound"}, "as v0.29: it was not created"),
}

NOT_IN_THE_REAL_ONE = {
    "v0.29": set[str](),
    # as v0.29 shows them
    "v0.28": {"keypoints", "keypoint_threshold"},
}
NOT_IN_THE_EMBEDDED_ONE = {
    "params",  # told once the network is loaded, where Caffe reads it at creation, and counts it twice later
    "data_mem_test",  # Caffe's own
}
BODY_DIFFERS = {
    # as with DIFFERENCES; what is compared of these is the status alone
    ("v0.28", "predict_best_missing"): "all classes without `best`, as v0.29; Caffe answers one",
    ("v0.28", "predict_no_parameters"): "likewise",
    ("v0.28", "predict_empty_parameters"): "likewise",
    (BOTH, "predict_confidence_threshold"): "drawn weights are never sure enough of a class for 0.999",
    (BOTH, "predict_directory"): "its text file is no image; the real ones name it in place of one",
    ("v0.28", "predict_measure"): "predictions, as v0.29; Caffe answers none",
}
# Not compared at all: reason phrases (a real server sends most of them empty), the header Server, probabilities, times.


@dataclass(frozen=True)
class Made:
    """An exchange made with the embedded server, and what the real one answered, its paths replaced."""

    status: int
    headers: dict[str, str]
    content: bytes
    expected: Any

    @property
    def body(self) -> Json:
        content = self.content
        if self.headers.get("content-encoding") == "gzip":
            content = gzip.decompress(content)
        elif self.headers.get("content-encoding") == "deflate":
            content = zlib.decompress(content)
        return json.loads(content) if content else ""


class Replay:
    """The folders of the recorded server, rebuilt, and its requests, made again."""

    def __init__(self, root: Path, version: str) -> None:
        self.version = version
        self.root = root / "srv"
        self._make_images()
        (self.root / "models" / "empty").mkdir(parents=True)
        handler = partial(_QuietHandler, directory=str(self.root / "bench"))
        self._files = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._files.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._files.shutdown()
        self._files.server_close()
        shutil.rmtree(self.root)

    def run(self, url: str) -> dict[str, Made]:
        made = {}
        for exchange in EXCHANGES[self.version]:
            host, port = url.removeprefix("http://").split(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=60)
            request = exchange["request"]
            body, headers = self._body(exchange), dict(request["headers"])
            connection.putrequest(request["method"], request["path"], skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            recorded = exchange.get("response")
            made[exchange["name"]] = Made(
                answer.status, got, answer.read(), None if recorded is None else self._mapped(recorded)
            )
            connection.close()
        return made

    def _make_images(self) -> None:
        for folder in ("bench", "special"):
            (self.root / folder).mkdir(parents=True)
        draw = np.random.default_rng(1)
        pictures = [Image.fromarray(draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)) for _ in range(32)]
        for index, picture in enumerate(pictures):
            picture.save(self.root / "bench" / f"img_{index:02d}.jpg")
        special = self.root / "special"
        pictures[0].convert("L").save(special / "gray.jpg")
        pictures[0].convert("RGBA").save(special / "rgba.png")
        content = (self.root / "bench" / "img_00.jpg").read_bytes()
        (special / "truncated.jpg").write_bytes(content[: len(content) // 2])
        (special / "not_an_image.jpg").write_text("this is no image\n")
        (special / "empty.jpg").write_bytes(b"")

    def _body(self, exchange: dict[str, Any]) -> bytes | None:
        body = exchange["request"]["body"]
        if exchange["request"]["headers"].get("Content-Encoding") == "gzip":  # its bytes do not survive the recording
            same = next(other for other in EXCHANGES[self.version] if other["name"] == "predict_second")
            return gzip.compress(self._body(same) or b"")
        if body is None or isinstance(body, str):
            return None if body is None else body.encode()
        return json.dumps(self._mapped(body)).encode()

    def _mapped(self, value: Json, key: str = "") -> Json:
        """A recorded value, with the folders, the port, the images and the input size of here."""
        if isinstance(value, dict):
            return {name: self._mapped(entry, name) for name, entry in value.items()}
        if isinstance(value, list):
            return [self._mapped(entry) for entry in value]
        if key in ("width", "height"):  # the recorded network takes 227 pixels, this one 224
            return {227: 224, 224: 227}.get(value, value)
        return self._mapped_text(value) if isinstance(value, str) else value

    def _mapped_text(self, text: str) -> str:
        picture = base64.b64encode((self.root / "bench" / "img_07.jpg").read_bytes()).decode()
        if cut := re.match(r"(data:.*,)?/9j/.*\[\d+ characters]$", text):
            return (cut[1] or "") + picture
        if "exist: data:image/jpeg;base64,/9j/" in text:
            return text[: text.index("/9j/")] + picture[:174] + "..."
        text = re.sub(r"/srv/models/(ncnn|caffe)/squeezenet", "shufflenet", text)
        text = re.sub(r"127\.0\.0\.1:\d{5}", f"127.0.0.1:{self._files.server_port}", text)
        return re.sub(r"/srv(?=/)", str(self.root), text)


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base's name
        pass


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Made]]:
    answers = {}
    for version in TRANSCRIPTS:
        replay = Replay(tmp_path_factory.mktemp(version), version)
        root = replay.root
        with launch.start(data_dir=root, model_dir=root / "models", threads=2) as server:
            answers[version] = replay.run(server.url)
        replay.close()
    return answers


def _difference(version: str, name: str) -> tuple[dict[str, Any] | None, str]:
    return DIFFERENCES.get((version, name)) or DIFFERENCES.get((BOTH, name)) or (None, "")


def _has_other_body(version: str, name: str) -> bool:
    return (version, name) in BODY_DIFFERS or (BOTH, name) in BODY_DIFFERS


def _cases(wanted: Callable[[str, dict[str, Any]], bool] = lambda _version, _exchange: True) -> pytest.MarkDecorator:
    cases = [(version, one["name"]) for version in TRANSCRIPTS for one in EXCHANGES[version] if wanted(version, one)]
    return pytest.mark.parametrize(("version", "name"), cases, ids=[f"{version}-{name}" for version, name in cases])


def _like(version: str, exchange: dict[str, Any]) -> bool:
    name = exchange["name"]
    return _difference(version, name)[0] is None and not _has_other_body(version, name)


def _predicted(version: str, exchange: dict[str, Any]) -> bool:
    body = exchange.get("response", {}).get("body", {})
    return _like(version, exchange) and "predictions" in (body and body.get("body", {}))


@_cases()
def test_the_status_is_the_recorded_one(replayed: dict[str, dict[str, Made]], version: str, name: str) -> None:
    made = replayed[version][name]
    expected, _why = _difference(version, name)
    if expected is not None:
        assert made.status == expected["code"]
        status = made.body["status"]
        assert {**status, **({"dd_msg": OWN_TEXT} if expected.get("dd_msg") == OWN_TEXT else {})} == expected
        return
    assert made.status == made.expected["status"]
    if made.expected["body"]:
        assert made.body.get("status") == made.expected["body"].get("status")
    else:
        assert made.content == b""


@_cases(_like)
def test_the_body_has_the_recorded_shape(replayed: dict[str, dict[str, Made]], version: str, name: str) -> None:
    made = replayed[version][name]
    assert _shape(made.body, version) == _shape(made.expected["body"], version)


@_cases(lambda _version, exchange: "response" in exchange)
def test_the_headers_are_the_recorded_ones(replayed: dict[str, dict[str, Made]], version: str, name: str) -> None:
    made = replayed[version][name]
    recorded = {key.lower(): value for key, value in made.expected["headers"].items()}
    for header in ("content-type", "content-encoding", "transfer-encoding"):
        assert made.headers.get(header) == recorded.get(header)
    assert ("close" in made.headers.get("connection", "")) == (recorded["connection"] == "close")


@_cases(_predicted)
def test_the_same_images_are_answered(replayed: dict[str, dict[str, Made]], version: str, name: str) -> None:
    made = replayed[version][name]
    recorded = made.expected["body"]["body"]["predictions"]
    got = made.body["body"]["predictions"]
    assert {prediction["uri"] for prediction in got} == {prediction["uri"] for prediction in recorded}
    assert len(got) == len(recorded)


def test_predictions_are_counted_as_the_real_server_counts_them(replayed: dict[str, dict[str, Made]]) -> None:
    counts = ("predict_count", "predict_success", "predict_failure", "inference_count", "avg_batch_size")
    made = replayed["v0.28"]["get_service_final"]  # v0.29 died before, and counted anew
    got, recorded = (answer["body"]["service_stats"] for answer in (made.body, made.expected["body"]))
    assert [got[count] for count in counts] == pytest.approx([recorded[count] for count in counts])


def test_every_difference_is_one() -> None:
    names = {exchange["name"] for exchange in EXCHANGES["v0.29"]}
    assert {name for _, name in [*DIFFERENCES, *BODY_DIFFERS]} <= names


def _shape(value: Json, version: str) -> Json:
    """Keys and types of a JSON value; lists by the shapes in them, and by their length, cut in the recording or not."""
    if isinstance(value, dict):
        dropped = NOT_IN_THE_REAL_ONE[version] | NOT_IN_THE_EMBEDDED_ONE
        return {
            key: type(entry).__name__ if key == "time" else _shape(entry, version)
            for key, entry in value.items()
            if key not in dropped
        }
    if isinstance(value, list):
        items, length = value, len(value)
        if items and (cut := re.match(r"\.\.\.\[(\d+) items]", str(items[-1]))):
            items, length = items[:-1], int(cut[1])
            whole = False
        else:
            whole = True
        if items and isinstance(items[0], dict) and "prob" in items[0]:
            return [length, _classes_shape(items, whole=whole)]
        return [length, sorted({json.dumps(_shape(item, version), sort_keys=True) for item in items})]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def _classes_shape(classes: list[dict[str, Any]], *, whole: bool) -> str:
    assert all(type(entry["prob"]) is float and re.fullmatch(r"n(\d{8}) class_\d+", entry["cat"]) for entry in classes)
    assert [entry["prob"] for entry in classes] == sorted((entry["prob"] for entry in classes), reverse=True)
    last = [entry.get("last", False) for entry in classes]
    assert last == [False] * (len(classes) - 1) + [whole]
    return "classes, the most probable first, `last` on the final one"
