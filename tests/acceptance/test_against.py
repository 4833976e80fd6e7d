"""`--ddperf-against`: two servers, measured in pairs."""

from __future__ import annotations

import csv
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from every_row import every_row
from messages import assert_names
from scripted_deepdetect import Prediction, internal_error, out_of_memory

from pytest_ddperf.history.nights import read_nights
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scripted_server import Reply

B8 = "squeezenet_v1.1", 8
CELL_B8 = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8")
NEW, OLD = "new", "old"


@pytest.fixture
def old() -> Iterator[TableServer]:
    """The reference, as fast as the server under test."""
    with TableServer("tk1") as running:
        yield running


@pytest.fixture
def asked(tk1: BenchProject, old: TableServer) -> list[str]:
    """Which server was asked, in order."""
    found: list[str] = []

    def note(name: str) -> Any:  # noqa: ANN401 - a callable
        def ask(_: Prediction) -> None:
            found.append(name)

        return ask

    tk1.server.fault, old.fault = note(NEW), note(OLD)
    return found


def against(old: TableServer, *args: str) -> tuple[str, ...]:
    return (f"--ddperf-against={old.url}", *args)


def created(server: TableServer) -> list[str]:
    return [one.path for one in server.asked("PUT", "/services")]


# verdicts


def test_two_equally_fast_servers_are_ok_after_eight_pairs(tk1: BenchProject, old: TableServer) -> None:
    result = tk1.run(*against(old, *SQUEEZENET, "-v"))
    assert result.ret == pytest.ExitCode.OK
    assert set(tk1.verdicts().values()) == {"ok"}
    result.stdout.fnmatch_lines(["*squeezenet_v1.1-b8] PASSED 53.7 ms/img +0.0 % [[]+0.0, +0.0] 8 pairs*"])
    assert_names(result, old.url, "in pairs")


def test_a_cell_that_is_slower_than_on_the_reference_is_regressed(tk1: BenchProject, old: TableServer) -> None:
    tk1.server.slow(*B8, 1.3)
    result = tk1.run(*against(old, *SQUEEZENET))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok", "tk1-squeezenet_v1.1-b8": "regressed"}
    assert_names(result, "53.7 -> 69.8 +30.0%!")
    assert_names(result, "69.8 ms", "53.7 ms", "+30.0 %", f"squeezenet_v1.1 on {old.url}", "24 pairs")
    assert_names(result, f"--ddperf-against={old.url}", f"--ddperf-url={tk1.server.url}")
    assert "--ddperf-update-baselines" not in result.stdout.str()


def test_a_cell_that_is_faster_than_on_the_reference_is_improved(tk1: BenchProject, old: TableServer) -> None:
    old.slow(*B8, 1.3)
    assert tk1.run(*against(old, *SQUEEZENET)).ret == pytest.ExitCode.OK
    assert tk1.verdicts()["tk1-squeezenet_v1.1-b8"] == "improved"


def test_the_published_table_is_not_consulted(tk1: BenchProject, old: TableServer) -> None:
    for server in (tk1.server, old):
        server.slow(*B8, 2.0)
    tk1.run(*against(old, *CELL_B8))
    (record,) = tk1.records()
    assert (record.outcome, record.change) == ("ok", 0.0)
    assert record.baseline is not None
    assert record.baseline.kind == "against"


def test_a_server_that_is_slower_with_every_network_is_red_everywhere_and_one_line_says_so(
    tk1: BenchProject, old: TableServer
) -> None:
    sizes = (1, 2, 4, 8)
    for size in sizes:
        tk1.server.slow("squeezenet_v1.1", size, 1.2)
    result = tk1.run(*against(old, "--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,2,4,8"))
    assert set(tk1.verdicts().values()) == {"regressed"}
    assert_names(result, "all 4 cells are slower than the reference", "20 %")


# pairs and rounds


def test_the_servers_take_turns_and_every_two_pairs_hold_both_orders(
    tk1: BenchProject, old: TableServer, asked: list[str]
) -> None:
    tk1.run(*against(old, *CELL_B8))
    warmup, pairs = asked[:2], list(zip(asked[2::2], asked[3::2], strict=True))
    assert warmup == [NEW, OLD]
    assert len(pairs) == 8
    assert all(set(pair) == {NEW, OLD} for pair in pairs)
    assert all(one != other for one, other in list(pairwise(pairs))[::2])


def test_a_seed_repeats_the_order(tk1: BenchProject, old: TableServer, asked: list[str]) -> None:
    orders = []
    for _ in range(2):
        asked.clear()
        tk1.run(*against(old, *SQUEEZENET, "--ddperf-pair-seed=7"))
        orders.append(list(asked))
    assert orders[0] == orders[1]
    (first, *_) = tk1.records()
    assert first.measurement is not None
    assert first.measurement.against is not None
    assert first.measurement.against.seed == 7


def test_services_of_ours_are_recreated_on_both_sides_between_rounds(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=()) as new, TableServer("tk1", services=()) as old:
        tk1 = BenchProject(pytester, new)
        new.slow(*B8, 1.3)
        tk1.run(*against(old, *CELL_B8, "--ddperf-repository=/srv/models/{model}"))
        assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "regressed"}
        assert [len(created(server)) for server in (new, old)] == [3, 3]
        assert [server.services for server in (new, old)] == [[], []]
        (record,) = tk1.records()
        assert record.notes == ()


def test_services_that_existed_are_used_and_a_note_says_what_that_means(tk1: BenchProject, old: TableServer) -> None:
    result = tk1.run(*against(old, *SQUEEZENET))
    assert_names(result, "note", "start-up cannot be distinguished")
    assert created(tk1.server) == created(old) == []


def test_max_pairs_is_the_last_look(tk1: BenchProject, old: TableServer) -> None:
    factors = iter([1.0, 1.6] * 100)
    table = tk1.server._latency_ms
    tk1.server.latency_ms = lambda service, batch: table(service, batch) * next(factors)
    tk1.run(*against(old, *CELL_B8, "--ddperf-max-pairs=24", "--ddperf-pair-seed=1"))
    (record,) = tk1.records()
    assert record.pairs == 24
    assert record.outcome != "remeasure"


# what is compared


def test_predictions_that_differ_are_a_note(tk1: BenchProject, old: TableServer) -> None:
    old.wrong = lambda _, predictions: [
        {**one, "classes": [{"cat": "other", "prob": 0.9, "last": True}]} for one in predictions
    ]
    result = tk1.run(*against(old, *CELL_B8))
    assert result.ret == pytest.ExitCode.OK
    assert_names(result, "note", "predictions of the two servers differ", "other")


def test_self_creates_a_second_service(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=()) as server:
        tk1 = BenchProject(pytester, server)
        server.slow("squeezenet_v1.1_b", 8, 0.5369)  # of 100 ms, the time of a service that is not in the table
        tk1.run("--ddperf-against=self", *CELL_B8, "--ddperf-repository=/srv/models/{model}")
        assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "ok"}
        assert {one.service for one in server.predictions} == {"squeezenet_v1.1", "squeezenet_v1.1_b"}
        assert server.services == []


def test_self_asks_an_existing_service_twice_with_a_note(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-against=self", *CELL_B8)
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "ok"}
    assert {one.service for one in tk1.server.predictions} == {"squeezenet_v1.1"}
    assert_names(result, "note", "asked twice")


def test_the_table_in_ddperf_toml_names_another_service_of_the_same_server(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=("squeezenet_v1.1", "squeezenet_v1.1_old")) as server:
        tk1 = BenchProject(pytester, server)
        (tk1.path / "ddperf.toml").write_text('[platforms.tk1.against]\nservice = "{model}_old"\n', encoding="utf-8")
        server.slow("squeezenet_v1.1_old", 8, 0.5369)  # of 100 ms, the time of a service that is not in the table
        tk1.run("--ddperf-against", *CELL_B8)
        assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "ok"}
        assert {one.service for one in server.predictions} == {"squeezenet_v1.1", "squeezenet_v1.1_old"}


def test_the_table_alone_changes_nothing(tk1: BenchProject, old: TableServer) -> None:
    text = f'[platforms.tk1.against]\nurl = "{old.url}"\n'
    (tk1.path / "ddperf.toml").write_text(text, encoding="utf-8")
    tk1.run(*CELL_B8)
    assert old.predictions == []
    assert tk1.records()[0].pairs == 0


# failures


def test_a_reference_that_fails_is_an_error_that_names_it(tk1: BenchProject, old: TableServer) -> None:
    old.fault = lambda _: internal_error()
    result = tk1.run(*against(old, *SQUEEZENET))
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert set(tk1.verdicts().values()) == {"error"}
    assert_names(result, "reference", old.url)


def test_a_reference_that_dies_is_an_error_and_no_crash_of_the_server_under_test(
    tk1: BenchProject, old: TableServer
) -> None:
    old.fault = lambda prediction: old.die() if prediction.number == 5 else None
    result = tk1.run(*against(old, *SQUEEZENET))
    assert set(tk1.verdicts().values()) == {"error"}
    assert_names(result, "reference", old.url)


def test_a_server_under_test_that_dies_has_crashed(tk1: BenchProject, old: TableServer) -> None:
    tk1.server.fault = lambda prediction: tk1.server.die() if prediction.number == 5 else None
    result = tk1.run(*against(old, *CELL_B8))
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "crashed"}
    assert old.url not in "\n".join(line for line in result.outlines if "crashed" in line)


def test_a_reference_that_does_not_respond_ends_the_run_before_it_begins(tk1: BenchProject, old: TableServer) -> None:
    old.close()
    result = tk1.run(*against(old, *SQUEEZENET))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, old.url)
    assert tk1.server.predictions == []


def test_another_client_of_the_reference_makes_the_cell_invalid(tk1: BenchProject, old: TableServer) -> None:
    def use(_: Prediction) -> Reply | None:
        old.use_elsewhere("googlenet")
        return None

    old.fault = use
    result = tk1.run(*against(old, *CELL_B8))
    assert tk1.verdicts() == {"tk1-squeezenet_v1.1-b8": "invalid"}
    assert_names(result, "reference", "googlenet")


def test_a_board_without_room_for_both_services_gets_one_paragraph(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=()) as server:
        tk1 = BenchProject(pytester, server)
        server.fault = lambda prediction: out_of_memory() if prediction.service.endswith("_b") else None
        result = tk1.run("--ddperf-against=self", *SQUEEZENET, "--ddperf-repository=/srv/models/{model}")
        assert set(tk1.verdicts().values()) == {"error"}
        assert_names(result, "in 2 cells", "memory", "--ddperf-update-baselines")


def test_both_servers_are_locked(tk1: BenchProject, old: TableServer) -> None:
    lock = ServerLock(f"localhost:{old.port}")
    assert lock.acquire_at_once()
    try:
        result = tk1.run(*against(old, *CELL_B8, "--ddperf-lock-wait=0"))
    finally:
        lock.release()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "another run", old.port)
    assert tk1.server.predictions == old.predictions == []


# refused


@every_row(
    "options, named",
    [
        (["--ddperf-accept"], "--ddperf-accept"),
        (["--ddperf-update-baselines"], "--ddperf-update-baselines"),
        (["--ddperf-baseline=report"], "--ddperf-baseline"),
        (["--ddperf-concurrency=2"], "--ddperf-concurrency"),
        (["--ddperf-rate=5"], "--ddperf-rate"),
        (["--ddperf-npasses=9"], "--ddperf-npasses"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tk1: BenchProject, old: TableServer, options: list[str], named: str
) -> None:
    result = tk1.run(*against(old, *SQUEEZENET, *options))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "--ddperf-against", named)
    assert tk1.server.predictions == []


def test_the_service_that_is_measured_is_no_reference(tk1: BenchProject) -> None:
    result = tk1.run(f"--ddperf-against={tk1.server.url}", *SQUEEZENET)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, tk1.server.url, "--ddperf-against=self", "[platforms.tk1.against]")


@every_row("option", ["--ddperf-max-pairs=24", "--ddperf-pair-seed=1"])
def test_options_of_pairs_need_a_reference(tk1: BenchProject, option: str) -> None:
    result = tk1.run(*SQUEEZENET, option)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, option, "--ddperf-against")


def test_an_unknown_key_of_the_table_is_refused(tk1: BenchProject) -> None:
    (tk1.path / "ddperf.toml").write_text('[platforms.tk1.against]\nbefore = "make"\n', encoding="utf-8")
    result = tk1.run(*SQUEEZENET)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ddperf.toml, line 2", "before", "url")


# what is kept


def test_the_run_is_kept_but_is_no_night(tk1: BenchProject, old: TableServer) -> None:
    tk1.run(*against(old, *SQUEEZENET))
    assert len(tk1.records()) == 2
    assert read_nights(tk1.path / ".ddperf", "tk1").cells == {}


@pytest.mark.slow
def test_the_files_of_a_run_have_the_interval_the_pairs_and_the_seed(tk1: BenchProject, old: TableServer) -> None:
    tk1.server.slow(*B8, 1.3)
    files = ("--benchmark-json=out.json", "--junitxml=out.xml", "--ddperf-report=out.csv", "--ddperf-report=out.md")
    tk1.run(*against(old, *CELL_B8, *files, "--ddperf-plot=figures", "--ddperf-pair-seed=3"))
    properties = dict(re.findall(r'<property name="(\w+)" value="([^"]*)"', (tk1.path / "out.xml").read_text()))
    assert (properties["interval_low_percent"], properties["pairs"], properties["pair_seed"]) == ("30.00", "24", "3")
    rows = csv.DictReader((tk1.path / "out.csv").read_text().splitlines())
    (row,) = [one for one in rows if one["outcome"]]
    assert float(row["interval_high"]) == pytest.approx(0.3)
    assert (row["pairs"], row["pair_seed"]) == ("24", "3")
    assert "+30.0 % [+30.0, +30.0] (24 pairs)" in (tk1.path / "out.md").read_text()
    assert (tk1.path / "out_figures" / "against" / "tk1.png").exists()
    assert 'id="interval:0"' in (tk1.path / "figures" / "against" / "tk1.svg").read_text()
    (benchmark,) = tk1.json("out.json")["benchmarks"]
    found = benchmark["extra_info"]["against"]
    assert found["change"] == pytest.approx(0.3)
    assert found["interval"] == pytest.approx([0.3, 0.3])
    assert (found["pairs"], found["seed"], found["server"]["url"]) == (24, 3, old.url)
    assert benchmark["extra_info"]["server"]["url"] == tk1.server.url
    assert benchmark["stats"]["data"] == pytest.approx([0.0698] * 24, rel=1e-2)
    assert [len(one) for one in found["ms_per_image"]] == [8, 8, 8]


# several platforms, pytest-xdist


@pytest.mark.slow
def test_platforms_that_share_a_reference_are_measured_by_one_worker(tk1: BenchProject, old: TableServer) -> None:
    with TableServer("tx1") as tx1:
        for server in (tk1.server, tx1, old):
            server._delay_s = 0.02
        result = tk1.bare(
            "benchmarks",
            "--platform=tk1,tx1",
            f"--ddperf-url=tk1={tk1.server.url},tx1={tx1.url}",
            f"--ddperf-against=tk1={old.url},tx1={old.url}",
            *CELL_B8,
            "-n2",
        )
        assert len(tk1.verdicts()) == 2
        assert old.most_concurrent == 1
        assert_names(result, old.url)


@pytest.mark.slow
@pytest.mark.parametrize("reference", ["embedded", "self"])
def test_two_real_servers(
    pytester: pytest.Pytester, server: TableServer, monkeypatch: pytest.MonkeyPatch, reference: str
) -> None:
    pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")
    monkeypatch.chdir(pytester.path)
    local = BenchProject(pytester, server, "local")
    (local.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1", "--ddperf-threads=1")
    result = local.bare("benchmarks", f"--ddperf-against={reference}", *options, "--ddperf-tolerance=900%", "-v")
    result.assert_outcomes(passed=1)
    (record,) = local.records()
    assert record.pairs == 8
    assert record.notes == ()
    assert_names(result, "8 pairs")
