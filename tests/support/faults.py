"""Table of faults of a server, its connection or its board, each with the required outcome of the run.

`tests/acceptance/test_faults.py` runs each row over real sockets. docs/faults.md shows the table and is compared with
it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable  # noqa: TC003 - a field's type
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench_project import ROOT, table
from scripted_deepdetect import ServiceSetup, out_of_memory
from scripted_server import Reply

if TYPE_CHECKING:
    from bench_project import TableServer
    from scripted_deepdetect import Prediction
    from scripted_server import Request

GOOGLENET_AND_SQUEEZENET = ("--ddperf-models=googlenet,squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
SMALL, LARGE = "tk1-googlenet-b1", "tk1-googlenet-b8"
OTHERS = ("tk1-squeezenet_v1.1-b1", "tk1-squeezenet_v1.1-b8")
AT = 9
"""The prediction at which most faults occur: in a timed pass of googlenet at batch size 8; a cell has 6."""
BEFORE = 7
"""The first prediction of that cell: a fault just before it occurs between two cells."""

Predictions = list[dict[str, Any]]


@dataclass(frozen=True)
class Fault:
    """One row of the table.

    Args:
        name: what goes wrong, worded as in docs/faults.md.
        verdict: verdict of the affected cells, worded as in docs/faults.md.
        said: texts that must occur literally in the run's output.
        arrange: prepares the server for the fault.
        cells: verdicts of the affected cells; all others are `ok`.
        args: additional options of the run.
        exit_status: pytest's exit status.
        names: the available images, for faults about too few of them.
    """

    name: str
    verdict: str
    said: str
    arrange: Callable[[TableServer], None]
    cells: dict[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    exit_status: int = 1
    names: int = 128


def _answer(reply: Callable[[], Reply]) -> Callable[[TableServer], None]:
    """Send another reply once, instead of a prediction."""

    def arrange(server: TableServer) -> None:
        server.fault = lambda prediction: reply() if prediction.number == AT else None

    return arrange


def _transport(**how: Any) -> Callable[[TableServer], None]:  # noqa: ANN401 - those of Reply
    """Send a correct answer once in a faulty way."""

    def arrange(server: TableServer) -> None:
        usual = server.respond
        left = [how]

        def respond(request: Any) -> Reply:  # noqa: ANN401 - a Request
            reply = usual(request)
            if len(server.predictions) == AT and request.path == "/predict" and left:
                return Reply(reply.status, reply.body, **left.pop())
            return reply

        server.respond = respond

    return arrange


def _wrong(change: Callable[[Predictions], Predictions]) -> Callable[[TableServer], None]:
    """Change the predictions of one answer."""

    def arrange(server: TableServer) -> None:
        server.wrong = lambda prediction, made: change(made) if prediction.number == AT else made

    return arrange


def _works(seconds: float, reply: Reply | None = None) -> Callable[[TableServer], None]:
    """Let the server work on one prediction for `seconds`, and count it then, even if it was answered before."""

    def arrange(server: TableServer) -> None:
        server.works_s = lambda prediction: seconds if prediction.number == AT else 0.0
        server.fault = lambda prediction: reply if prediction.number == AT else None

    return arrange


def _classes(*probabilities: float) -> Callable[[TableServer], None]:
    listed = [{"prob": one, "cat": f"n{place}"} for place, one in enumerate(probabilities)]
    return _wrong(lambda made: [{**made[0], "classes": listed}, *made[1:]])


def _head(head_ms: Callable[[Prediction], object]) -> Callable[[TableServer], None]:
    def arrange(server: TableServer) -> None:
        usual = server.head_ms
        server.head_ms = lambda prediction: head_ms(prediction) if prediction.number == AT else usual(prediction)

    return arrange


def _without_totals(arrange: Callable[[TableServer], None]) -> Callable[[TableServer], None]:
    """Simulate an older server, judged by `head.time`; like a fast board, it really takes the time that it reports."""

    def both(server: TableServer) -> None:
        server.tells = "none"
        server.in_real_time = True
        server.table = table("gtx1080ti")
        arrange(server)

    return both


def _do(what: Callable[[TableServer], Reply | None], at: int = AT) -> Callable[[TableServer], None]:
    """Do something to the server once, at a given prediction."""

    def arrange(server: TableServer) -> None:
        server.fault = lambda prediction: what(server) if prediction.number == at else None

    return arrange


def _behind_a_proxy(server: TableServer) -> None:
    """Let the server die and return after a while, behind a proxy that stays up."""
    usual = server.respond
    down_until_s: list[float] = []

    def respond(request: Request) -> Reply:
        if len(server.predictions) >= AT - 1 and request.path == "/predict" and not down_until_s:
            server.forget_totals()
            down_until_s.append(time.monotonic() + 0.5)
        down = bool(down_until_s) and time.monotonic() < down_until_s[0]
        return _page(502) if down else usual(request)

    server.respond = respond


def _from_batch(size: int, what: Callable[[TableServer], Reply]) -> Callable[[TableServer], None]:
    """Reply like this to every prediction of googlenet at this batch size or a larger one."""

    def arrange(server: TableServer) -> None:
        server.fault = lambda one: what(server) if one.service == "googlenet" and one.batch >= size else None

    return arrange


def _nothing(act: Callable[[TableServer], None]) -> Callable[[TableServer], Reply | None]:
    def what(server: TableServer) -> None:
        act(server)

    return what


def _replace(server: TableServer) -> None:
    """Replace the service by another of the same name: its totals restart at 0, and its predictions differ."""
    server.forget_totals()
    server.wrong = lambda one, made: (
        [{**each, "classes": [{"prob": 0.9, "cat": "another"}]} for each in made]
        if one.service == "googlenet"
        else made
    )


def _rebuild(server: TableServer) -> None:
    """Rebuild the service with the same network for another backend."""
    server.replace_service(ServiceSetup("googlenet", mllib="ncnn"))


def _poisoned(server: TableServer) -> None:
    """Run out of memory once, and from then on answer 200 with wrong predictions."""

    def fault(prediction: Prediction) -> Reply | None:
        if prediction.number != AT:
            return None
        server.wrong = lambda _, made: [{**each, "classes": [{"prob": 0.5, "cat": "nonsense"}]} for each in made]
        return out_of_memory()

    server.fault = fault


def _share(server: TableServer) -> None:
    """Let another client run a prediction whenever googlenet predicts 8 images."""

    def fault(prediction: Prediction) -> None:
        if prediction.service == "googlenet" and prediction.batch > 1:
            server.use_elsewhere("googlenet")

    server.fault = fault


def _refuse_images(readable: Callable[[str], bool]) -> Callable[[TableServer], None]:
    def arrange(server: TableServer) -> None:
        server.readable = readable

    return arrange


def _error(status: int, code: int, text: str) -> Reply:
    return Reply(status, {"status": {"code": code, "msg": "InternalError", "dd_code": 1007, "dd_msg": text}})


def _page(status: int) -> Reply:
    return Reply(status, b"<html>Bad Gateway</html>", headers={"Content-Type": "text/html"})


CRASHED, ERROR, OOM = {LARGE: "crashed"}, {LARGE: "error"}, {LARGE: "oom"}
EIGHTS = {LARGE: "error", OTHERS[1]: "error"}
WAIT = ("--ddperf-recovery-timeout=20",)
SIZES = ("--ddperf-batch-sizes=1,4,8",)
CREATED = ("--ddperf-repository=/srv/models/{model}",)
FAST = (f"--ddperf-baseline={ROOT / 'baselines' / 'gtx1080ti.csv'}",)

FAULTS: tuple[Fault, ...] = (
    Fault("The server is down at the start", "none, exit status 4", "no server to measure",
          lambda server: server.close(), args=WAIT, exit_status=4),
    Fault("The server dies during the run, and is back within `--ddperf-recovery-timeout`",
          "`crashed`; the next cells are measured", "is back after", _do(lambda server: server.die(0.5)), CRASHED,
          WAIT),
    Fault("The server dies during the run, and is not back within `--ddperf-recovery-timeout`",
          "`crashed`, and all its further cells", "is not back (waited 1 s", _do(lambda server: server.die()),
          dict.fromkeys((LARGE, *OTHERS), "crashed"), ("--ddperf-recovery-timeout=1",)),
    Fault("The connection is reset before the answer", "`crashed`", "The connection was cut during a request",
          _transport(drop=True, reset=True), CRASHED, WAIT),
    Fault("The connection is reset during the answer", "`crashed`", "was cut during a request",
          _transport(cut_after=30, reset=True), CRASHED, WAIT),
    Fault("The connection is reset after the answer", "none: a new one is opened", "4 ok", _transport(reset=True),
          exit_status=0),
    Fault("Half an answer, then the connection ends", "`crashed`", "the server may have crashed",
          _transport(cut_after=60), CRASHED, WAIT),
    Fault("An answer one byte at a time, for longer than `--ddperf-timeout`", "`error`", "arrived in small parts",
          _transport(trickle_s=0.2), ERROR, ("--ddperf-timeout=0.5",)),
    Fault("A hang: `/info` answers, the prediction does not within `--ddperf-timeout`, and ends later",
          "`error`; the next cells are measured when it has ended", "The server was silent for 0.5 s", _works(1.2),
          ERROR, ("--ddperf-timeout=0.5", *WAIT)),
    Fault("A hang that does not end within `--ddperf-recovery-timeout`", "`error`, and all further cells of the server",
          "still running a prediction of googlenet that timed out (waited 0.5 s", _works(math.inf),
          dict.fromkeys((LARGE, *OTHERS), "error"), ("--ddperf-timeout=0.5", "--ddperf-recovery-timeout=0.5")),
    Fault("HTTP 500 with DeepDetect's JSON", "`error`", "dd_msg: it broke",
          _answer(lambda: _error(500, 500, "it broke")), ERROR),
    Fault("HTTP 500 with HTML", "`error`", "The answer is not JSON", _answer(lambda: _page(500)), ERROR),
    Fault("HTTP 500 without a body", "`error`", "HTTP 500", _answer(lambda: Reply(500, b"")), ERROR),
    Fault("HTTP 200 with `status.code` 500 (older servers)", "`error`", "status.code 500",
          _answer(lambda: _error(200, 500, "it broke")), ERROR),
    Fault("HTTP 502 of a proxy, while `/info` answers", "`error`", "A proxy got no answer from the server",
          _answer(lambda: _page(502)), ERROR),
    Fault("HTTP 504 of a proxy, while `/info` answers and the server goes on with the prediction",
          "`error`; the next cells are measured when it has ended", "finished a prediction of googlenet",
          _works(0.5, _page(504)), ERROR, WAIT),
    Fault("HTTP 502 of a proxy, also for `/info`: its server is down, and back in time",
          "`crashed`; the next cells are measured", "is back after", _behind_a_proxy, CRASHED, WAIT),
    Fault("HTTP 429", "`error`", "accepts no more requests for now (Retry-After: 30)",
          _answer(lambda: Reply(429, b"", headers={"Retry-After": "30"})), ERROR),
    Fault("Out of memory at a batch size that has a baseline value",
          "`oom`, and the larger batches of the model, which are not run", "ran out of memory",
          _from_batch(4, lambda _: out_of_memory()), {"tk1-googlenet-b4": "oom", LARGE: "oom"}, SIZES),
    Fault("Out of memory at a batch size without a baseline value", "`unavailable`: skipped", "1 unavailable",
          _from_batch(3, lambda _: out_of_memory()),
          {"tk1-googlenet-b3": "unavailable", "tk1-squeezenet_v1.1-b3": "new"}, ("--ddperf-batch-sizes=1,3",), 0),
    Fault("The server dies at a batch size", "`crashed`, and the larger batches of the model, which are not run",
          "batch size 4 crashed the server", _from_batch(4, lambda server: server.die(0.3)),
          {"tk1-googlenet-b4": "crashed", LARGE: "crashed"}, (*SIZES, *WAIT)),
    Fault("After running out of memory the server answers 200, and predicts something else than at the start",
          "`error`, each further cell, until the predictions are as before",
          "predictions of googlenet changed during the run", _poisoned, OOM | dict.fromkeys(OTHERS, "error")),
    Fault("Fewer predictions than images", "`error`", "1 of 8 predictions are missing", _wrong(lambda made: made[1:]),
          ERROR),
    Fault("More predictions than images", "`error`", "1 were returned more than once",
          _wrong(lambda made: [*made, made[0]]), ERROR),
    Fault("Predictions of other images", "`error`", "1 were not requested",
          _wrong(lambda made: [{**made[0], "uri": "/srv/other.jpg"}, *made[1:]]), ERROR),
    Fault("A probability that is NaN", "`error`", "Expected a finite number", _classes(float("nan")), ERROR),
    Fault("A probability that is infinite", "`error`", "Expected a finite number", _classes(float("inf")),
          ERROR),
    Fault("Probabilities that sum up to 7", "`error`", "sum up to more than 1", _classes(*[1.0] * 7), ERROR),
    Fault("`head.time` of 0, and the server has totals", "none: that clock is not gated", "4 ok",
          _head(lambda _: 0.0), exit_status=0),
    Fault("`head.time` of 0, and no totals", "`error`", "head.time is 0 ms in 1 of 5 passes",
          _without_totals(_head(lambda _: 0.0)), ERROR, FAST),
    Fault("`head.time` ten times too long, and the server has totals", "none: that clock is not gated", "4 ok",
          _head(lambda one: 10 * one.latency_ms), exit_status=0),
    Fault("`head.time` ten times too long, and no totals", "`error`",
          "head.time is longer than the client waited for the answer in 1 of 5 passes",
          _without_totals(_head(lambda one: 10 * one.latency_ms)), ERROR, FAST),
    Fault("`head.time` is missing, and no totals", "`error`", "the server did not report head.time in 1 of 5 passes",
          _without_totals(_head(lambda _: None)), ERROR, FAST),
    Fault("`head.time` is negative", "`error`", "at `$.head.time`", _head(lambda _: -5.0), ERROR),
    Fault("`head.time` is a text", "`error`", "at `$.head.time`", _head(lambda _: "fast"), ERROR),
    Fault("Totals that decrease: the server was restarted between two passes",
          "none: the round is measured again after a check of the predictions", "4 ok",
          _do(_nothing(lambda server: server.forget_totals())), exit_status=0),
    Fault("The service disappears between two passes, and cannot be created again", "`error`",
          "The service was deleted during the run",
          _do(_nothing(lambda server: server.forget_service("googlenet"))), ERROR),
    Fault("The service disappears between two passes, and `--ddperf-repository` is given",
          "none: it is recreated", "it is recreated", _do(_nothing(lambda server: server.forget_service("googlenet"))),
          args=CREATED, exit_status=0),
    Fault("The service is replaced by another one of the same name between two passes", "`error`",
          "predictions of googlenet changed during the run", _do(_nothing(_replace)), ERROR),
    Fault("The service is replaced by another one of the same name between two passes, and no totals", "`error`",
          "predictions of googlenet changed during the run", _without_totals(_do(_nothing(_replace))), ERROR,
          FAST),
    Fault("The service is replaced by another one of the same name between two cells", "`error`, all its further cells",
          "predictions of googlenet changed during the run", _do(_nothing(_replace), BEFORE), ERROR),
    Fault("The service is replaced by another one of the same name between two cells, and no totals",
          "`error`, all its further cells", "predictions of googlenet changed during the run",
          _without_totals(_do(_nothing(_replace), BEFORE)), ERROR, FAST),
    Fault("The service is replaced by one of another backend between two cells, and predicts the same",
          "none: the new service is measured", "its service was replaced by another one",
          _do(_nothing(_rebuild), BEFORE), exit_status=0),
    Fault("The server is restarted between two cells", "none", "4 ok",
          _do(_nothing(lambda server: server.forget_totals()), BEFORE), exit_status=0),
    Fault("Another client on the same service", "`invalid`", "somebody else used the service during a pass", _share,
          {LARGE: "invalid"}),
    Fault("The server's version changes during the run",
          "none: reported, and noted on the following cells", "the server's version changed",
          _do(_nothing(lambda server: server.be_version("v0.29.0"))), exit_status=0),
    Fault("An image that the server cannot read", "`error`, each batch that contains it", "Could not read image",
          _refuse_images(lambda uri: not uri.endswith("img_005.jpg")), EIGHTS),
    Fault("A data dir that does not exist on the server", "`error`, every cell",
          "image could not be read or does not exist", _refuse_images(lambda _: False),
          dict.fromkeys((SMALL, LARGE, *OTHERS), "error")),
    Fault("A batch larger than the number of images", "`error`, each such batch",
          "A batch of 8 needs 8 different images", lambda _: None, EIGHTS, names=4),
)  # fmt: skip
"""The table."""
