"""Every exchange recorded from three real servers, made again with the embedded server, in the same order."""

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
from pytest_ddperf.embedded.networks.templates import TEMPLATE_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

Json = Any
"""Any JSON value."""

DATA = Path(__file__).resolve().parents[3] / "data"
TORCH = "torch"
TRANSCRIPTS = {
    "v0.29": DATA / "transcripts-ncnn-v0.29.json",
    "v0.28": DATA / "transcripts-caffe-v0.28.json",
    TORCH: DATA / "transcripts-torch-v0.29.json",
}
EXCHANGES = {version: json.loads(path.read_text()) for version, path in TRANSCRIPTS.items()}

RECORDED = {version: {one["name"]: one for one in exchanges} for version, exchanges in EXCHANGES.items()}

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


def _refusal(code: int, dd_code: int | None = None, dd_msg: str = OWN_TEXT) -> dict[str, Any]:
    msg = {201: "Created", 200: "OK", 400: "BadRequest", 404: "NotFound", 409: "Conflict", 500: "InternalError"}[code]
    return {"code": code, "msg": msg, **({} if dd_code is None else {"dd_code": dd_code, "dd_msg": dd_msg})}


def _add_differences(why: str, expected: dict[str, Any], *names: str) -> None:
    DIFFERENCES.update({(TORCH, name): (expected, why) for name in names})


NO_SERVICE = _refusal(404, 1002, "Service Not Found")
NO_MODEL_OR_TEMPLATE = _refusal(
    500, 500, "Use of libtorch backend needs either: traced net, protofile or native template"
)
_add_differences(
    "accepted, as names of the one backend; the folder has no model",
    _refusal(400, 1006),
    *(f"put_retired_{name}" for name in ("caffe", "caffe2", "tf", "tensorflow")),
    *(f"put_not_built_{name}" for name in ("ncnn", "tensorrt", "dlib")),
    "put_pytorch_worker",
)
_add_differences(
    "the text is a line of oatpp's or libtorch's source",
    _refusal(500, 1007),
    *("put_template_number", "put_nclasses_float", "put_gpu_string", "put_datatype_number"),
    *("put_nclasses_negative", "put_broken_pt", "put_template_broken_npt"),
)
_add_differences(
    "the text is a piece of the source",
    _refusal(400, 400),
    *("put_missing_mllib", "put_missing_parameters", "put_missing_connector", "put_json_array"),
)
_add_differences("no folder is created", _refusal(400, 1006), "put_repo_create_repository")
_add_differences("no templates for regression", _refusal(400, 1006), "put_ntargets_1")
_add_differences("the text belongs to detection", _refusal(400, 1006), "predict_bbox_true")
_add_differences("only the final probabilities are available", _refusal(400, 1006), "predict_extract_layer_last")
_add_differences("the real one dies", _refusal(200), "delete_gpuid_list")
_add_differences("requests are sent one after the other here", _refusal(201), "put_race_1")
_add_differences(
    "requests are sent one after the other here", _refusal(409, 1014, "Service already exists"), "put_race_2"
)
_add_differences("the name is free here", _refusal(201), "put_named_api")
_add_differences("it was created", _refusal(200), "delete_named_api")
_add_differences("the deletion is sent first here", NO_SERVICE, "predict_long_deleted")
_add_differences("not created", NO_SERVICE, "predict_ntargets_1")
_add_differences("not created", _refusal(404), "delete_repo_create_repository", "delete_ntargets_1")
_add_differences("no such template here", NO_MODEL_OR_TEMPLATE, "put_template_recurrent")
for _template in ("vit", "visformer", "crnn", "mobilevit_s", "nbeats"):
    _add_differences("no such template here", NO_MODEL_OR_TEMPLATE, f"template_put_{_template}")
    _add_differences("not created", _refusal(404), f"template_delete_{_template}")
    for _request in ("get", "predict_1", "predict_2"):
        _add_differences("not created", NO_SERVICE, f"template_{_request}_{_template}")
NO_ROUTE = {
    (TORCH, name): "no such route"
    for name in ("swagger_ui", "openapi", "stream_unknown", "resource_unknown", "chain_unknown_service")
}

NOT_IN_THE_REAL_ONE = {
    "v0.29": set[str](),
    TORCH: set[str](),
    # as v0.29 shows them
    "v0.28": {"keypoints", "keypoint_threshold"},
}
NOT_IN_THE_EMBEDDED_ONE = {
    "params",  # reported once the network is loaded, where Caffe reads it at creation, and counts it twice later
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
    (TORCH, "predict_directory"): "its text file is no image; the real one names it in place of one",
    (TORCH, "get_gpuid_list"): "there is only one device",
    (TORCH, "get_service_labels"): "no labels",
    (TORCH, "predict_best_huge"): "the number of classes depends on the memory of the real one",
    (TORCH, "predict_best_huge_threshold_minus1"): "likewise",
    (TORCH, "predict_best_2000_threshold_minus1"): "likewise",
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
        self._make_folders()
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

    def _make_folders(self) -> None:
        (self.root / "models" / "empty").mkdir(parents=True)
        if self.version != TORCH:
            return
        for exchange in EXCHANGES[TORCH]:
            body = exchange["request"]["body"]
            name = (body.get("model") or {}).get("repository", "") if isinstance(body, dict) else ""
            if name.startswith("/srv/models/") and Path(name).name not in ("nothing", "made"):
                (self.root / "models" / Path(name).name).mkdir(exist_ok=True)
        (self.root / "models" / "pt_broken" / "model.pt").write_bytes(b"no model")
        (self.root / "models" / "npt_broken" / "model.npt").write_bytes(b"no model")

    def _make_images(self) -> None:
        names = ("images", "bad", "img_{:03d}.jpg") if self.version == TORCH else ("bench", "special", "img_{:02d}.jpg")
        bench, special = (self.root / name for name in names[:2])
        bench.mkdir(parents=True)
        special.mkdir()
        draw = np.random.default_rng(1)
        pictures = [Image.fromarray(draw.integers(0, 256, (48, 64, 3), dtype=np.uint8)) for _ in range(32)]
        for index, picture in enumerate(pictures):
            picture.save(bench / names[2].format(index))
        pictures[0].convert("L").save(special / "gray.jpg")
        pictures[0].convert("RGBA").save(special / "rgba.png")
        content = (bench / names[2].format(0)).read_bytes()
        self._picture = base64.b64encode((bench / names[2].format(7)).read_bytes()).decode()
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
        if key in ("width", "height") and self.version != TORCH:  # the recorded network takes 227 pixels, this one 224
            return {227: 224, 224: 227}.get(value, value)
        return self._mapped_text(value) if isinstance(value, str) else value

    def _mapped_text(self, text: str) -> str:
        picture = self._picture
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
        extra = ("--delay", "0") if version == TORCH else ()  # nothing is computed, which saves most of the time
        with launch.start(data_dir=root, model_dirs=[root / "models"], threads=2, extra=extra) as server:
            answers[version] = replay.run(server.url)
        replay.close()
    return answers


def _difference(version: str, name: str) -> tuple[dict[str, Any] | None, str]:
    of_both = None if version == TORCH else DIFFERENCES.get((BOTH, name))
    return DIFFERENCES.get((version, name)) or of_both or (None, "")


def _has_other_body(version: str, name: str) -> bool:
    return (version, name) in BODY_DIFFERS or (version != TORCH and (BOTH, name) in BODY_DIFFERS)


def _is_like(version: str, name: str) -> bool:
    if (version, name) in NO_ROUTE or "response" not in RECORDED[version][name]:
        return False
    return _difference(version, name)[0] is None and not _has_other_body(version, name)


def _offenders(
    replayed: dict[str, dict[str, Made]], find_fault: Callable[[str, str, Made], object], *, like: bool = False
) -> dict[str, object]:
    """The fault of each exchange that has one; with `like`, only of those that must equal the recorded ones."""
    return {
        f"{version}-{name}": fault
        for version, exchanges in replayed.items()
        for name, made in exchanges.items()
        if (not like or _is_like(version, name)) and (fault := find_fault(version, name, made))
    }


def _status_fault(version: str, name: str, made: Made) -> object:
    expected, _why = _difference(version, name)
    if (version, name) in NO_ROUTE:
        return made.status != 404 and made.status
    if name == "info_with_gpuid_list":  # the real one dies
        return made.status != 200 and made.status
    if expected is None and made.expected is None:
        return "no recorded answer"
    if expected is None and not made.expected["body"]:
        return (made.status, made.content) != (made.expected["status"], b"") and made.content
    status = made.body.get("status")
    if expected is None:
        body = made.expected["body"]
        recorded = body.get("status") if isinstance(body, dict) else body
        return (made.status, status) != (made.expected["status"], recorded) and (status, recorded)
    own = {"dd_msg": OWN_TEXT} if expected.get("dd_msg") == OWN_TEXT else {}
    return (made.status, {**status, **own}) != (expected["code"], expected) and status


def _body_fault(version: str, _name: str, made: Made) -> object:
    got, recorded = (_shape(body, version) for body in (made.body, made.expected["body"]))
    return got != recorded and (got, recorded)


def _headers_fault(version: str, name: str, made: Made) -> object:
    if made.expected is None or (version, name) in NO_ROUTE:
        return None
    recorded = {key.lower(): value for key, value in made.expected["headers"].items()}
    compared = ("content-type", "content-encoding", "transfer-encoding")
    got = {header: made.headers.get(header) for header in compared}
    closes = "close" in made.headers.get("connection", "")
    same = {header: recorded.get(header) for header in compared} == got and closes == (
        recorded["connection"] == "close"
    )
    return not same and (made.headers, recorded)


def _images_fault(_version: str, _name: str, made: Made) -> object:
    got, recorded = (
        sorted(one["uri"] for one in (body or {}).get("body", {}).get("predictions", []))
        for body in (made.body, made.expected["body"])
    )
    return got != recorded and (got, recorded)


def test_the_status_is_the_recorded_one(replayed: dict[str, dict[str, Made]]) -> None:
    assert _offenders(replayed, _status_fault) == {}


def test_the_body_has_the_recorded_shape(replayed: dict[str, dict[str, Made]]) -> None:
    assert _offenders(replayed, _body_fault, like=True) == {}


def test_the_headers_are_the_recorded_ones(replayed: dict[str, dict[str, Made]]) -> None:
    assert _offenders(replayed, _headers_fault) == {}


def test_the_same_images_are_answered(replayed: dict[str, dict[str, Made]]) -> None:
    assert _offenders(replayed, _images_fault, like=True) == {}


def test_predictions_are_counted_as_the_real_server_counts_them(replayed: dict[str, dict[str, Made]]) -> None:
    counts = ("predict_count", "predict_success", "predict_failure", "inference_count", "avg_batch_size")
    made = replayed["v0.28"]["get_service_final"]  # v0.29 died before, and counted from 0
    got, recorded = (answer["body"]["service_stats"] for answer in (made.body, made.expected["body"]))
    assert [got[count] for count in counts] == pytest.approx([recorded[count] for count in counts])


def test_a_torch_service_counts_images_that_ran_as_the_real_server(replayed: dict[str, dict[str, Made]]) -> None:
    """`test_batch_size` 0 runs none; refused datatypes and unreadable images run none, either."""
    counts = ("predict_count", "predict_success", "predict_failure", "inference_count", "avg_batch_size")
    for name in ("get_service_after_batches", "get_service_still_there"):
        made = replayed[TORCH][name]
        got, recorded = (body["body"]["service_stats"] for body in (made.body, made.expected["body"]))
        assert {count: got[count] for count in counts} == {count: recorded[count] for count in counts}


def test_a_torch_service_has_its_backend_and_parameters_right_after_creation(
    replayed: dict[str, dict[str, Made]],
) -> None:
    for template in TEMPLATE_NAMES:
        made = replayed[TORCH][f"template_get_{template}"]
        got, recorded = made.body["body"], made.expected["body"]["body"]
        facts = ("mllib", "mltype", "stats", "model_stats")
        assert {fact: got[fact] for fact in facts} == {fact: recorded[fact] for fact in facts}
        assert got["parameters"]["mllib"]["template"] == template


def test_a_request_for_more_classes_than_exist_returns_nonsense_first(replayed: dict[str, dict[str, Made]]) -> None:
    first, second, *_ = replayed[TORCH]["predict_best_1001"].body["body"]["predictions"][0]["classes"]
    assert first["prob"] > 1
    assert int(first["cat"]) >= 1000
    assert second["prob"] <= 1


def test_every_difference_is_one() -> None:
    recorded = {version: set(exchanges) for version, exchanges in RECORDED.items()}
    recorded[BOTH] = recorded["v0.28"] & recorded["v0.29"]
    keys = [*DIFFERENCES, *BODY_DIFFERS, *NO_ROUTE]
    assert [key for key in keys if key[1] not in recorded[key[0]]] == []


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
            return [length, _classes_shape(items, version, whole=whole)]
        return [length, sorted({json.dumps(_shape(item, version), sort_keys=True) for item in items})]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


def _classes_shape(classes: list[dict[str, Any]], version: str, *, whole: bool) -> str:
    named = r"-?\d+" if version == TORCH else r"n(\d{8}) class_\d+"
    assert all(type(entry["prob"]) is float and re.fullmatch(named, entry["cat"]) for entry in classes)
    assert [entry["prob"] for entry in classes] == sorted((entry["prob"] for entry in classes), reverse=True)
    last = [entry.get("last", False) for entry in classes]
    assert last == [False] * (len(classes) - 1) + [whole]
    return "classes, the most probable first, `last` on the final one"
