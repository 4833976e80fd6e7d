"""What happened to a server during the run: outages, batches too large, first predictions, unfinished requests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.tasks import Task
from pytest_ddperf.deepdetect.backoff import back_off
from pytest_ddperf.deepdetect.client import PROBE_TIMEOUT_S, wait_until_up
from pytest_ddperf.deepdetect.consistency import ACROSS_SIZES, SAME_SIZE, describe_disagreement
from pytest_ddperf.deepdetect.in_flight import RequestsInFlight
from pytest_ddperf.deepdetect.protocol import Info
from pytest_ddperf.errors import (
    AnswerError,
    BatchNotRunError,
    ServerBusyError,
    ServerError,
    ServerGoneError,
    ServiceGoneError,
    ServiceNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.deepdetect.client import Client
    from pytest_ddperf.deepdetect.protocol import Answer, ServiceStats
    from pytest_ddperf.servers.services import OpenService
    from pytest_ddperf.servers.target import Target

MOST_OUTAGES: Final = 3
"""Number of outages without a measured cell in between after which a server is no longer waited for."""


_HOPELESS_TIMEOUT_S = 0.5
"""Response time limit for a server that did not come back within the wait; each further cell asks it once."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model predicted at its first request in the run.

    Args:
        creation: the service, if its weights are random and new with every creation; else None.
    """

    batch_size: int
    answer: Answer
    task: Task
    creation: OpenService | None = None


@dataclass(frozen=True, slots=True)
class Limit:
    """A batch that was too large for a server.

    Args:
        crashed: whether the server crashed; else it reported that its memory was exhausted.
    """

    batch_size: int
    crashed: bool
    error: str


@dataclass(frozen=True, slots=True)
class CutPrediction:
    """A prediction during which a server stopped responding.

    Args:
        before: what the server last reported about itself.
    """

    key: CellKey
    error: str
    before: Info


class ServerHealth:
    """What happened to one server during the run, shared by the platforms that are measured on it.

    Limits and first predictions are kept by platform, because the services of two platforms may differ.

    Args:
        now: a monotonic clock, seconds.

    Attributes:
        is_gone: whether the server stopped responding and has not been seen since.
        in_flight: the predictions requested from the server by all clients.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._say = say
        self._now = now
        self._sleep = sleep
        self.is_gone = False
        self.in_flight = RequestsInFlight()
        self._waited_for_server = self._waited_for_prediction = False
        self._outages = 0
        self._outage_cause = ""
        self._cut: CutPrediction | None = None
        self._limits: dict[tuple[str, str, str], Limit] = {}
        self._references: dict[tuple[str, str], Reference] = {}
        self._suspects: set[tuple[str, str]] = set()

    # outages

    def note_outage(self, cut: CutPrediction | None = None) -> None:
        """Record that the server stopped responding, to a prediction if one is given."""
        self.is_gone = True
        self._outages += 1
        self._cut = cut or self._cut
        self.in_flight.clear()  # a restarted server does not continue its predictions
        self._waited_for_prediction = False

    def share_cause(self, cause: str) -> str:
        """Return the cause shared by all cells that cannot be measured during the current outage: its first one."""
        self._outage_cause = self._outage_cause or cause
        return self._outage_cause

    def note_measured(self) -> None:
        """Record that a cell was measured: a later outage is the first one again."""
        self._outages = 0

    def await_return(self, target: Target) -> None:
        """Wait for a vanished server: `recovery_timeout_s` the first time, and not at all after a failed wait.

        The target is still open; it is closed when the server is back.

        Raises:
            ServerGoneError: the server is not back.
        """
        hopeless = self._waited_for_server or self._outages > MOST_OUTAGES
        began_s = self._now()
        wait_s = 0.0 if hopeless else target.options.recovery_timeout_s
        try:
            info = self._await_answer(target, wait_s, hopeless=hopeless)
        except ServerGoneError as error:
            self._waited_for_server = True
            waited = f" (waited {self._now() - began_s:.0f} s, --ddperf-recovery-timeout)" if wait_s else ""
            gone = f"The server stopped responding during the run and is not back{waited}"
            cause = self.share_cause(f"{gone}. {error.cause}")
            raise ServerGoneError(f"{gone}. {error}", cause=cause) from error
        self.note_return(info)

    def _await_answer(self, target: Target, wait_s: float, *, hopeless: bool) -> Info:
        """Wait for a vanished server, then close it, so that everything is recreated; an embedded one is restarted.

        Returns:
            What the server reports about itself now; empty for an embedded one.
        """
        if target.options.is_embedded:
            target.restart()
            return Info()
        client = target.client
        try:
            client.info(timeout_s=_HOPELESS_TIMEOUT_S if hopeless else PROBE_TIMEOUT_S)
        except ServerError as error:
            if wait_s <= 0:
                raise ServerGoneError(str(error)) from error
            self._say(f"ddperf: {client.display_url} stopped responding; waiting up to {wait_s:g} s")
            began_s = self._now()
            try:
                wait_until_up(client, wait_s, now=self._now, sleep=self._sleep)
            except ServerError as still:
                self._say(f"ddperf: {client.display_url} did not respond within {wait_s:g} s")
                raise ServerGoneError(str(still)) from still
            self._say(f"ddperf: {client.display_url} is back after {self._now() - began_s:.0f} s")
        info = target.info
        target.close()
        return info

    def note_return(self, info: Info) -> None:
        """Record that the server is back, with what it reports about itself: its next predictions are verified."""
        self.is_gone = self._waited_for_server = False
        self._outage_cause = ""
        cut, self._cut = self._cut, None
        if cut is not None and not _survived(cut.before, info):
            self._limit(cut.key, Limit(cut.key.batch_size, True, cut.error))
        for platform, _ in self._references:
            self.suspect(platform)

    # batches too large for the server

    def _limit(self, key: CellKey, limit: Limit) -> None:
        self._limits[key.platform, key.model, key.scenario] = limit

    def note_exhausted(self, key: CellKey, error: str) -> None:
        """Record that the server lacked memory for a batch: skip larger ones and verify its next predictions."""
        self._limit(key, Limit(key.batch_size, False, error))
        self.suspect(key.platform)

    def check_size(self, key: CellKey) -> None:
        """Check whether a batch may fit. A limit found under load does not apply without load, but the reverse does.

        Raises:
            BatchNotRunError: a smaller batch of the same model was already too large, or the same batch without load.
        """
        alone = self._limits.get((key.platform, key.model, ""))
        limit = self._limits.get((key.platform, key.model, key.scenario))
        if key.scenario and alone is not None and key.batch_size >= alone.batch_size:
            limit = alone
        elif limit is None or key.batch_size <= limit.batch_size:
            return
        what = "crashed the server" if limit.crashed else "exceeded the server's memory"
        raise BatchNotRunError(f"batch size {limit.batch_size} {what}: {limit.error}", died=limit.crashed)

    # verifying predictions

    def compare(
        self, key: CellKey, answer: Answer, creation: OpenService | None = None, *, task: Task = Task.CLASSIFICATION
    ) -> None:
        """Record the first predictions of a model, and compare later ones with them for the images in both.

        This detects a service that was replaced by another one of the same name when no counter of the server shows it.
        Predictions of different creations (see `Reference`) are not compared.

        Raises:
            AnswerError: the predictions differ from the first ones.
        """
        reference = self._references.get((key.platform, key.model))
        if reference is None or reference.creation is not creation:
            self._references[key.platform, key.model] = Reference(key.batch_size, answer, task, creation)
            return
        rounding = SAME_SIZE if key.batch_size == reference.batch_size else ACROSS_SIZES
        if difference := describe_disagreement(reference.answer, answer, task, rounding):
            raise AnswerError(
                f"The predictions of {key.model} changed during the run: {difference}. Its service may hold another "
                "network now, or the server computes wrong results: check the server's log"
            )

    def describe_difference(self, key: CellKey, other: ServerHealth) -> str:
        """Describe how the first predictions of a model differ from those on another server; "" if they agree.

        Networks with random weights, and networks that one of the servers has not predicted yet, are not compared.
        """
        ours, theirs = (one._references.get((key.platform, key.model)) for one in (self, other))  # noqa: SLF001 - same class
        if ours is None or theirs is None or ours.creation is not None or theirs.creation is not None:
            return ""
        return describe_disagreement(theirs.answer, ours.answer, ours.task, ACROSS_SIZES)

    def forget_random(self, platform: str, current: OpenService | None) -> None:
        """Forget a platform's predictions of services, except the current one, whose random weights no longer exist."""
        self._references = {
            of: one
            for of, one in self._references.items()
            if of[0] != platform or one.creation is None or one.creation is current
        }

    def suspect(self, platform: str, model: str = "") -> None:
        """Mark a platform's services, or the one of a model, for verification before the next measurement."""
        self._suspects.add((platform, model))

    def verify(self, platform: str, model: str, predict: Callable[[str, int], Answer]) -> None:
        """If something was marked by `suspect`, compare its predictions with its first ones.

        Args:
            platform: the measured platform.
            model: the model to be measured next. It is compared if it was predicted before; else the comparison uses
                the most recent model whose service is still available.
            predict: makes one checked prediction of a model and a batch size.

        Raises:
            AnswerError: the predictions differ from the first ones.
            ServiceGoneError: no service with known predictions is left.
            ServerError: the server does not respond.
        """
        suspects = self._suspects & {(platform, ""), (platform, model)}
        if not suspects:
            return
        missing: ServiceNotFoundError | None = None
        known = [name for of_platform, name in reversed(self._references) if of_platform == platform]
        for compared in [model] if model in known else known:
            reference = self._references[platform, compared]
            try:
                answer = predict(compared, reference.batch_size)
            except ServiceNotFoundError as error:
                missing = missing or error
                continue
            if difference := describe_disagreement(reference.answer, answer, reference.task):
                raise AnswerError(
                    f"After the server failed, the predictions of {compared} changed during the run: {difference}. "
                    "Its results are wrong: restart it and check its log"
                )
            break
        else:
            if missing is not None and model not in known:
                raise ServiceGoneError(
                    f"After it failed, the server has no service left whose predictions can be compared: {missing}"
                ) from missing
            if missing is not None:
                raise explain_missing_service(missing) from missing
        self._suspects -= suspects

    # predictions that timed out and still occupy the server

    def wait_until_idle(self, target: Target) -> None:
        """Ensure that the server is not running a prediction that timed out.

        The first call waits for as long as the options allow. Until the prediction has ended, later calls fail without
        waiting.

        Raises:
            ServerBusyError: the server is still running one.
            ServerError: the server does not respond.
        """
        if not self.in_flight.is_open:
            return
        client, wait_s = target.client, 0.0
        client.info(timeout_s=PROBE_TIMEOUT_S)
        if self.in_flight.running and not self._waited_for_prediction:
            wait_s = target.options.recovery_timeout_s
            self._wait_for_prediction(client, wait_s)
        self._waited_for_prediction = bool(self.in_flight.running)
        if not self.in_flight.running:
            return
        waited = f" (waited {wait_s:g} s, --ddperf-recovery-timeout)" if wait_s > 0 else ""
        busy = f"The server is still running {self._timed_out()}"
        remedy = (
            "so a measurement now would be wrong: restart the server, or allow longer predictions with --ddperf-timeout"
        )
        raise ServerBusyError(f"{busy}{waited}, {remedy}", cause=f"{busy}, {remedy}", url=client.display_url)

    def _timed_out(self) -> str:
        return f"a prediction of {' and of '.join(self.in_flight.running)} that timed out"

    def _wait_for_prediction(self, client: Client, wait_s: float) -> None:
        if wait_s <= 0:
            return
        server, what = client.display_url, self._timed_out()
        self._say(f"ddperf: {server} is still running {what}; waiting up to {wait_s:g} s")
        began_s = self._now()
        for pause_s in back_off(began_s + wait_s, self._now):
            self._sleep(pause_s)
            client.info(timeout_s=PROBE_TIMEOUT_S)
            if not self.in_flight.running:
                self._say(f"ddperf: {server} finished {what}, after {self._now() - began_s:.0f} s")
                return
        self._say(f"ddperf: {server} did not finish it within {wait_s:g} s")


def explain_missing_service(error: ServiceNotFoundError) -> ServiceGoneError:
    """Return the error for a service that was deleted during or just before its measurement."""
    return ServiceGoneError(f"The service was deleted during the run and cannot be recreated: {error}")


def _survived(before: Info, after: Info) -> bool:
    """Whether a server that cut a connection is still the same process: no service is gone, no count has fallen."""
    counts = {one.name: _count(one.stats) for one in after.services}
    return all(one.name in counts and counts[one.name] >= _count(one.stats) for one in before.services)


def _count(stats: ServiceStats | None) -> int:
    return (stats.predict_count or 0) if stats else 0
