"""What is wrong is said in one paragraph, before anything is measured, with exit status 4."""

from __future__ import annotations

import re
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from bench_project import SQUEEZENET, BenchProject, TableServer
from messages import assert_names
from scripted_server import Reply, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path


def closed_port() -> int:
    """A port of this host where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def refusal(project: BenchProject, result: pytest.RunResult) -> str:
    """The paragraph of a run that was refused before the first measurement."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR, str(result.stdout)
    text = "\n".join(result.errlines + result.outlines)
    assert "Traceback" not in text
    assert "INTERNALERROR" not in text
    assert project.server.predictions == []
    said = [line for line in result.errlines if line.startswith("ERROR: ")]
    assert len(said) == 1, text
    return said[0]


def test_no_server_at_the_url_is_said(tk1: BenchProject) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    said = refusal(tk1, tk1.bare("benchmarks", "--platform=tk1", f"--ddperf-url={url}", *SQUEEZENET))
    assert url in said
    assert "--ddperf-url=embedded" in said


def test_a_host_that_swallows_connections_is_waited_for_2_seconds(tk1: BenchProject) -> None:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(0)
    with listening, socket.create_connection(listening.getsockname()):
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        result = tk1.bare("benchmarks", "--platform=tk1", f"--ddperf-url={url}", *SQUEEZENET)
    assert_names(refusal(tk1, result), url, "No connection within 2 s")


def test_what_is_no_deepdetect_server_is_said(tk1: BenchProject) -> None:
    with ScriptedServer([Reply(200, b"<html>hello</html>", headers={"Content-Type": "text/html"})]) as server:
        result = tk1.bare("benchmarks", "--platform=tk1", f"--ddperf-url={server.url}", *SQUEEZENET)
    assert server.url in refusal(tk1, result)


def test_a_server_that_comes_up_later_is_waited_for(tk1: BenchProject) -> None:
    port = closed_port()
    later: list[TableServer] = []

    def start() -> None:
        later.append(TableServer("tk1", port=port))

    timer = threading.Timer(0.6, start)
    timer.start()
    try:
        url = f"--ddperf-url=http://127.0.0.1:{port}"
        tk1.bare("benchmarks", "--platform=tk1", url, *SQUEEZENET, "--ddperf-wait=30").assert_outcomes(passed=2)
    finally:
        timer.join()
        later[0].close()


def test_a_wait_that_was_in_vain_is_a_refusal(tk1: BenchProject) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    said = refusal(tk1, tk1.bare("benchmarks", "--platform=tk1", f"--ddperf-url={url}", "--ddperf-wait=0.3"))
    assert url in said


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--platform=tk2", "The platform 'tk2' is not known. Did you mean t"),
        ("--ddperf-platform=", "--ddperf-platform: '' is not valid; expected one name or several"),
        ("--ddperf-models=resnet5", "The model 'resnet5' is not known. Did you mean resnet50?"),
        ("--ddperf-models=squeezenet", "ambiguous; name one of squeezenet_v1.0, squeezenet_v1.1"),
        ("--ddperf-npasses=0", "--ddperf-npasses: '0' is not valid; expected a whole number of 1 or more"),
        ("--ddperf-baseline=reprot", "'reprot' is not auto, history, recorded or report"),
        ("--ddperf-url=localhost:8080", "'localhost:8080' is not valid; expected http[s]://[user:password@]host:port"),
        ("--ddperf-url=tx1=http://localhost:1", "--ddperf-url names tx1, but --ddperf-platform=tk1 does not"),
        ("--ddperf-bench-files=missing.txt", "missing.txt: it cannot be read"),
        ("--ddperf-bench-files=~nosuchuser/list.txt", "--ddperf-bench-files: '~nosuchuser/list.txt': the home folder"),
        ("--ddperf-storage=~nosuchuser/kept", "--ddperf-storage: '~nosuchuser/kept': the home folder of the account"),
        ("--ddperf-baseline=~nosuchuser/b.csv", "'~nosuchuser/b.csv': the home folder of the account 'nosuchuser'"),
        ("--ddperf-models=~nosuchuser/net", "--ddperf-models: '~nosuchuser/net': the home folder of the account"),
        ("--ddperf-data-dir=~nosuchuser/images", "--ddperf-data-dir: '~nosuchuser/images': the home folder of"),
        ("--ddperf-repository=~nosuchuser/{model}", "--ddperf-repository: '~nosuchuser/{model}': the home folder of"),
        ("--ddperf-report=~nosuchuser/r.html", "The report: '~nosuchuser/r.html': the home folder of the account"),
        ("--ddperf-report=bmf:~nosuchuser/r.json", "The report: '~nosuchuser/r.json': the home folder of the account"),
        ("--ddperf-plot=~nosuchuser/figures", "--ddperf-plot: '~nosuchuser/figures': the home folder of the account"),
    ],
)
def test_an_option_that_cannot_be_is_refused(tk1: BenchProject, option: str, said: str) -> None:
    reported = refusal(tk1, tk1.run(option))
    assert said in reported
    assert "Start it" not in reported


def test_batch_sizes_beside_a_schedule_are_refused(tk1: BenchProject) -> None:
    said = refusal(tk1, tk1.run("--ddperf-batch-sizes=1,2", "--ddperf-batch-schedule=pow2"))
    assert_names(said, "--ddperf-batch-sizes=1,2", "--ddperf-batch-schedule=pow2")


@pytest.mark.parametrize("where", ["ini", "environment"])
def test_a_home_folder_of_nobody_is_refused_wherever_it_is_written(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    if where == "ini":
        tk1.ini(ddperf_storage="~nosuchuser/kept")
    else:
        monkeypatch.setenv("DDPERF_STORAGE", "~nosuchuser/kept")
    assert "'~nosuchuser/kept'" in refusal(tk1, tk1.run(*SQUEEZENET))


@pytest.mark.parametrize(
    "text",
    ['[platforms.tk1]\nbench_files = "~nosuchuser/list"\n', '[models.mine]\npath = "~nosuchuser/list"\n'],
    ids=["platform", "model"],
)
def test_a_home_folder_of_nobody_is_refused_in_ddperf_toml(tk1: BenchProject, text: str) -> None:
    (tk1.path / "pytest.ini").write_text("[pytest]\nddperf_data_dir = /srv/bench\n", encoding="utf-8")
    (tk1.path / "ddperf.toml").write_text(text, encoding="utf-8")
    assert "'~nosuchuser/list'" in refusal(tk1, tk1.run(*SQUEEZENET))


def test_the_valid_platforms_are_listed(tk1: BenchProject) -> None:
    said = refusal(tk1, tk1.run("--platform=foo"))
    assert "gtx1080ti, tx2" in said
    assert "local" in said


def test_several_platforms_need_a_url_each(tk1: BenchProject) -> None:
    said = refusal(tk1, tk1.bare("benchmarks", "--platform=tk1,tx1", f"--ddperf-url=tk1={tk1.server.url}"))
    assert "tx1 has none" in said
    assert_names(said, "[platforms.tx1]", "ddperf.toml")


def test_several_platforms_do_not_share_one_url(tk1: BenchProject) -> None:
    said = refusal(tk1, tk1.bare("benchmarks", "--platform=tk1,tx1", f"--ddperf-url={tk1.server.url}"))
    assert "tk1=URL,tx1=URL" in said


def test_a_malformed_ini_value_names_its_key_and_file(tk1: BenchProject) -> None:
    tk1.ini(ddperf_npasses="many")
    said = refusal(tk1, tk1.run())
    assert_names(said, "ddperf_npasses", tk1.path / "pytest.ini", "'many'")


def test_a_toml_value_of_another_type_is_reported_with_its_file(tk1: BenchProject) -> None:
    (tk1.path / "pytest.ini").unlink()
    (tk1.path / "pytest.toml").write_text("[pytest]\nddperf_npasses = 7\n", encoding="utf-8")
    said = refusal(tk1, tk1.run())
    assert "pytest.toml" in said
    assert "ddperf_npasses" in said


def test_a_malformed_variable_is_named(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_TIMER", "wall")
    assert_names(refusal(tk1, tk1.run()), "DDPERF_TIMER", "'wall'")


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("given", [True, False])
def test_a_malformed_platform_file_is_reported_with_its_line(tk1: BenchProject, given: bool) -> None:
    path = written(tk1.path / "ddperf.toml", '[platforms.tk1]\ntitle = "Mine"\ntolerence = 0.1\n')
    (tk1.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    said = refusal(tk1, tk1.run() if given else tk1.bare("benchmarks"))
    assert_names(said, f"{path}, line 3", "'tolerence'")
    assert "expected one of title" in said


def test_a_wrong_url_in_a_platform_file_is_reported_with_the_file(tk1: BenchProject) -> None:
    path = written(tk1.path / "ddperf.toml", '[platforms.tk1]\nurl = "localhost:8080"\n')
    said = refusal(tk1, tk1.bare("benchmarks", "--platform=tk1"))
    assert f"{path}: url of platform tk1: " in said


def test_a_malformed_table_is_reported_with_its_line(tk1: BenchProject) -> None:
    path = written(tk1.path / "baselines" / "tk1.csv", "batch_size,resnet50\n1,203\n2,fast\n")
    said = refusal(tk1, tk1.run())
    assert re.search(rf"{path}, line 3: .*; expected .*", said)


@pytest.mark.parametrize(
    ("text", "line"),
    [('{"benchmarks": [\n\n{]}', ", line 3"), ('{"benchmarks": 7}', "")],
)
def test_a_malformed_recorded_baseline_is_reported(tk1: BenchProject, text: str, line: str) -> None:
    path = written(tk1.path / "baselines" / "tk1.json", text)
    assert f"{path}{line}: " in refusal(tk1, tk1.run())


def test_a_batch_that_needs_more_images_than_there_are_says_what_to_do(tk1: BenchProject) -> None:
    (tk1.path / "images.txt").write_text("a.jpg\nb.jpg\n", encoding="utf-8")
    result = tk1.run("--ddperf-models=resnet50", "--ddperf-batch-sizes=1,4", "--ddperf-run-unavailable")
    result.assert_outcomes(passed=1, failed=1)
    assert_names(result, "A batch of 4", "there are 2", "--ddperf-max-batch-size=2")


def test_a_data_dir_that_only_the_server_has_needs_a_list(tk1: BenchProject) -> None:
    (tk1.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    said = refusal(tk1, tk1.run("--ddperf-data-dir=/srv/bench"))
    assert "--ddperf-bench-files=FILE" in said


def test_an_empty_list_of_images_is_refused(tk1: BenchProject) -> None:
    (tk1.path / "images.txt").write_text("\n", encoding="utf-8")
    assert "contains no images" in refusal(tk1, tk1.run())


def test_collecting_alone_needs_no_server(tk1: BenchProject) -> None:
    url = f"--ddperf-url=http://127.0.0.1:{closed_port()}"
    assert tk1.bare("benchmarks", "--platform=tk1", url, "--collect-only", "-q").ret == pytest.ExitCode.OK


def test_a_run_whose_cells_are_all_unavailable_needs_no_server(tk1: BenchProject) -> None:
    url = f"--ddperf-url=http://127.0.0.1:{closed_port()}"
    result = tk1.bare("benchmarks", "--platform=tk1", url, "--ddperf-models=vgg16")
    assert result.ret in {pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.USAGE_ERROR}
