"""Networks of the user's own: a folder on the command line or in ddperf.toml becomes a row of the matrix."""

from __future__ import annotations

import contextlib
import importlib
import json
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from bench_project import BenchProject, TableServer
from messages import assert_names
from model_folders import caffe_folder, ncnn_folder, onnx_folder

from pytest_ddperf.history.run_file import list_runs, read_run
from pytest_ddperf.servers import picture

if TYPE_CHECKING:
    from pathlib import Path

    from scripted_server import Reply, Request

# onnx may be imported once a process, and pytester forgets what a run in this process imported
with contextlib.suppress(ImportError):
    importlib.import_module("pytest_ddperf.embedded.networks.onnx_files")

SIZES = "--ddperf-batch-sizes=1,8"


def created(server: TableServer) -> dict[str, Any]:
    """The bodies that services were created with, by service."""
    return {one.path.rpartition("/")[2]: one.json() for one in server.asked("PUT", "/services/")}


def refusal(result: pytest.RunResult) -> str:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    return " ".join(" ".join([*result.errlines, *result.outlines]).split())


def toml(project: BenchProject, *lines: str) -> None:
    (project.path / "ddperf.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_folder_on_the_command_line_is_a_row_new_recorded_and_gated(tk1: BenchProject) -> None:
    folder = caffe_folder(tk1.path / "models" / "My Model")
    tk1.run(f"--ddperf-models={folder}", SIZES, "--ddperf-update-baselines").assert_outcomes(passed=2)
    assert tk1.verdicts() == {"tk1-my_model-b1": "new", "tk1-my_model-b8": "new"}
    recorded = tk1.json("baselines/tk1.json")["benchmarks"]
    assert len(recorded) == 2
    tk1.run("--ddperf-models=./models/My Model", SIZES).assert_outcomes(passed=2)
    assert set(tk1.verdicts().values()) == {"ok"}
    tk1.server.slow("my_model", 8, 1.5)
    tk1.run(f"--ddperf-models={folder}", SIZES).assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {"tk1-my_model-b1": "ok", "tk1-my_model-b8": "regressed"}


def test_its_service_is_created_from_the_folder_as_its_files_say_and_deleted(tk1: BenchProject) -> None:
    folder = caffe_folder(tk1.path / "mine", side=64, classes=7)
    tk1.run(f"--ddperf-models={folder}", SIZES).assert_outcomes(passed=2)
    body = created(tk1.server)["mine"]
    assert (body["mllib"], body["model"]["repository"]) == ("caffe", str(folder))
    image = body["parameters"]["input"]
    assert (image["width"], image["height"], body["parameters"]["mllib"]["nclasses"]) == (64, 64, 7)
    asked = tk1.server.asked("POST", "/predict")[0].json()
    assert isinstance(asked, dict)
    assert asked["parameters"]["input"]["width"] == 64
    assert "mine" not in tk1.server.services


def test_a_table_of_ddperf_toml_is_a_row_of_every_run_with_its_own_keys(tk1: BenchProject) -> None:
    caffe_folder(tk1.path / "nets" / "a")
    toml(
        tk1,
        "[models.mine]",
        'path = "nets/a"',
        'repository = "/opt/models/a"',
        'mllib = "tensorrt"',
        "width = 320",
        "height = 240",
        "nclasses = 3",
    )
    result = tk1.run("-k", "mine or squeezenet_v1.1", SIZES)
    result.assert_outcomes(passed=4, deselected=24)
    assert {"tk1-mine-b1", "tk1-squeezenet_v1.1-b8"} <= set(tk1.verdicts())
    body = created(tk1.server)["mine"]
    assert (body["mllib"], body["model"]["repository"]) == ("tensorrt", "/opt/models/a")
    image = body["parameters"]["input"]
    assert (image["width"], image["height"], body["parameters"]["mllib"]["nclasses"]) == (320, 240, 3)


def test_the_task_of_a_table_shapes_the_request(tk1: BenchProject) -> None:
    toml(tk1, "[models.mine]", 'repository = "/srv/a"', 'task = "detection"', "width = 300", "height = 300")
    tk1.run("--ddperf-models=mine", SIZES).assert_outcomes(passed=2)
    bodies: list[Any] = [one.json() for one in tk1.server.asked("POST", "/predict")]
    assert {each["parameters"]["output"]["bbox"] for each in bodies} == {True}
    assert {each["parameters"]["input"]["width"] for each in bodies} == {300}


def test_an_onnx_folder_on_a_board_has_an_engine_for_each_batch_size(tk1: BenchProject) -> None:
    (tk1.path / "mine").mkdir()
    (tk1.path / "mine" / "net.onnx").write_bytes(b"")
    tk1.run("--ddperf-models=./mine", SIZES).assert_outcomes(passed=2)
    bodies: list[Any] = [one.json() for one in tk1.server.asked("PUT", "/services/mine")]
    assert [(each["mllib"], each["parameters"]["mllib"]["maxBatchSize"]) for each in bodies] == [
        ("tensorrt", 1),
        ("tensorrt", 8),
    ]
    engines = {
        record.key.batch_size: record.measurement.conditions.engine for record in tk1.records() if record.measurement
    }
    assert engines == {1: 1, 8: 8}


def test_a_folder_that_only_the_server_sees_is_named_as_it_sees_it(tk1: BenchProject) -> None:
    tk1.run("--ddperf-models=/srv/models/theirs,squeezenet_v1.1", SIZES).assert_outcomes(passed=4)
    body = created(tk1.server)["theirs"]
    assert (body["mllib"], body["model"]["repository"]) == ("caffe", "/srv/models/theirs")
    assert body["parameters"]["input"]["width"] == 224


def test_a_folder_of_a_table_goes_by_the_tables_id(tk1: BenchProject) -> None:
    folder = caffe_folder(tk1.path / "nets" / "a")
    toml(tk1, "[models.mine]", 'path = "nets/a"')
    tk1.run(f"--ddperf-models={folder}", "--ddperf-batch-sizes=1").assert_outcomes(passed=1)
    assert set(tk1.verdicts()) == {"tk1-mine-b1"}


def test_the_backend_is_what_reads_the_files_unless_somebody_names_one(tk1: BenchProject) -> None:
    folder = ncnn_folder(tk1.path / "small")
    tk1.run(f"--ddperf-models={folder}", "--ddperf-batch-sizes=1").assert_outcomes(passed=1)
    assert created(tk1.server)["small"]["mllib"] == "ncnn"
    toml(tk1, "[models.small]", 'path = "small"', 'mllib = "torch"')
    tk1.run(f"--ddperf-models={folder}", "--ddperf-batch-sizes=1").assert_outcomes(passed=1)
    assert created(tk1.server)["small"]["mllib"] == "torch"
    tk1.run(f"--ddperf-models={folder}", "--ddperf-batch-sizes=1", "--ddperf-mllib=ncnn").assert_outcomes(passed=1)
    assert created(tk1.server)["small"]["mllib"] == "ncnn"


def test_a_platform_may_choose_among_the_models_of_ddperf_toml(tk1: BenchProject) -> None:
    toml(
        tk1,
        "[models.mine]",
        'repository = "/srv/a"',
        "[models.other]",
        'repository = "/srv/b"',
        "[platforms.tk1]",
        'models = ["other", "squeezenet_v1.1"]',
    )
    tk1.run("--ddperf-batch-sizes=1").assert_outcomes(passed=2)
    assert set(tk1.verdicts()) == {"tk1-other-b1", "tk1-squeezenet_v1.1-b1"}


def test_a_folder_in_the_ini_file_begins_at_it(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    caffe_folder(tk1.path / "mine")
    tk1.ini(ddperf_models="./mine")
    (tk1.path / "elsewhere").mkdir()
    monkeypatch.chdir(tk1.path / "elsewhere")
    names = f"--ddperf-bench-files={tk1.path / 'images.txt'}"
    result = tk1.bare("-c", str(tk1.path / "pytest.ini"), "../benchmarks", *tk1.where, "--ddperf-batch-sizes=1", names)
    result.assert_outcomes(passed=1)
    assert created(tk1.server)["mine"]["model"]["repository"] == str(tk1.path / "mine")


def test_a_published_table_of_the_project_may_have_a_column_of_it(tk1: BenchProject) -> None:
    toml(tk1, "[models.mine]", 'repository = "/srv/a"')
    (tk1.path / "baselines").mkdir()
    (tk1.path / "baselines" / "tk1.csv").write_text("batch_size,mine\n1,99.5\n", encoding="utf-8")
    tk1.run("--ddperf-models=mine", "--ddperf-batch-sizes=1").assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-mine-b1": "ok"}


def test_a_marker_may_name_a_model_of_ddperf_toml(tk1: BenchProject) -> None:
    caffe_folder(tk1.path / "a")
    toml(tk1, "[models.mine]", 'path = "a"')
    (tk1.path / "benchmarks" / "test_predict.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.ddperf(models=['mine'], batch_sizes=[2])\n"
        "def test_mine(ddperf):\n"
        "    ddperf.measure()\n",
        encoding="utf-8",
    )
    tk1.run().assert_outcomes(passed=1)
    assert set(tk1.verdicts()) == {"tk1-mine-b2"}


@pytest.mark.parametrize("name", ["resnet50", "Res-50"])
def test_a_folder_by_the_name_of_a_known_network_is_refused_with_the_way_out(tk1: BenchProject, name: str) -> None:
    folder = caffe_folder(tk1.path / name)
    text = refusal(tk1.run(f"--ddperf-models={folder}"))
    assert_names(text, "the same name", "resnet50", "catalogue")
    assert_names(text, f"[models.my-{name.lower()}]", f"path = '{folder}'")


def test_two_folders_of_one_name_are_refused(tk1: BenchProject) -> None:
    one, other = caffe_folder(tk1.path / "a" / "net"), caffe_folder(tk1.path / "b" / "net")
    text = refusal(tk1.run(f"--ddperf-models={one},{other}"))
    assert_names(text, f"net of {other}", "the same name", f"net of {one}")


def test_a_folder_without_its_slash_is_distinguished_from_a_spelling(tk1: BenchProject) -> None:
    caffe_folder(tk1.path / "mine")
    assert_names(refusal(tk1.run("--ddperf-models=mine")), "folder", "./mine")


def test_a_wrong_table_is_refused_with_its_line(tk1: BenchProject) -> None:
    toml(tk1, "[models.a]", 'repostory = "/m"')
    assert_names(refusal(tk1.run(SIZES)), "ddperf.toml, line 2", "'repostory'", "did you mean repository?")


@pytest.mark.slow
def test_workers_of_xdist_know_the_model_too(tk1: BenchProject) -> None:
    folder = caffe_folder(tk1.path / "mine")
    result = tk1.apart(f"--ddperf-models={folder}", "--ddperf-batch-sizes=1", "-n", "1")
    result.assert_outcomes(passed=1)
    assert tk1.verdicts() == {"tk1-mine-b1": "new"}


@pytest.fixture
def local(pytester: pytest.Pytester, server: TableServer, tmp_path: Path) -> BenchProject:
    """A project of no platform, with two bench images: the embedded server runs."""
    pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")
    project = BenchProject(pytester, server, "local")
    folder = tmp_path / "few"
    folder.mkdir()
    for number in range(2):
        picture.draw(number).save(folder / f"{number}.jpg")
    (project.path / "pytest.ini").write_text(f"[pytest]\nddperf_data_dir = {folder}\n", encoding="utf-8")
    return project


@pytest.mark.slow
def test_the_embedded_server_runs_folders_with_an_onnx_file(local: BenchProject, tmp_path: Path) -> None:
    one, other = onnx_folder(local.path / "mine", side=96), onnx_folder(tmp_path / "far" / "other", side=64)
    options = (f"--ddperf-models=./mine,{other}", "--ddperf-batch-sizes=1,2", "--ddperf-threads=1")
    local.bare("benchmarks", *options, "--ddperf-update-baselines").assert_outcomes(passed=4)
    assert set(local.verdicts().values()) == {"new"}
    sides = {record.key.model: record.measurement.conditions.width for record in local.records() if record.measurement}
    assert sides == {"mine": 96, "other": 64}
    local.bare("benchmarks", *options, "--ddperf-tolerance=900%").assert_outcomes(passed=4)
    assert {record.baseline.kind for record in local.records() if record.baseline} == {"recorded"}
    assert one.is_dir()


def test_by_default_the_embedded_server_runs_the_onnx_models_of_ddperf_toml_alone(local: BenchProject) -> None:
    onnx_folder(local.path / "a")
    caffe_folder(local.path / "b")
    toml(local, "[models.mine]", 'path = "a"', 'repository = "/opt/a"', "[models.boards]", 'path = "b"')
    result = local.bare("benchmarks", "--collect-only", "-q", "--ddperf-batch-sizes=1")
    cells = [line.partition("[")[2].rstrip("]") for line in result.outlines if "::" in line]
    assert "local-mine-b1" in cells
    assert "local-boards-b1" not in cells
    assert len(cells) == 14
    local.bare("benchmarks", "-k", "mine", "--ddperf-batch-sizes=1", "--ddperf-threads=1").assert_outcomes(
        passed=1, deselected=13
    )


def test_the_embedded_server_is_not_asked_for_a_caffe_network(local: BenchProject) -> None:
    folder = caffe_folder(local.path / "mine")
    text = refusal(local.bare("benchmarks", f"--ddperf-models={folder}"))
    assert_names(text, "model mine", folder, ".onnx")
    assert_names(text, "to ONNX", "DeepDetect server")


def printed_command(result: pytest.RunResult) -> list[str]:
    """The options of the one printed "To measure it again"."""
    (line,) = (one for one in result.outlines if one.startswith("To measure it again: "))
    program, *options = shlex.split(line.partition(": ")[2])
    assert program == "pytest"
    return options


@pytest.mark.parametrize(
    "named",
    [
        "./my nets/mine",
        pytest.param("/srv/models/mine", marks=pytest.mark.slow),
        pytest.param("{path}/my nets/mine", marks=pytest.mark.slow),
    ],
)
def test_the_printed_command_measures_that_cell_again(tk1: BenchProject, named: str) -> None:
    caffe_folder(tk1.path / "my nets" / "mine")
    models = f"--ddperf-models=squeezenet_v1.1,{named.format(path=tk1.path)}"
    tk1.run(models, SIZES, "--ddperf-update-baselines").assert_outcomes(passed=4)
    tk1.server.slow("mine", 8, 1.5)
    result = tk1.run(models, SIZES)
    result.assert_outcomes(passed=3, failed=1)
    tk1.bare(*printed_command(result)).assert_outcomes(failed=1)
    assert tk1.verdicts() == {"tk1-mine-b8": "regressed"}


def test_the_printed_command_measures_that_cell_again_where_the_project_owns_platform(tk1: BenchProject) -> None:
    tk1.pytester.makeconftest("def pytest_addoption(parser):\n    parser.addoption('--platform')\n")
    options = ("--ddperf-platform=tk1", f"--ddperf-url={tk1.server.url}", "--ddperf-models=/srv/mine", SIZES)
    tk1.bare("benchmarks", *options, "--ddperf-update-baselines").assert_outcomes(passed=2)
    tk1.server.slow("mine", 8, 1.5)
    result = tk1.bare("benchmarks", *options)
    tk1.bare(*printed_command(result)).assert_outcomes(failed=1)
    assert tk1.verdicts() == {"tk1-mine-b8": "regressed"}


@pytest.mark.slow
def test_the_printed_command_measures_that_cell_again_on_the_embedded_server(
    local: BenchProject, tmp_path: Path
) -> None:
    onnx_folder(local.path / "models" / "tiny")
    options = ("--ddperf-models=models/tiny", "--ddperf-batch-sizes=1,2", "--ddperf-threads=1")
    local.bare("benchmarks", *options, "--ddperf-update-baselines").assert_outcomes(passed=2)
    (file,) = (tmp_path / "cache").rglob("local*.json")
    document = json.loads(file.read_text(encoding="utf-8"))
    for one in document["benchmarks"]:
        one["stats"]["data"] = [seconds / 1000 for seconds in one["stats"]["data"]]
    file.write_text(json.dumps(document), encoding="utf-8")
    result = local.bare("benchmarks", *options, "-k", "b2")
    local.bare(*printed_command(result)).assert_outcomes(failed=1)
    assert local.verdicts() == {"local-tiny-b2": "regressed"}


@pytest.mark.slow
def test_two_projects_with_networks_of_one_name_never_meet_on_local(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    tk1.platform = "local"
    options = ("--ddperf-models=models/tiny", SIZES)
    verdicts = []
    for name in ("a", "b", "a"):
        folder = tk1.path / name
        if not folder.exists():
            caffe_folder(folder / "models" / "tiny", side=64 if name == "a" else 96)
            shutil.copytree(tk1.path / "benchmarks", folder / "benchmarks")
            for file in ("images.txt", "pytest.ini"):
                shutil.copy(tk1.path / file, folder / file)
        monkeypatch.chdir(folder)
        tk1.run(*options, "--ddperf-update-baselines").assert_outcomes(passed=2)
        verdicts.append({str(record.outcome) for record in read_run(list_runs(folder / ".ddperf")[-1]).records})
    assert verdicts == [{"new"}, {"new"}, {"ok"}]


@pytest.mark.parametrize("platform", ["tk1", "local"])
def test_a_network_file_that_changed_since_the_recording_is_a_note_and_the_comparison_goes_on(
    tk1: BenchProject, platform: str
) -> None:
    tk1.platform = platform
    folder = caffe_folder(tk1.path / "models" / "tiny")
    options = ("--ddperf-models=models/tiny", SIZES)
    tk1.run(*options, "--ddperf-update-baselines")
    tk1.run(*options).assert_outcomes(passed=2)
    assert {record.notes for record in tk1.records()} == {()}
    (folder / "model.caffemodel").write_bytes(bytes(2001))
    tk1.server.slow("tiny", 8, 1.5)
    result = tk1.run(*options)
    result.assert_outcomes(passed=1, failed=1)
    assert tk1.verdicts() == {f"{platform}-tiny-b1": "ok", f"{platform}-tiny-b8": "regressed"}
    for record in tk1.records():
        assert any("changed" in note and "model.caffemodel" in note for note in record.notes)
        assert record.baseline is not None
        shown = record.baseline.source.partition(", recorded ")[0]
        assert (tk1.path / shown).is_file()


def test_a_batch_size_fixed_at_the_export_is_noted_once_for_the_network(local: BenchProject, tmp_path: Path) -> None:
    fixed, free = onnx_folder(tmp_path / "fixed", batch=2), onnx_folder(tmp_path / "free")
    result = local.bare("benchmarks", f"--ddperf-models={fixed},{free}", "--ddperf-batch-sizes=1,2")
    result.assert_outcomes(passed=4)
    noted = {(one.key.model, note) for one in local.records() for note in one.notes if "fixed batch" in note}
    ((model, note),) = noted
    assert model == "fixed"
    assert "batches of 2" in note
    assert sum("fixed batch" in line for line in result.outlines) == 1


def test_a_precision_that_tensorrt_ignores_is_a_condition_and_noted_once(tk1: BenchProject) -> None:
    answer = tk1.server.respond

    def respond(request: Request) -> Reply:
        reply = answer(request)
        if request.path == "/info" and isinstance(reply.body, dict):
            reply.body["head"]["deps_version"] = "TENSORRT_VERSION=10.13.2.6"
        return reply

    tk1.server.respond = respond
    options = ("--ddperf-models=/opt/a,/opt/b", SIZES, "--ddperf-mllib=tensorrt", "--ddperf-datatype=fp16")
    result = tk1.run(*options)
    result.assert_outcomes(passed=4)
    assert {one.measurement.conditions.datatype for one in tk1.records() if one.measurement} == {"fp32"}
    assert sum("fp16 has no effect" in line for line in result.outlines) == 1
