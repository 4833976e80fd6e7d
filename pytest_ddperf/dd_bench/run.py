"""A run of `ddperf bench`: dd_bench's order of requests, measured with the plugin's own loop."""

from __future__ import annotations

import contextlib
import statistics
import time
from typing import TYPE_CHECKING, Final

from pytest_ddperf.core.records import CellKey, Clock, Conditions, Measurement
from pytest_ddperf.dd_bench import output
from pytest_ddperf.dd_bench.output import BatchResult
from pytest_ddperf.dd_bench.pitfalls import describe_pitfalls
from pytest_ddperf.deepdetect.backoff import retry
from pytest_ddperf.deepdetect.consistency import describe_change
from pytest_ddperf.errors import (
    AnswerError,
    ConfigurationError,
    DdperfError,
    RequestRefusedError,
    ServerError,
    ServiceExistsError,
    ServiceNotFoundError,
)
from pytest_ddperf.measure.loop import Plan, measure_cell
from pytest_ddperf.servers.batches import bind_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_ddperf.core.records import Round
    from pytest_ddperf.dd_bench.options import BenchOptions
    from pytest_ddperf.deepdetect.predictions import Prediction
    from pytest_ddperf.measure.loop import Progress
    from pytest_ddperf.servers.batches import Batch
    from pytest_ddperf.servers.request_images import BenchImages
    from pytest_ddperf.servers.target import Target

RECREATED_FIRST: Final = 5
"""Predictions that dd_bench makes on a recreated service, before the one that it discards."""

COLD_TIMEOUT_S: Final = 2000.0
"""Timeout for creating and loading a service: a Jetson can take many minutes to build a TensorRT engine."""

RECOVERY_PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Pauses between the requests after a failure; one request is not enough after an out-of-memory error."""

_DIGITS: Final = 6
"""Decimal places kept of milliseconds; further digits are rounding errors from subtracting running totals."""


class DdBenchRun:
    """One run against one server.

    Args:
        options: dd_bench's options, already checked.
        images: paths of the images on the server.
        target: the server, closed.
        line: called with each line of output.
        remark: called with each message for the user that is not part of the output.
    """

    def __init__(
        self,
        options: BenchOptions,
        images: BenchImages,
        target: Target,
        *,
        line: Callable[[str], None],
        remark: Callable[[str], None],
    ) -> None:
        self._options = options
        self._recreate = options.parameters.recreate
        self._images = images
        self._line = line
        self._remark = remark
        self._target = target
        self._usual: Prediction | None = None
        self._lost = ""
        self._clock: Clock | None = None

    def run(self) -> Generator[BatchResult, None, None]:
        """Measure one batch size after the other and yield each result when it is complete.

        The server is locked meanwhile against other runs on this host.

        Raises:
            ServerError: the server cannot be reached, or there is no service that predicts.
            ConfigurationError: the service already exists, but the run would have to create it.
        """
        with contextlib.ExitStack() as stack:
            is_deleted = self._options.auto_kill or self._recreate
            stack.callback(self._target.finish if is_deleted else self._target.close)
            self._target.connection.open()
            self._open()
            if self._options.auto_kill and not self._recreate:  # with it, each service is deleted after its batch size
                stack.callback(self._target.delete_service, self._options.service)
            if not self._recreate:
                self._usual = self._first()
            for batch_size in self._options.batch_sizes:
                result = self._measured(batch_size)
                for text in output.format_passes(result):
                    self._line(text)
                if result.transform_ms is not None:
                    self._line(f"mean transform time = {result.transform_ms}")
                self._line(output.format_closing_line(result))
                if result.failure:
                    self._remark(f"batch size {batch_size} was not measured: {result.failure}")
                yield result

    def _open(self) -> None:
        """Find the service or create it; with `recreate`, check that no service of this name exists yet."""
        options = self._options
        if options.create and not self._recreate:
            try:
                self._create(options.engine_batch_size)
            except ServiceExistsError:
                self._remark(f"the service {options.service} already exists and is used as it is")
            return
        try:
            self._target.client.service(options.service)
        except ServiceNotFoundError:
            if self._recreate:
                return
            raise ServiceNotFoundError(
                f"There is no service {options.service}; create it from its model folder with --create DIR.",
                url=self._target.client.display_url,
                service=options.service,
            ) from None
        if self._recreate:
            raise ConfigurationError(
                f"The service {options.service} already exists, and --recreate would delete it. Delete it yourself, or "
                "name another one with --sname."
            )

    def _create(self, max_batch_size: int) -> None:
        options, mllib = self._options, self._options.parameters.mllib
        try:
            self._target.client.create_service(
                options.service, options.service_body(max_batch_size), timeout_s=COLD_TIMEOUT_S
            )
        except RequestRefusedError as error:
            raise RequestRefusedError(
                f"The service could not be created with --mllib {mllib}; {self._backends()}. If the server "
                "lacks that library, name another with --mllib; otherwise check the folder of --create",
                url=error.url,
                service=error.service,
                http_status=error.http_status,
                code=error.code,
                dd_code=error.dd_code,
                dd_msg=error.dd_msg,
            ) from None

    def _backends(self) -> str:
        """Describe the libraries that the server reports it was built with."""
        with contextlib.suppress(ServerError):
            if built := self._target.client.info().backends:
                return f"the server is built with {', '.join(built)}"
        return "the server does not report its libraries"

    def _first(self) -> Prediction:
        """Load the model by predicting one image; after a failure, the server must return the same prediction."""
        return self._batch(1).predict(COLD_TIMEOUT_S).answer.predictions[0]

    def _batch(self, batch_size: int) -> Batch:
        options = self._options
        data, uris = self._images.batch(batch_size)
        width, height = options.parameters.img_width, options.parameters.img_height
        body, size = options.predict_body(data), (width, height) if width and height else None
        return bind_batch(self._target.client, options.service, body, uris, task=options.task, input_size=size)

    def _measured(self, batch_size: int) -> BatchResult:
        if self._lost:
            return BatchResult(batch_size, failure=self._lost)
        if batch_size > len(self._images.data):
            return BatchResult(
                batch_size,
                failure=f"it needs {batch_size} different images, and {len(self._images.data)} are listed",
            )
        try:
            if self._recreate:
                return self._on_a_new_service(batch_size)
            return self._passes(batch_size, warmup=1)
        except ServerError as error:
            self._lost = "" if self._recreate else self._recover()
            return BatchResult(batch_size, failure=str(error))
        except DdperfError as error:
            return BatchResult(batch_size, failure=str(error).replace("--ddperf-timer", "--timer"))

    def _on_a_new_service(self, batch_size: int) -> BatchResult:
        self._create(batch_size)
        try:
            return self._passes(batch_size, warmup=RECREATED_FIRST + 1)
        finally:
            self._target.delete_service(self._options.service)

    def _passes(self, batch_size: int, *, warmup: int) -> BatchResult:
        options, parameters, batch = self._options, self._options.parameters, self._batch(batch_size)
        conditions = Conditions(
            clock=Clock.HEAD,  # measure_cell replaces it with the gated clock
            backend=parameters.mllib,
            datatype=parameters.datatype,
            width=parameters.img_width,
            height=parameters.img_height,
            gpu=parameters.gpu,
        )
        measurement = measure_cell(
            batch,
            Plan(warmup=warmup, npasses=options.npasses, timer=options.timer),
            Measurement(CellKey(self._target.client.display_url, options.service, batch_size), conditions, ()),
            _BatchObserver(lambda: self._line(f"testing batch size = {batch_size}")),
        )
        if measurement.invalid:
            return BatchResult(batch_size, failure=measurement.invalid)
        clock = measurement.conditions.clock
        is_first = self._clock is None
        if clock is not self._clock:
            self._clock = clock
            self._remark(f"times are from {_CLOCKS[clock]}")
        passes = measurement.rounds[-1].passes
        transforms = [one.transform_ms for one in passes if one.transform_ms is not None]
        if is_first:
            self._describe_pitfalls()
        return BatchResult(
            batch_size,
            tuple(round(ms, _DIGITS) for one in passes if (ms := one.ms(clock)) is not None),
            round(statistics.fmean(transforms), _DIGITS) if len(transforms) == len(passes) else None,
        )

    def _describe_pitfalls(self) -> None:
        """Warn if the times are not what they seem."""
        service = self._target.info.find_service(self._options.service)  # read between the passes, for the totals
        if service is not None and (warning := describe_pitfalls(self._options, service)):
            self._remark(warning)

    def _recover(self) -> str:
        """Send single images until the server recovers.

        Returns:
            "" once it returns the same prediction as at the start of the run, else why it counts as lost.
        """
        try:
            retry(self._verify, ServerError, RECOVERY_PAUSES_S, time.sleep)
        except ServerError as error:
            return f"the server did not recover from the previous failure: {error}"
        return ""

    def _verify(self) -> None:
        """Check that the server predicts the same as at the start of the run.

        Raises:
            ServerError: it does not.
        """
        again = self._first()
        if self._usual is not None and describe_change(self._usual, again, self._options.task):
            raise AnswerError("it responds, but predicts something else than at the start")


class _BatchObserver:
    """Prints dd_bench's line before every prediction of a batch size."""

    def __init__(self, print_line: Callable[[], None]) -> None:
        self._print_line = print_line

    def now(self) -> float:
        return time.time()

    def check(self, _: object) -> None:
        pass

    def reject(self, _: Round) -> str:
        return ""

    def handle_restart(self) -> None:
        pass

    def show_progress(self, _: Progress) -> None:
        self._print_line()


_CLOCKS: Final = {
    Clock.PREDICT: "the server's total_predict_duration_ms, fractions of a millisecond (--timer head: as in dd_bench)",
    Clock.HEAD: "head.time, truncated to whole milliseconds by the server",
    Clock.CLIENT: "this host's clock, HTTP included",
}
