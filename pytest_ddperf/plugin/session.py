"""State of a pytest session: its settings, runner, records and history."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pytest_ddperf import __version__
from pytest_ddperf.baselines.recordings import TAKEN, write_recorded
from pytest_ddperf.baselines.store import BaselineStore
from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.settings import Settings
from pytest_ddperf.core.record_codec import to_json
from pytest_ddperf.core.records import CellRecord, Outcome
from pytest_ddperf.core.results import select_reddest
from pytest_ddperf.errors import DdperfError, HookError, ServerError
from pytest_ddperf.history.nights import read_nights
from pytest_ddperf.history.writer import HistoryWriter, check_writable, create_header
from pytest_ddperf.measure.gc_pause import collect_rarely
from pytest_ddperf.measure.loop import Plan
from pytest_ddperf.plugin.given import read_given
from pytest_ddperf.plugin.sigterm import treat_as_interrupt
from pytest_ddperf.report import benchmark_json
from pytest_ddperf.report.gather import extract_run_facts
from pytest_ddperf.report.terminal import format_verdict, recorded_text
from pytest_ddperf.runner.plan import PlatformPlan
from pytest_ddperf.runner.runner import Runner
from pytest_ddperf.servers.probe import probe_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_ddperf.config.settings import GivenValue
    from pytest_ddperf.core.networks import Network
    from pytest_ddperf.core.records import CellKey, Measurement
    from pytest_ddperf.core.results import RunFacts
    from pytest_ddperf.history.run_file import RunHeader


REFUSED = "ddperf: "
"""Prefix of collection errors that are usage errors: the user's configuration or marker is wrong."""


RECORDED_ROUNDS = 3
"""Minimum rounds per cell with --ddperf-update-baselines; a single round does not show its own bias."""


SESSION_KEY = pytest.StashKey["BenchSession"]()
RECORD_KEY = pytest.StashKey[CellRecord]()
"""On an item: the record of its cell, once there is one."""

FAILED_BY_TEST_KEY = pytest.StashKey[bool]()
"""On an item: its attempt was ended by something other than our verdict."""

UNDECIDED_KEY = pytest.StashKey[CellRecord]()
"""On an item: the record of an earlier, undecided attempt."""

TO_CONTROLLER = "ddperf_channel"
"""Key in a worker's `workerinput`: the execnet channel for data that no report carries."""


class BenchSession:
    """State of one pytest process; settings and runner are created on first use.

    Args:
        config: configuration of the pytest process, controller or worker.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.given: Mapping[str, GivenValue] = read_given(config)
        self.records: dict[str, CellRecord] = {}
        self.measurements: dict[str, Measurement] = {}
        self.collected: Sequence[CellKey] = ()
        self.deselected = 0
        self.not_run = (0, 0)
        self.refused = False
        self.warnings: list[str] = []
        self.written: list[str] = []
        self._settings: Settings | None = None
        self._runner: Runner | None = None
        self._history: HistoryWriter | None = None
        self._header: RunHeader | None = None
        self._history_failed = False
        self._interrupted = False
        self._collecting = False

    def begin_collecting(self) -> None:
        """Reduce garbage collections from the first gated test on; called for every gated test."""
        if not self._collecting:
            self._collecting = True
            self.config.add_cleanup(collect_rarely())

    @property
    def is_worker(self) -> bool:
        """Whether this process is an xdist worker, which measures while the controller stores the records."""
        return hasattr(self.config, "workerinput")

    @property
    def measures(self) -> bool:
        """Whether cells are measured and judged; if not, each makes one checked prediction."""
        return not self.config.getoption("benchmark_disable", default=False) or bool(
            self.config.getoption("benchmark_enable", default=False)
        )

    @property
    def settings(self) -> Settings:
        """The settings, resolved on first use.

        Raises:
            ConfigurationError: an option, ddperf.toml or the package's own data is invalid.
        """
        if self._settings is None:
            catalog = load_catalog(self.project_dir)
            self._settings = Settings.resolve(self.given, catalog, self.project_dir)
        return self._settings

    @property
    def project_dir(self) -> Path:
        """The folder of pytest's configuration file; without one, the root folder."""
        return self.config.inipath.parent if self.config.inipath is not None else self.config.rootpath

    @property
    def runner(self) -> Runner:
        """The runner of the measured platforms, created on first use.

        Raises:
            ConfigurationError: a baseline cannot be read.
        """
        if self._runner is None:
            plans = {name: self._plan(name) for name in self.settings.platforms}
            self._runner = Runner(plans, self.settings.catalog.networks, self.say, self._run_id)
        return self._runner

    @property
    def _run_id(self) -> str:
        """Id of the run, the same in xdist's controller and workers; "" without xdist."""
        if self.is_worker:
            return str(self.config.workerinput["testrunuid"])  # type: ignore[attr-defined] # xdist's
        manager = getattr(self.config.pluginmanager.get_plugin("dsession"), "nodemanager", None)
        return str(getattr(manager, "testrunuid", ""))

    def _plan(self, platform: str) -> PlatformPlan:

        settings = self.settings
        store = BaselineStore(settings.catalog, project_dir=self.project_dir)
        mode = settings.value("update-baselines")
        nights = None
        if settings.value("baseline") in ("auto", "history"):
            nights = read_nights(settings.storage_dir, platform)
            self.warnings += [one for one in nights.skipped if one not in self.warnings]
        return PlatformPlan(
            platform=settings.catalog.platform(platform),
            server=settings.server_options(platform),
            passes=Plan(
                settings.value("warmup"),
                settings.value("npasses"),
                settings.value("max-passes"),
                settings.value("timer"),
            ),
            tolerance=settings.tolerance(platform),
            baseline=store.load(platform, settings.value("baseline"), nights, settings.folder_of("baseline")),
            nights=None if nights is None else nights.after(store.recorded_since(platform)),
            tune=bool(settings.value("tune")),
            least_rounds=1 if mode is None else RECORDED_ROUNDS,
            recorded=store.recorded_cells(platform) if mode == "accepted" else None,
            load_requests=settings.value("load-requests", platform),
        )

    def say(self, line: str) -> None:
        """Show a line to the user during the run; a worker writes it to standard error, which the user sees."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        # output is captured while a test runs
        with contextlib.nullcontext() if capture is None else capture.global_and_fixture_disabled():
            if self.is_worker:
                sys.stderr.write(f"\n{line}\n")
                sys.stderr.flush()
            elif reporter is not None:
                reporter.ensure_newline()
                reporter.write_line(line)
                reporter.flush()  # otherwise a pipe would show the line only with later output

    def prepare(self) -> None:
        """Check everything but the servers before the first test, and handle SIGTERM from now on.

        Raises:
            ConfigurationError: the history cannot be written, or a baseline cannot be read.
        """
        self.config.add_cleanup(treat_as_interrupt())

        check_writable(self.settings.storage_dir)
        self.warnings += [
            f"{' and '.join(names)} use the same server, {server}; they are measured one after the other."
            for server, names in self.settings.shared_servers().items()
        ]
        _ = self.runner

    def check_servers(self, platforms: Sequence[str]) -> None:
        """Check the servers before the first test, and open the server if there is only one platform.

        Several servers are only probed. Each is opened when its cells are measured, one platform after the other. If
        some of them are down, their cells get the verdict `error`.

        Raises:
            ConfigurationError: the options do not fit the server.
            pytest.UsageError: all servers are down; exit status 4.
        """
        if len(platforms) > 1:
            for platform, down in self.probe_servers(platforms).items():
                self.runner.platforms[platform].down = down
            return
        self.prepare()
        try:
            self.runner.open(platforms[0]).check_parameters(self._networks(platforms[0]))
        except HookError as error:  # each of its cells then fails with this error
            self.say(f"ddperf: {platforms[0]}: {error}")
        except ServerError as error:
            raise pytest.UsageError(self.no_server_text(platforms, [error])) from None

    def probe_servers(self, platforms: Sequence[str]) -> dict[str, ServerError]:
        """Probe the servers before the first test without opening them.

        Returns:
            The errors of the servers that are down, by platform.

        Raises:
            ConfigurationError: the options do not fit the server.
            pytest.UsageError: all servers are down; exit status 4.
        """
        self.prepare()

        servers = {name: self.settings.server_options(name) for name in platforms}
        down = probe_all(servers, self.say, {name: self._networks(name) for name in platforms})
        if len(down) == len(platforms):
            raise pytest.UsageError(self.no_server_text(platforms, list(down.values())))
        return down

    def _networks(self, platform: str) -> list[Network]:
        """Return the networks to measure on a platform."""
        models = dict.fromkeys(key.model for key in self.collected if key.platform == platform)
        return [self.settings.catalog.networks[model] for model in models]

    def no_server_text(self, platforms: Sequence[str], errors: Sequence[DdperfError]) -> str:
        """Return the text of the usage error if all servers are down."""
        causes = " ".join(f"{platform}: {error}" for platform, error in zip(platforms, errors, strict=True))
        return (
            f"ddperf: no server to measure. {causes} Start it, use another one with --ddperf-url=URL, wait for it "
            "with --ddperf-wait=SECONDS, or run on this machine with --ddperf-url=embedded."
        )

    def keep(self, record: CellRecord, text: str | None = None) -> None:
        """Store a record and write it to disk at once. Called in the controller only.

        Args:
            record: the record of a cell.
            text: the same record as JSON, if it was attached to a report.
        """
        self.records[record.nodeid] = record
        if record.outcome is Outcome.UNAVAILABLE and record.measurement is None:
            return
        if self._history is None:
            self._history = self._new_history()
        try:
            self._history.append(record, text)
        except DdperfError as error:
            if not self._history_failed:
                self._history_failed = True
                self.say(f"ddperf: {error}")  # shown now, while the user can still act
        if record.outcome is Outcome.REMEASURE and self.config.get_verbosity() > 0:
            self.say(f"ddperf: {record.key}: {format_verdict(record)}, undecided; will be measured again")

    def keep_unreported(self, record: CellRecord) -> None:
        """Store a record that is in no report: of a deferred attempt, or of a test that ends the run."""
        if self.is_worker:
            self.send_to_controller("record", to_json(record).decode())
        else:
            self.keep(record)

    def tell_begun(self, nodeid: str) -> None:
        """Tell xdist's controller that a test has begun, so that it knows which test is lost if this worker dies.

        The reports of a cell are sent only after its attempt.
        """
        if self.is_worker:
            self.send_to_controller("begun", nodeid)

    def send_to_controller(self, kind: str, value: object) -> None:
        """Send builtins from a worker; they arrive before anything that xdist sends later."""
        channel = self.config.workerinput.get(TO_CONTROLLER)  # type: ignore[attr-defined] # xdist's
        if channel is not None:
            channel.send((kind, value))

    def _new_history(self) -> HistoryWriter:

        settings = self.settings
        facts = {
            "commit": benchmark_json.read_commit_facts(),
            "tolerance": {name: settings.tolerance(name) for name in settings.platforms},
            "matrix": self._matrix(settings),
        }
        accepted = bool(settings.value("accept"))
        self._header = create_header(__version__, settings.platforms, accepted=accepted, facts=facts)
        return HistoryWriter(settings.storage_dir, self._header)

    def _matrix(self, settings: Settings) -> dict[str, dict[str, list[Any]]]:
        """Return the whole matrix by platform; empty if only part of it was requested."""
        if self._asked_for_part(settings):
            return {}
        return {
            name: {
                "models": list(settings.models(name)),
                "batch_sizes": list(settings.batch_sizes(name)),
                "scenarios": list(settings.scenarios(name)),
            }
            for name in settings.platforms
        }

    def run_facts(self) -> dict[str, RunFacts]:
        """Return the facts about this run for reports, by platform; empty if no record was stored."""
        if self._header is None:
            return {}
        facts = extract_run_facts(self._header, self.records.values(), complete=not self._interrupted)
        return dict.fromkeys((record.key.platform for record in self.records.values()), facts)

    @property
    def measured(self) -> list[CellRecord]:
        """The records with a measurement."""
        return [record for record in self.records.values() if record.now_ms is not None]

    def missing(self) -> dict[str, int]:
        """Return by platform how many cells with a baseline were collected but not measured.

        Empty if only part of the matrix was requested. Cells excluded by a test's own marker do not count.
        """
        if self._settings is None or self._asked_for_part(self._settings):
            return {}
        left = set(self.collected) - {record.key for record in self.measured}
        counts = {name: len(left & run.plan.expected()) for name, run in self.runner.platforms.items()}
        return {name: count for name, count in counts.items() if count}

    def count_not_run(self, ended: int) -> tuple[int, int]:
        """Return the number of cells that were not run, and the number of all cells.

        Cells that the baseline marks `x` count only with --ddperf-run-unavailable.

        Args:
            ended: number of tests of cells that have ended.
        """
        if self._runner is None or not self.collected:
            return 0, 0
        marked: set[CellKey] = set()
        if not self.settings.value("run-unavailable"):
            plans = {name: run.plan for name, run in self._runner.platforms.items()}
            marked = {key for key in self.collected if plans[key.platform].marked_unavailable(key) is not None}
        skipped = sum(record.key in marked for record in self.records.values())
        total = sum(key not in marked for key in self.collected)
        return max(total - (ended - skipped), 0), total

    def _measured_all(self) -> bool:
        """Return whether every requested cell has a record; only then may later nights be compared with the run."""
        return not self._chose() and 0 < len(self.collected) <= len(self.records)

    def _chose(self) -> bool:
        """Return whether the user selected tests; xdist's controller deselects nothing, so check the options too."""
        option = self.config.option
        chosen = any(getattr(option, name, None) for name in ("keyword", "markexpr", "lf", "last_failed", "deselect"))
        return bool(self.deselected or chosen or any("::" in str(argument) for argument in self.config.args))

    def _asked_for_part(self, settings: Settings) -> bool:
        """Return whether the run covers only part of the matrix of its platforms."""
        return self._chose() or any(
            settings.was_given(name) for name in ("models", "batch-sizes", "max-batch-size", "batch-schedule")
        )

    def close_history(self, exit_status: int) -> None:
        """Mark the run as ended in the history."""
        self._interrupted = exit_status == pytest.ExitCode.INTERRUPTED
        history = self._history
        if history is None:
            return
        try:
            whole = self._measured_all()
            history.close(exit_status, whole=whole)
            if not whole and self.settings.value("accept"):
                self.warnings.append(
                    "--ddperf-accept had no effect: not every cell was run to its end, so later nights are not "
                    "compared with this run."
                )
        except DdperfError as error:
            left = f" Lines of this run that were not written: {history.unwritten}." if history.unwritten else ""
            self.warnings.append(f"{error}{left}")
        if history.path.exists():
            self.written.insert(0, f"history: {history.path}")

    def update_baselines(self) -> None:
        """Record this run as the baseline of its platforms, if --ddperf-update-baselines was given."""
        mode = None if self._settings is None else self._settings.value("update-baselines")
        if mode is None or self._settings is None:
            return

        store = BaselineStore(self._settings.catalog, project_dir=self.project_dir)
        for platform in self._settings.platforms:
            own = (record for record in self.records.values() if self._may_be_recorded(record, platform))
            records = list(select_reddest(own).values())
            measured = [record for record in records if record.now_ms is not None]
            if not measured:
                continue
            try:
                update = write_recorded(
                    store.recorded_path(platform),
                    records,
                    machine_info=self.machine_info(measured),
                    commit_info=benchmark_json.read_commit_facts(),
                    version=benchmark_json.pytest_benchmark_version(),
                    stats=benchmark_json.compute_stats,
                    mode=mode,
                )
            except DdperfError as error:
                self.warnings.append(str(error))
                continue
            left = [record for record in measured if record.key in update.left_out]
            kept = f"; {len(left)} unchanged" if left else ""
            taken = sum(record.outcome in TAKEN["all"] for record in left)
            if taken and mode != "all":
                which = f"{taken} of them" if taken < len(left) else "it" if taken == 1 else "them"
                kept += f", --ddperf-update-baselines=all also records {which}"
            count = f"{len(update.written)} cell{'' if len(update.written) == 1 else 's'}"
            self.written.append(f"baseline: {update.path} ({count} recorded{kept})")
            self.written += [
                f"  {recorded_text(key, update.before.get(key), update.after[key])}" for key in update.written
            ]

    def _may_be_recorded(self, record: CellRecord, platform: str) -> bool:
        """Return whether a record may enter the platform's baseline; a missing service does not mark a cell `x`."""
        if record.key.platform != platform:
            return False
        plan = self.runner.platforms[platform].plan
        return record.outcome is not Outcome.UNAVAILABLE or plan.marked_unavailable(record.key) is not None

    def machine_info(self, records: Iterable[CellRecord]) -> dict[str, object]:
        """Return our part of pytest-benchmark's machine_info: the servers of these records."""
        catalog = self.settings.catalog
        return benchmark_json.build_machine_info(
            {
                record.key.platform: (
                    catalog.platform(record.key.platform).title,
                    record.measurement.conditions.backend if record.measurement else "",
                    record.server,
                )
                for record in records
                if record.server is not None
            }
        )

    def close(self) -> None:
        """Release every server. May be called twice."""
        if self._runner is not None:
            self._runner.close()
            if not self.is_worker:
                self._runner.make_up()
