"""A real embedded server behind a proxy that misbehaves on request: a separate process, for the soak test.

    with MisbehavingServer(data_dir) as server:
        server.arm("half an answer", at=3)
        ...                                 # half of the answer to the third prediction from now on is sent
        assert server.disarm()              # this happened

Each misbehaviour lists the verdicts that docs/faults.md allows for the affected cell.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable  # noqa: TC003 - a field's type
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
from scripted_server import Reply, Request, ScriptedServer

from pytest_ddperf.embedded import launch

if TYPE_CHECKING:
    from types import TracebackType

    from pytest_ddperf.embedded.launch import EmbeddedServer

REQUEST_TIMEOUT_S = 4.0
"""Timeout of the soak's client for a silent server: longer than any delay on a busy machine."""

COLD_START_TIMEOUT_S = 15.0
"""The same for the first prediction of a service. A hang must last longer, or it would end as a cut connection."""

DOWN_S = 0.3
"""Seconds without a server after a crash, in addition to the start of the next one."""

MEASURED, ERROR, CRASHED = frozenset({"new"}), frozenset({"error"}), frozenset({"crashed"})


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """One kind of misbehaviour.

    Args:
        verdicts: allowed verdicts of the affected cell; no cell of the soak has a baseline.
        strike: answers the request instead of the server.
        asked: the affected request: `/predict`, or `/info` after that prediction.
        lasts: whether it affects each such request from then on, until the end of the cell.
        limits: whether larger batches of the model need not be run afterwards.
        least: the first prediction of a cell that it may affect.
    """

    verdicts: frozenset[str]
    strike: Callable[[Way, Request], Reply]
    asked: str = "/predict"
    lasts: bool = False
    limits: bool = False
    least: int = 1


class Way(ScriptedServer):
    """The proxy that the client talks to; it forwards everything except for an armed misbehaviour.

    Args:
        data_dir: images of the embedded server.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._embedded = self._start()
        self._up = threading.Event()
        self._up.set()
        self._local = threading.local()
        self._armed: Misbehaviour | None = None
        self._left = 0
        self._struck = False
        super().__init__(self._respond)

    def _start(self) -> EmbeddedServer:
        return launch.start(threads=1, data_dir=self._data_dir)

    def arm(self, name: str, at: int) -> None:
        """Schedule a misbehaviour for a prediction, counted from now."""
        self._armed, self._left, self._struck = MISBEHAVIOURS[name], at, False

    def disarm(self) -> dict[str, object]:
        """Cancel the misbehaviour; return whether it happened, and the state of the server."""
        self._armed = None
        self._up.wait(60)
        return {
            "struck": self._struck,
            "pid": self._embedded.process.pid,
            "server_mib": psutil.Process(self._embedded.process.pid).memory_info().rss / 2**20,
        }

    def crash(self) -> Reply:
        """Kill the server during a request; a new one is started at the same address."""
        self._up.clear()
        os.kill(self._embedded.process.pid, signal.SIGKILL)
        self.go_down()
        threading.Thread(target=self._restart, daemon=True).start()
        return Reply(drop=True)

    def _restart(self) -> None:
        time.sleep(DOWN_S)
        self._embedded.stop()
        self._embedded = self._start()
        self._come_back()
        self._up.set()

    def freeze(self, seconds: float) -> None:
        """Suspend the server's process for a number of seconds; its sockets stay open."""
        os.kill(self._embedded.process.pid, signal.SIGSTOP)
        waking = threading.Timer(seconds, os.kill, (self._embedded.process.pid, signal.SIGCONT))
        waking.daemon = True
        waking.start()

    def _respond(self, request: Request) -> Reply:
        armed = self._armed
        if armed is None:
            return self.forward(request)
        path = request.path.partition("?")[0]
        if path == "/predict":
            self._left -= 1
        due = self._left <= 0 if armed.lasts or not self._struck else False
        if path != armed.asked or not due:
            return self.forward(request)
        self._struck = True
        return armed.strike(self, request)

    def forward(self, request: Request, after_s: float = 0.0) -> Reply:
        """Return the real server's answer, delayed as if the server needed `after_s` longer."""
        time.sleep(after_s)
        for last in (False, True):
            connection = self._connection()
            try:
                headers = {} if not request.body else {"Content-Type": "application/json"}
                connection.request(request.method, request.path, request.body or None, headers)
                answer = connection.getresponse()
                return Reply(answer.status, answer.read())
            except (OSError, http.client.HTTPException):
                self._local.connection = None
                connection.close()
                if last:
                    return Reply(drop=True)
        raise AssertionError

    def _connection(self) -> http.client.HTTPConnection:
        """Return this thread's connection to the current server."""
        known = getattr(self._local, "connection", None)
        port = int(self._embedded.url.rpartition(":")[2])
        if known is None or known.port != port:
            if known is not None:
                known.close()
            known = self._local.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        return known

    def close(self) -> None:
        """Also stop the server."""
        self._up.wait(60)
        super().close()
        self._embedded.stop()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _instead(reply: Callable[[], Reply]) -> Callable[[Way, Request], Reply]:
    return lambda _way, _request: reply()


def _sent(**how: Any) -> Callable[[Way, Request], Reply]:  # noqa: ANN401 - those of Reply
    """Send a correct answer in a faulty way, or a proxy's page instead."""
    return lambda way, request: replace(way.forward(request), **how)


def _lied(change: Callable[[Any], object]) -> Callable[[Way, Request], Reply]:
    """Change a correct answer."""

    def strike(way: Way, request: Request) -> Reply:
        good = way.forward(request)
        if good.drop or good.status != 200:
            return good
        assert isinstance(good.body, bytes)
        document = json.loads(good.body)
        change(document)
        return Reply(200, document)

    return strike


def _predictions(change: Callable[[list[Any]], object]) -> Callable[[Way, Request], Reply]:
    return _lied(lambda document: change(document["body"]["predictions"]))


def _probabilities(*values: float) -> Callable[[Way, Request], Reply]:
    classes = [{"prob": value, "cat": f"n{place}"} for place, value in enumerate(values)]
    return _predictions(lambda made: made[0].update(classes=classes))


def _head(change: Callable[[dict[str, Any]], object]) -> Callable[[Way, Request], Reply]:
    return _lied(lambda document: change(document["head"]))


def _stats(change: Callable[[dict[str, Any]], object]) -> Callable[[Way, Request], Reply]:
    """Change the totals of all services."""

    def every(document: Any) -> None:  # noqa: ANN401 - JSON
        for service in document["head"]["services"]:
            change(service["service_stats"])

    return _lied(every)


def _half(stats: dict[str, Any]) -> None:
    stats.update({key: value / 2 for key, value in stats.items() if key.startswith("total_")})


def _more(stats: dict[str, Any]) -> None:
    stats["predict_count"] += 5


def _renamed(made: list[Any]) -> None:
    for one in made:
        one["classes"] = [{"prob": 0.9, "cat": "another"}]


def _without_totals(document: Any) -> None:  # noqa: ANN401 - JSON
    for service in document["head"]["services"]:
        del service["service_stats"]


def _used_by_another(way: Way, request: Request) -> Reply:
    way.forward(request)
    return way.forward(request)


def _deleted(way: Way, request: Request) -> Reply:
    service = request.json()["service"]  # type: ignore[index] # a prediction's body
    way.forward(Request("DELETE", f"/services/{service}", {}))
    return way.forward(request)


def _frozen(way: Way, request: Request) -> Reply:
    way.freeze(REQUEST_TIMEOUT_S + 0.5)
    return way.forward(request)


def _error(status: int, code: int, text: str) -> Callable[[Way, Request], Reply]:
    answer = {"status": {"code": code, "msg": "InternalError", "dd_code": 1007, "dd_msg": text}}
    return _instead(lambda: Reply(status, answer))


def _page(status: int, content: bytes = b"<html>Bad Gateway</html>") -> Callable[[Way, Request], Reply]:
    return _instead(lambda: Reply(status, content, headers=_HTML))


_HTML = {"Content-Type": "text/html"}
_TIMED = 3
"""This prediction of a cell is in a timed pass, whatever came before. The first prediction of a service has a longer
timeout, and later ones are compared with it."""

MISBEHAVIOURS: dict[str, Misbehaviour] = {
    "crash": Misbehaviour(CRASHED, lambda way, _: way.crash(), limits=True),
    "hang": Misbehaviour(ERROR, lambda way, asked: way.forward(asked, COLD_START_TIMEOUT_S + 0.5)),
    "frozen process": Misbehaviour(ERROR, _frozen, least=_TIMED),
    "reset before the answer": Misbehaviour(CRASHED, _instead(lambda: Reply(drop=True, reset=True))),
    "reset during the answer": Misbehaviour(CRASHED, _sent(cut_after=30, reset=True)),
    # Only a GET afterwards: a connection cut during a POST might have been a crash.
    "reset after the answer": Misbehaviour(MEASURED, _sent(reset=True), least=_TIMED),
    "half an answer": Misbehaviour(CRASHED, _sent(cut_after=60)),
    "byte by byte": Misbehaviour(ERROR, _sent(trickle_s=0.05), least=_TIMED),
    "500": Misbehaviour(ERROR, _error(500, 500, "it broke")),
    "500, HTML": Misbehaviour(ERROR, _page(500)),
    "500, nothing": Misbehaviour(ERROR, _page(500, b"")),
    "200, status.code 500": Misbehaviour(ERROR, _error(200, 500, "it broke")),
    "502": Misbehaviour(ERROR, _page(502)),
    "504": Misbehaviour(ERROR, _sent(status=504, body=b"<html>Gateway Time-out</html>", headers=_HTML)),
    "429": Misbehaviour(ERROR, _page(429, b"")),
    "out of memory": Misbehaviour(
        frozenset({"unavailable"}), _error(500, 500, "Check failed: error == cudaSuccess (2 vs. 0) out of memory"),
        limits=True,
    ),
    "fewer predictions": Misbehaviour(ERROR, _predictions(lambda made: made.clear())),
    "more predictions": Misbehaviour(ERROR, _predictions(lambda made: made.append(made[0]))),
    "another image": Misbehaviour(ERROR, _predictions(lambda made: made[0].update(uri="/other.jpg"))),
    "NaN": Misbehaviour(ERROR, _probabilities(float("nan"))),
    "infinity": Misbehaviour(ERROR, _probabilities(float("inf"))),
    "a sum of 7": Misbehaviour(ERROR, _probabilities(*[1.0] * 7)),
    "another network": Misbehaviour(ERROR, _predictions(_renamed), least=_TIMED),
    "head.time negative": Misbehaviour(ERROR, _head(lambda head: head.update(time=-5.0))),
    "head.time a text": Misbehaviour(ERROR, _head(lambda head: head.update(time="fast"))),
    "head.time 0": Misbehaviour(MEASURED, _head(lambda head: head.update(time=0))),
    "head.time absent": Misbehaviour(MEASURED, _head(lambda head: head.pop("time"))),
    "head.time ten times": Misbehaviour(MEASURED, _head(lambda head: head.update(time=10 * head["time"] + 1000))),
    "totals fall": Misbehaviour(MEASURED, _stats(_half), "/info"),
    "a count too high, once": Misbehaviour(MEASURED, _stats(_more), "/info"),
    "no totals, once": Misbehaviour(MEASURED, _lied(_without_totals), "/info"),
    "/info: 500": Misbehaviour(ERROR, _error(500, 500, "it broke"), "/info"),
    "/info: no JSON": Misbehaviour(ERROR, _page(200), "/info"),
    "/info: reset": Misbehaviour(MEASURED, _instead(lambda: Reply(drop=True, reset=True)), "/info"),
    "another client, once": Misbehaviour(MEASURED, _used_by_another),
    "another client, always": Misbehaviour(frozenset({"invalid"}), _used_by_another, lasts=True),
    "the service is deleted": Misbehaviour(MEASURED, _deleted),
}  # fmt: skip
"""By name."""


class MisbehavingServer:
    """A handle of the process, for the soak. A context manager that ends the process.

    Args:
        data_dir: images of the embedded server.
    """

    def __init__(self, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(data_dir)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = str(self._report()["url"])

    @property
    def pid(self) -> int:
        """Process id of the proxy; the server is its child."""
        return self._process.pid

    def arm(self, name: str, at: int) -> None:
        """Schedule a misbehaviour for a prediction, counted from now."""
        self._ask("arm", name, at)

    def disarm(self) -> dict[str, Any]:
        """Cancel the misbehaviour; return whether it happened (`struck`), the server's `pid` and `server_mib`."""
        return self._ask("disarm")

    def crash(self) -> None:
        """Kill the server between two requests."""
        self._ask("crash")

    def _ask(self, *command: object) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return self._report()

    def _report(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        reported: dict[str, Any] = json.loads(self._process.stdout.readline())
        return reported

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait(30)


def _main(data_dir: Path) -> None:
    """Serve until standard input is closed."""

    def tell(**what: object) -> None:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()

    with Way(data_dir) as way:
        tell(url=way.url)
        for line in sys.stdin:
            command, *given = json.loads(line)
            if command == "arm":
                way.arm(*given)
                tell()
            elif command == "crash":
                way.crash()
                tell()
            else:
                tell(**way.disarm())


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
