"""A user's credentials are sent to the server, and stand in nothing that a run prints or writes."""

from __future__ import annotations

import importlib
import itertools
import re
from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from bench_project import TableServer
from every_row import every_row
from scripted_server import Reply, ScriptedServer

if TYPE_CHECKING:
    from pathlib import Path

    from bench_project import BenchProject
    from scripted_deepdetect import Prediction

# as in bench_project: what a run in this process imported is forgotten otherwise, and imported twice
for _module in (
    "history.index",
    "plugin.outputs",
    "report.bencher",
    "report.csv_json",
    "report.gather",
    "report.github",
    "report.html",
):
    importlib.import_module(f"pytest_ddperf.{_module}")

TWO = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")  # the second one fails, where one is to
USER, PASSWORD = "eng1neer", "s3cr3t,p@ss/é"
QUOTED = quote(PASSWORD, safe="")
ENCODED = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
EVERYTHING = (
    "-vv",
    "-l",
    "--tb=long",
    "--full-trace",
    "--junitxml=junit.xml",
    "--ddperf-report=r.html",
    "--ddperf-report=r.csv",
    "--ddperf-report=r.json",
    "--log-level=DEBUG",
    "--log-file=log.txt",
    "-o",
    "junit_logging=all",
)
HIDDEN = (PASSWORD, QUOTED, quote(PASSWORD), ENCODED, "s3cr3t")


def with_credentials(url: str) -> str:
    return url.replace("http://", f"http://{USER}:{QUOTED}@")


def reported(result: pytest.RunResult, *folders: Path) -> str:
    """All that a run has printed and written, the names of its files too."""
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    texts = [path.read_bytes().decode(errors="replace") for path in files if path.suffix not in {".toml", ".ini"}]
    return "\n".join([str(result.stdout), str(result.stderr), *map(str, files), *texts])


def assert_hidden(text: str) -> None:
    for secret in HIDDEN:
        found = re.search(f".{{0,60}}{re.escape(secret)}", text)
        assert found is None, found


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "github"
    folder.mkdir()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    for variable, name in (("GITHUB_STEP_SUMMARY", "summary.md"), ("GITHUB_OUTPUT", "output")):
        (folder / name).touch()
        monkeypatch.setenv(variable, str(folder / name))
    return folder


def quoted_back(prediction: Prediction) -> Reply | None:
    """What a proxy says that is helpful to the wrong person."""
    if prediction.batch == 1:
        return None
    said = f"Basic {ENCODED} is {USER}:{PASSWORD} ({QUOTED}), and may not predict"
    return Reply(401, {"status": {"code": 401, "msg": said, "dd_code": 1, "dd_msg": said}})


def cut(prediction: Prediction) -> Reply | None:
    return None if prediction.batch == 1 else Reply(drop=True)


def asked(server: TableServer) -> set[str | None]:
    return {request.headers.get("authorization") for request in server.requests}


@pytest.mark.parametrize(
    ("given", "ending"),
    [
        ("option", "passes"),
        ("option", "cut"),
        *((given, "refused") for given in ("option", "environment", "ini", "platform file", "variables")),
    ],
)
def test_of_a_server_wherever_they_are_given(
    tk1: BenchProject, github: Path, monkeypatch: pytest.MonkeyPatch, given: str, ending: str
) -> None:
    url = with_credentials(tk1.server.url)
    options: tuple[str, ...] = ("--benchmark-autosave", "--ddperf-update-baselines")
    platform = '[platforms.tk1]\nurl = "{}"\n'
    if given == "option":
        options += (f"--ddperf-url={url}",)
    elif given == "environment":
        monkeypatch.setenv("DDPERF_URL", url)
    elif given == "ini":
        tk1.ini(ddperf_url=url)
    elif given == "platform file":
        (tk1.path / "ddperf.toml").write_text(platform.format(url), encoding="utf-8")
    else:
        keys = 'user_env = "TK1_USER"\npassword_env = "TK1_PASSWORD"\n'
        (tk1.path / "ddperf.toml").write_text(platform.format(tk1.server.url) + keys, encoding="utf-8")
        monkeypatch.setenv("TK1_USER", USER)
        monkeypatch.setenv("TK1_PASSWORD", PASSWORD)
    if ending != "passes":
        tk1.server.fault = quoted_back if ending == "refused" else cut
    result = tk1.bare("benchmarks", "--platform=tk1", *TWO, *EVERYTHING, "--benchmark-json=out.json", *options)
    result.assert_outcomes(**({"passed": 2} if ending == "passes" else {"passed": 1, "failed": 1}))
    assert asked(tk1.server) == {f"Basic {ENCODED}"}
    text = reported(result, tk1.path, github)
    assert tk1.server.url in text
    assert {"junit.xml", "out.json", "r.html", "r.csv", "r.json", "log.txt"} <= {
        path.name for path in tk1.path.iterdir()
    }
    assert (github / "summary.md").read_text(encoding="utf-8")
    assert_hidden(text)
    assert ending == "refused" or USER not in text


@pytest.mark.usefixtures("placeholder_figures")
@pytest.mark.parametrize(
    ("given", "ending"), [("option", "passes"), ("option", "cut"), ("option", "refused"), ("platform file", "refused")]
)
def test_of_the_url_of_a_reference(tk1: BenchProject, github: Path, given: str, ending: str) -> None:
    with TableServer("tk1") as old:
        url, option = with_credentials(old.url), "--ddperf-against"
        if given == "option":
            option = f"--ddperf-against={url}"
        else:
            (tk1.path / "ddperf.toml").write_text(f'[platforms.tk1.against]\nurl = "{url}"\n', encoding="utf-8")
        if ending != "passes":
            old.fault = quoted_back if ending == "refused" else cut
        result = tk1.run(*TWO, *EVERYTHING, "--benchmark-json=out.json", option)
        result.assert_outcomes(**({"passed": 2} if ending == "passes" else {"passed": 1, "failed": 1}))
        assert asked(old) == {f"Basic {ENCODED}"}
        assert asked(tk1.server) == {None}
        text = reported(result, tk1.path, github)
        assert old.url in text
        assert_hidden(text)


@pytest.mark.slow
@pytest.mark.usefixtures("placeholder_figures")
def test_of_a_run_in_a_worker(tk1: BenchProject, github: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tk1.server.fault = quoted_back
    result = tk1.bare(
        "benchmarks",
        "--platform=tk1",
        *TWO,
        *EVERYTHING,
        "--ddperf-report=r.md",
        f"--ddperf-url={with_credentials(tk1.server.url)}",
        "-n1",
    )
    result.assert_outcomes(passed=1, failed=1)
    assert_hidden(reported(result, tk1.path, github))


@every_row(
    "url, given",
    itertools.product(
        [
            f"ftp://{USER}:{PASSWORD}@board:8080",
            f"http://{USER}:{PASSWORD}@board:99999",
            f"http://{USER}:{PASSWORD}@board:8080/?x",
            f"http://{USER}:{PASSWORD}",
            f"http://{USER}:{PASSWORD}@",
            f"http://{USER}:{PASSWORD}@/x",
            f"{USER}:{PASSWORD}@board:80",
            f"tk1=http://{USER}:{PASSWORD}@board:8080,tx1=nothing",
        ],
        ["option", "platform file"],
    ),
)
def test_of_a_url_that_is_none(tk1: BenchProject, url: str, given: str) -> None:
    options = (f"--ddperf-url={url}",) if given == "option" else ()
    if not options:
        (tk1.path / "ddperf.toml").write_text(f'[platforms.tk1]\nurl = "{url}"\n', encoding="utf-8")
    result = tk1.bare("benchmarks", "--platform=tk1", *TWO, *EVERYTHING, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_hidden(reported(result))
    assert USER not in reported(result)


def test_of_a_server_that_is_down(tk1: BenchProject, github: Path) -> None:
    url = with_credentials(tk1.server.url)
    tk1.server.close()
    result = tk1.bare("benchmarks", "--platform=tk1", *TWO, *EVERYTHING, f"--ddperf-url={url}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_hidden(reported(result, tk1.path, github))


def test_a_redirect_takes_them_nowhere(tk1: BenchProject, github: Path) -> None:
    with ScriptedServer([Reply(200, {"head": {"services": []}})]) as elsewhere:
        for url in (elsewhere.url, elsewhere.url.replace("127.0.0.1", "localhost")):
            with ScriptedServer([Reply(307, b"", headers={"Location": f"{url}/info"})]) as moved:
                result = tk1.bare(
                    "benchmarks", "--platform=tk1", *TWO, *EVERYTHING, f"--ddperf-url={with_credentials(moved.url)}"
                )
                assert [request.headers.get("authorization") for request in moved.requests] == [f"Basic {ENCODED}"]
                assert result.ret == pytest.ExitCode.USAGE_ERROR
                assert_hidden(reported(result, tk1.path, github))
        assert elsewhere.requests == []
