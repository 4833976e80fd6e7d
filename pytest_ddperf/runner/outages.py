"""Servers that failed during the run: wait for them, remember batches too large for them, verify their predictions."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pytest_ddperf.deepdetect.consistency import (
    MARGIN_ACROSS_SIZES,
    TIE_ACROSS_SIZES,
    describe_disagreement,
    select_best_classes,
)
from pytest_ddperf.errors import (
    AnswerError,
    BatchNotRunError,
    ServerGoneError,
    ServiceGoneError,
    ServiceNotFoundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_ddperf.core.records import CellKey
    from pytest_ddperf.deepdetect.consistency import Seen
    from pytest_ddperf.deepdetect.protocol import Answer, Info, ServiceStats
    from pytest_ddperf.errors import ServerError
    from pytest_ddperf.servers.target import Target

DEATHS_RUNNING: Final = 3
"""Number of outages without a measured cell in between after which a server is no longer waited for."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What a model predicted at its first request in the session.

    Args:
        batch_size: batch size of that request.
        seen: the predictions.
    """

    batch_size: int
    seen: Seen


@dataclass(frozen=True, slots=True)
class Limit:
    """A batch that was too large for a server.

    Args:
        died: whether the server died; else it reported that its memory was exhausted.
        error: the error message.
        cause: the error message without details, shared by all cells that are not measured because of it.
    """

    batch_size: int
    died: bool
    error: str
    cause: str


class Outages:
    """The outages of the servers used by one process.

    Args:
        servers: server name by platform; platforms with the same server share its outages.
        now: a monotonic clock, seconds.
        sleep: sleeps for a number of seconds.
    """

    def __init__(
        self,
        servers: Mapping[str, str],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._servers = servers
        self._now = now
        self._sleep = sleep
        self._gone: set[str] = set()
        self._at: dict[str, tuple[Limit, CellKey, Info | None]] = {}
        self._outages: dict[str, str] = {}
        self._waited_for: set[str] = set()
        self._deaths: Counter[str] = Counter()
        self._limits: dict[tuple[str, str, str], Limit] = {}
        self._references: dict[str, dict[str, Reference]] = {}
        self._suspects: set[tuple[str, str]] = set()

    # outages

    def is_gone(self, platform: str) -> bool:
        """Return whether a platform's server vanished and has not come back."""
        return platform in self._gone

    def shares_a_gone_server(self, platform: str) -> bool:
        """Return whether the platform's server vanished while any platform was measured on it."""
        return any(self._servers[other] == self._servers[platform] for other in self._gone)

    def vanished(
        self, platform: str, info: Info | None, key: CellKey | None = None, error: str = "", cause: str = ""
    ) -> None:
        """Record that a server stopped responding.

        Args:
            platform: the server's platform.
            info: what the server last reported about itself.
            key: the cell whose prediction got no response; None for another request.
            error: the error of that prediction.
            cause: the cause of that error, shared by larger batches that are not run because of it.
        """
        self._gone.add(platform)
        self._deaths[self._servers[platform]] += 1
        if key is not None:
            self._at[platform] = Limit(key.batch_size, True, error, cause), key, info

    def cause_of_outage(self, platform: str, otherwise: str) -> str:
        """Return the cause shared by all cells that cannot be measured during the current outage of a server.

        Args:
            platform: the server's platform.
            otherwise: the cause to record if the outage has none yet.
        """
        return self._outages.setdefault(self._servers[platform], otherwise)

    def measured(self, platform: str) -> None:
        """Record that a cell was measured: a later outage is a new one."""
        self._deaths.pop(self._servers[platform], None)

    def come_back(self, platform: str, target: Target) -> None:
        """Wait for a server that vanished: `recovery_timeout_s` the first time, and not at all after a failed wait.

        Raises:
            ServerGoneError: the server is not back.
        """
        server = self._servers[platform]
        hopeless = server in self._waited_for or self._deaths[server] > DEATHS_RUNNING
        began_s = self._now()
        wait_s = 0.0 if hopeless else target.options.recovery_timeout_s
        try:
            info = target.wait_for_return(wait_s, hopeless=hopeless, now=self._now, sleep=self._sleep)
        except ServerGoneError as error:
            self._waited_for.add(server)
            waited = f" (waited {self._now() - began_s:.0f} s for it, --ddperf-recovery-timeout)" if wait_s else ""
            gone = "The server was there at the start of the run, vanished in the middle, and still does not answer"
            cause = self.cause_of_outage(platform, f"{gone}{waited}. {error.cause}")
            raise ServerGoneError(f"{gone}{waited}. {error}", cause=cause) from error
        self._waited_for.discard(server)
        self._outages.pop(server, None)
        at = self._at.pop(platform, None)
        if at is not None and not _survived(at[2], info):
            limit, key, _ = at
            self._limits[platform, key.model, key.scenario] = limit
        for other, theirs in self._servers.items():
            if theirs == server:
                self._gone.discard(other)
                self.suspect(other)

    # batches too large for a server

    def exhausted(self, key: CellKey, error: ServerError) -> None:
        """Record that a server lacked memory for a batch: skip larger ones and verify its next predictions."""
        self._limits[key.platform, key.model, key.scenario] = Limit(key.batch_size, False, str(error), error.cause)
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
        what = "brought the server down" if limit.died else "was more than its memory holds"
        message = f"batch size {limit.batch_size} {what}: {limit.error}"
        raise BatchNotRunError(message, died=limit.died)

    # verifying predictions

    def compare(self, key: CellKey, answer: Answer) -> None:
        """Record the first predictions of a model, and compare later ones with them for the images in both.

        This detects a service that was replaced by another one of the same name when no counter of the server shows it.

        Raises:
            AnswerError: the predictions differ from the first ones.
        """
        known = self._references.setdefault(key.platform, {})
        reference = known.get(key.model)
        if reference is None:
            known[key.model] = Reference(key.batch_size, select_best_classes(answer))
            return
        now = select_best_classes(answer, reference.seen)
        if now == reference.seen:
            return
        before = {uri: was for uri, was in reference.seen.items() if uri in now}
        if key.batch_size == reference.batch_size:
            difference = describe_disagreement(before, now)
        else:
            difference = describe_disagreement(before, now, tie=TIE_ACROSS_SIZES, margin=MARGIN_ACROSS_SIZES)
        if difference:
            raise AnswerError(
                f"{key.model} does not predict what it did at the start of the run: {difference}. Another network may "
                "stand under its name now, or the server computes nonsense: see its log"
            )

    def suspect(self, platform: str, model: str = "") -> None:
        """Mark a server, or the service of one model, for verification before its next measurement."""
        self._suspects.add((platform, model))

    def believe(self, platform: str, model: str, predict: Callable[[str, int], Answer]) -> None:
        """If a server was marked by `suspect`, compare its predictions with its first ones.

        Args:
            platform: the server's platform.
            model: the model to be measured next. It is compared if it was predicted before; else the comparison uses
                the most recent model whose service is still available.
            predict: makes one checked prediction of a model and a batch size.

        Raises:
            AnswerError: the predictions differ from the first ones.
            ServiceGoneError: no service with known predictions is left.
            ServerError: the server does not respond.
        """
        suspicions = self._suspects & {(platform, ""), (platform, model)}
        if not suspicions:
            return
        known = self._references.get(platform, {})
        gone: ServiceNotFoundError | None = None
        for compared in [model] if model in known else reversed(known):
            reference = known[compared]
            try:
                answer = predict(compared, reference.batch_size)
            except ServiceNotFoundError as error:
                gone = gone or error
                continue
            difference = describe_disagreement(reference.seen, select_best_classes(answer))
            if difference:
                raise AnswerError(
                    f"The server answers after a failure, and {compared} does not predict what it did at the start "
                    f"of the run: {difference}. Nothing it computes is to be believed: restart it, and see its log"
                )
            break
        else:
            if gone is not None:
                none_left = "The server answers after a failure, and none of what it served before is left to compare"
                raise ServiceGoneError(
                    describe_gone_service(gone) if model in known else f"{none_left}: {gone}"
                ) from gone
        self._suspects -= suspicions


def describe_gone_service(error: ServiceNotFoundError) -> str:
    """Return the message for a service that was deleted during or just before its measurement."""
    return f"The service vanished in the middle of the run, and cannot be created again: {error}"


def _survived(before: Info | None, after: Info) -> bool:
    """Whether a server that cut a connection is still the same process: no service is gone, no count has fallen."""
    if before is None:
        return True
    counts = {one.name: _count(one.stats) for one in after.services}
    return all(one.name in counts and counts[one.name] >= _count(one.stats) for one in before.services)


def _count(stats: ServiceStats | None) -> int:
    return (stats.predict_count or 0) if stats else 0
