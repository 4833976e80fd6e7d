"""dd_bench's knobs on pytest's command line and in ddperf.toml: on the wire, and in what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from bench_project import BenchProject, TableServer
from messages import assert_names
from scripted_deepdetect import ServiceSetup

if TYPE_CHECKING:
    from collections.abc import Iterator

CELL = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1")
CELLS = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=1,8")
REPOSITORY = "--ddperf-repository=/opt/models/{model}"


@pytest.fixture
def empty() -> Iterator[TableServer]:
    """A server as fast as the TK1 table says, without a service."""
    with TableServer("tk1", services=[]) as running:
        yield running


@pytest.fixture
def project(pytester: pytest.Pytester, empty: TableServer) -> BenchProject:
    return BenchProject(pytester, empty)


def created(server: TableServer) -> list[Any]:
    """The parameters of the services that were created."""
    bodies: list[Any] = [one.json() for one in server.asked("PUT")]
    return [body["parameters"] for body in bodies]


def predicted(server: TableServer) -> Any:  # noqa: ANN401 - JSON
    """The parameters of the last prediction."""
    body: Any = server.asked("POST", "/predict")[-1].json()
    return body["parameters"]


OF_THE_SERVICE = [
    ("--ddperf-img-width=300", "input", "width", 300),
    ("--ddperf-img-height=200", "input", "height", 200),
    ("--ddperf-bw", "input", "bw", True),
    ("--ddperf-rgb", "input", "rgb", True),
    ("--ddperf-scale=0.0039", "input", "scale", 0.0039),
    ("--ddperf-histogram-equalization", "input", "histogram_equalization", True),
    ("--ddperf-nclasses=21", "mllib", "nclasses", 21),
    ("--ddperf-gpuid=1", "mllib", "gpuid", 1),
    ("--ddperf-gpuid=-1", "mllib", "gpuid", -1),
]


def test_a_knob_of_the_service_is_in_its_creation_and_nowhere_else(project: BenchProject) -> None:
    assert project.run(*CELL, REPOSITORY).ret == 0
    (usual,) = created(project.server)
    for option, part, key, value in OF_THE_SERVICE:
        assert project.run(*CELL, REPOSITORY, option).ret == 0
        assert created(project.server)[-1] == {**usual, part: {**usual[part], key: value}}, option


OF_ONE_BACKEND = [
    ("tensorrt", "--ddperf-max-workspace-size=256", "maxWorkspaceSize", 256, ""),
    ("tensorrt", "--ddperf-dla", "dla", 0, ""),
    ("tensorrt", "--ddperf-datatype=fp16", "datatype", "fp16", ""),
    ("tensorrt", "--ddperf-datatype=int8", "datatype", "int8", ""),
    ("torch", "--ddperf-datatype=fp16", "datatype", "fp16", ""),
    ("torch", "--ddperf-datatype=fp64", "datatype", "fp64", ""),
    ("torch", "--ddperf-gpuid=1", "gpuid", 1, "GPU 1"),
    ("torch", "--ddperf-concurrent-predict=false", "concurrent_predict", False, ""),  # without effect on one client
    ("ncnn", "--ddperf-datatype=fp16", "datatype", "fp16", ""),
    ("ncnn", "--ddperf-input-blob=in0", "inputBlob", "in0", "input blob in0"),
    ("ncnn", "--ddperf-output-blob=fc", "outputBlob", "fc", "output blob fc"),
    ("ncnn", "--ddperf-ncnn-threads=2", "threads", 2, "2 threads"),
]


def test_a_parameter_of_one_backend_is_in_its_creation_and_a_condition(project: BenchProject) -> None:
    found = []
    for mllib, option, key, _, _ in OF_ONE_BACKEND:
        assert project.run(*CELL, REPOSITORY, f"--ddperf-mllib={mllib}", option).ret == 0
        (record,) = project.records()
        assert record.measurement is not None
        sent = created(project.server)[-1]["mllib"]
        found.append((mllib, option, key, sent.get(key), record.measurement.conditions.settings))
        assert record.measurement.conditions.datatype == sent["datatype"]
    assert found == OF_ONE_BACKEND


def test_parameters_of_a_backend_are_not_sent_unless_they_are_set(project: BenchProject) -> None:
    for mllib in ("caffe", "ncnn", "torch", "tensorrt"):
        assert project.run(*CELL, REPOSITORY, f"--ddperf-mllib={mllib}").ret == 0
    own = {"concurrent_predict", "inputBlob", "outputBlob", "threads", "dla"}
    assert [own & one["mllib"].keys() for one in created(project.server)] == [set()] * 4


def test_concurrent_predictions_are_a_condition_of_a_cell_under_load(project: BenchProject) -> None:
    load = ("--ddperf-concurrency=2", "--ddperf-load-requests=2", "--ddperf-npasses=1")
    for option in ((), ("--ddperf-concurrent-predict=false",)):
        assert project.run(*CELL, REPOSITORY, "--ddperf-mllib=torch", *load, *option).ret == 0
    reported = {one.key.scenario: one.measurement.conditions.settings for one in project.records() if one.measurement}
    assert reported == {"": "", "c2": "one prediction at a time"}


# --- parameters that the backend ignores


REFUSED = [
    # (backend, options, words of the message)
    ("caffe", ("--ddperf-datatype=fp16",), ("--ddperf-datatype=fp16", "caffe", "ncnn or tensorrt or torch")),
    ("caffe", ("--ddperf-dla",), ("--ddperf-dla", "caffe", "tensorrt")),
    ("caffe", ("--ddperf-max-workspace-size=256",), ("--ddperf-max-workspace-size=256", "tensorrt")),
    ("caffe", ("--ddperf-ncnn-threads=2",), ("--ddperf-ncnn-threads=2", "ncnn")),
    ("ncnn", ("--ddperf-datatype=int8",), ("--ddperf-datatype=int8", "ncnn", "fp32 or fp16")),
    ("ncnn", ("--ddperf-datatype=fp64",), ("--ddperf-datatype=fp64", "ncnn", "fp32 or fp16")),
    ("ncnn", ("--ddperf-gpu",), ("--ddperf-gpu", "ncnn", "caffe or torch")),
    ("ncnn", ("--ddperf-gpuid=1",), ("--ddperf-gpuid=1", "ncnn")),
    ("ncnn", ("--ddperf-concurrent-predict=false",), ("--ddperf-concurrent-predict=false", "ncnn", "torch")),
    ("torch", ("--ddperf-datatype=int8",), ("--ddperf-datatype=int8", "torch", "fp32 or fp16 or fp64")),
    ("torch", ("--ddperf-input-blob=in0",), ("--ddperf-input-blob=in0", "ncnn")),
    ("tensorrt", ("--ddperf-datatype=fp64",), ("--ddperf-datatype=fp64", "tensorrt", "fp32 or fp16 or int8")),
    ("TensorRT", ("--ddperf-datatype=fp64",), ("--ddperf-datatype=fp64", "tensorrt", "fp32 or fp16 or int8")),
]


def test_a_parameter_that_the_backend_ignores_is_refused_before_the_first_test(
    project: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    offenders = []
    for mllib, options, words in REFUSED:
        result = project.run(*CELL, REPOSITORY, f"--ddperf-mllib={mllib}", *options)
        text = " ".join("\n".join(result.errlines).split())
        if result.ret != 4 or [word for word in words if word not in text]:
            offenders.append((mllib, options, text))
    monkeypatch.setenv("DDPERF_DLA", "true")
    if project.run(*CELL, REPOSITORY).ret != 4:
        offenders.append(("caffe", ("DDPERF_DLA",), ""))
    assert offenders == []
    assert project.server.asked("PUT") == []


def test_the_backend_of_the_existing_service_decides(pytester: pytest.Pytester) -> None:
    with TableServer("tk1", services=[ServiceSetup("squeezenet_v1.1", mllib="torch")]) as server:
        project = BenchProject(pytester, server)
        assert project.run(*CELL, "--ddperf-datatype=fp64").ret == 0
        assert predicted(server)["mllib"]["datatype"] == "fp64"
        assert project.run(*CELL, "--ddperf-datatype=int8").ret == 4


def test_each_of_several_servers_is_asked_for_its_backend(pytester: pytest.Pytester) -> None:
    with TableServer("tk1") as server:
        project = BenchProject(pytester, server)
        urls = f"--ddperf-url=tk1={server.url},tx1={server.url}"
        result = project.bare("benchmarks", "--platform=tk1,tx1", urls, *CELL, "--ddperf-datatype=fp16")
        assert result.ret == 4
        assert "caffe" in "\n".join(result.errlines)
        assert server.predictions == []


NOTED = [
    # (keys of the platform, notes)
    ('mllib = "caffe"\ndatatype = "fp16"', ["datatype = fp16"]),
    ('mllib = "ncnn"\ngpu = true\ngpuid = 1\nmax_workspace_size = 256', ["gpu = true", "gpuid = 1", "max_workspace"]),
    ('mllib = "torch"\ninput_blob = "in0"\nncnn_threads = 4', ["input_blob = in0", "ncnn_threads = 4"]),
    ('mllib = "tensorrt"\nconcurrent_predict = false\ngpu = true', ["concurrent_predict = false"]),
    ('[platforms.tk1.knobs."squeezenet_v1.1"]\ndla = true', ["dla = true"]),
]


def test_one_that_is_in_a_platform_file_is_a_note_and_not_sent(project: BenchProject) -> None:
    found = []
    for keys, expected in NOTED:
        (project.path / "ddperf.toml").write_text(f"[platforms.tk1]\n{keys}\n", encoding="utf-8")
        assert project.run(*CELL, REPOSITORY).ret == 0
        (record,) = project.records()
        assert record.measurement is not None
        noted = [note for note in record.notes if "has no effect" in note]
        found.append((keys, [part for part in expected if any(part in note for note in noted)], len(noted)))
        sent = created(project.server)[-1]["mllib"]
        assert record.measurement.conditions.datatype == sent["datatype"] == "fp32"
        assert record.measurement.conditions.settings == ""
        assert {"inputBlob", "threads", "concurrent_predict", "dla"}.isdisjoint(sent)
    assert found == [(keys, expected, len(expected)) for keys, expected in NOTED]


def test_a_precision_that_means_another_one_is_refused_from_a_file_too(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text('[platforms.tk1]\nmllib = "ncnn"\ndatatype = "int8"\n', encoding="utf-8")
    assert project.run(*CELL, REPOSITORY).ret == 4


def test_int8_on_tensorrt_is_not_calibrated(project: BenchProject) -> None:
    assert project.run(*CELL, REPOSITORY, "--ddperf-mllib=tensorrt", "--ddperf-datatype=int8").ret == 0
    (record,) = project.records()
    assert "without calibration" in " ".join(record.notes)


def test_more_than_one_gpu_is_refused_with_the_reason(project: BenchProject) -> None:
    result = project.run(*CELL, "--ddperf-gpuid=0,1")
    assert result.ret == 4
    assert "GET /info" in " ".join(result.errlines)


def test_a_list_of_gpus_in_ddperf_toml_is_refused_with_the_reason(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text("[platforms.tk1]\ngpuid = [0, 1]\n", encoding="utf-8")
    result = project.run(*CELL)
    assert result.ret == 4
    text = " ".join((*result.errlines, *result.outlines))
    assert "ddperf.toml, line 2: wrong type of `gpuid`" in text
    assert "GET /info" in text


# --- Torch


def test_a_batch_states_how_it_was_run(project: BenchProject) -> None:
    assert project.run(*CELLS, REPOSITORY, "--ddperf-mllib=torch").ret == 0
    reported = {one.key.batch_size: one.measurement.conditions.run_as for one in project.records() if one.measurement}
    assert reported == {1: "", 8: "one batch of 8"}


def test_a_recording_of_a_batch_that_ran_one_by_one_is_not_compared_with(project: BenchProject) -> None:
    """Torch recordings from before predictions requested a batch size."""
    torch = (REPOSITORY, "--ddperf-mllib=torch")
    assert project.run(*CELLS, *torch, "--ddperf-update-baselines").ret == 0
    path = project.path / "baselines" / "tk1.json"
    path.write_text(path.read_text(encoding="utf-8").replace("one batch of 8", ""), encoding="utf-8")
    assert project.run(*CELLS, *torch).ret == 0
    assert project.verdicts() == {"tk1-squeezenet_v1.1-b1": "ok", "tk1-squeezenet_v1.1-b8": "new"}


@pytest.mark.parametrize("service", ["api", "API"])
def test_the_name_of_deepdetect_s_log_is_refused(project: BenchProject, service: str) -> None:
    assert project.run(*CELL, REPOSITORY, f"--ddperf-service={service}").ret == 4
    assert project.server.asked("PUT") == []


def test_the_backend_of_a_service_is_the_platform_s_or_the_one_that_is_named(project: BenchProject) -> None:
    for option in ((), ("--ddperf-mllib=ncnn",), ("--ddperf-mllib=torch",), ("--ddperf-mllib=tensorrt",)):
        assert project.run(*CELL, REPOSITORY, *option).ret == 0
    every: list[Any] = [one.json() for one in project.server.asked("PUT")]
    assert [body["mllib"] for body in every] == ["caffe", "ncnn", "torch", "tensorrt"]
    assert [body["parameters"]["mllib"]["maxBatchSize"] for body in every[2:]] == [256, 1]


def test_the_gpu_is_the_platform_s_unless_it_is_asked_for(pytester: pytest.Pytester) -> None:
    with TableServer("raspi3", services=[]) as server:
        project = BenchProject(pytester, server, "raspi3")
        for option in ((), ("--ddperf-gpu",)):
            assert project.run(*CELL, REPOSITORY, *option).ret == 0
            assert created(server)[-1]["mllib"]["gpu"] is predicted(server)["mllib"]["gpu"] is bool(option)


def test_the_gpu_that_is_meant_is_in_every_prediction(tk1: BenchProject) -> None:
    assert tk1.run(*CELL, "--ddperf-gpuid=1").ret == 0
    assert predicted(tk1.server)["mllib"] == {"gpu": True, "gpuid": 1}


OF_THE_REQUEST = [
    ("--ddperf-img-width=300", "width", 300),
    ("--ddperf-img-height=200", "height", 200),
    ("--ddperf-image-interp=nearest", "interp", "nearest"),
    ("--ddperf-gpu-resize", "cuda", True),
]


def test_a_knob_of_the_request_is_in_every_prediction(tk1: BenchProject) -> None:
    assert tk1.run(*CELL).ret == 0
    usual = predicted(tk1.server)
    for option, key, value in OF_THE_REQUEST:
        assert tk1.run(*CELL, option).ret == 0
        assert predicted(tk1.server) == {**usual, "input": {**usual["input"], key: value}}, option


def test_a_platform_file_turns_them_too_and_the_command_line_wins(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text(
        "[platforms.tk1]\nrgb = true\nscale = 0.5\nimg_width = 227\n", encoding="utf-8"
    )
    assert project.run(*CELL, REPOSITORY, "--ddperf-img-width=300").ret == 0
    (parameters,) = created(project.server)
    assert [parameters["input"][key] for key in ("rgb", "scale", "width", "height")] == [True, 0.5, 300, 224]


def test_a_baseline_of_images_that_were_prepared_otherwise_is_not_compared_with(project: BenchProject) -> None:
    assert project.run(*CELL, REPOSITORY, "--ddperf-update-baselines").ret == 0
    assert project.run(*CELL, REPOSITORY, "--ddperf-rgb").ret == 0
    (record,) = project.records()
    assert record.outcome == "new"
    assert_names(" ".join(record.notes), "image preparation", "default", "rgb")


def test_a_published_table_is_compared_with_and_the_preparation_is_said(project: BenchProject) -> None:
    assert project.run(*CELL, REPOSITORY, "--ddperf-rgb").ret == 0
    (record,) = project.records()
    assert record.outcome == "ok"
    assert "this service's is rgb" in " ".join(record.notes)


# --- an engine for each batch size


def test_a_service_of_ours_is_for_all_batch_sizes(project: BenchProject) -> None:
    assert project.run(*CELLS, REPOSITORY).ret == 0
    assert len(created(project.server)) == 1


def test_recreate_makes_one_for_each(project: BenchProject) -> None:
    assert project.run(*CELLS, REPOSITORY, "--ddperf-recreate").ret == 0
    assert [one["mllib"]["maxBatchSize"] for one in created(project.server)] == [1, 8]
    assert project.server.services == []


def test_a_service_that_was_there_is_not_recreated(tk1: BenchProject) -> None:
    assert tk1.run(*CELLS, "--ddperf-recreate").ret == 0
    assert (tk1.server.asked("PUT"), tk1.server.asked("DELETE")) == ([], [])


def test_tensorrt_builds_an_engine_for_each_batch_size_as_a_cold_start_and_not_as_a_pass(
    pytester: pytest.Pytester,
) -> None:
    building: dict[str, bool] = {}

    def latency_ms(_: str, batch: int) -> float:
        """The first prediction of a service builds its engine: a minute."""
        fresh = building.setdefault(f"{len(server.asked('PUT'))}", True)
        building[f"{len(server.asked('PUT'))}"] = False
        return 60_000.0 if fresh else table[batch]

    with TableServer("tx2-tensorrt", services=[]) as server:
        table = {size: (server.table["googlenet", size] + 0.5 / size) * size for size in (1, 2, 4)}
        server.latency_ms = latency_ms
        project = BenchProject(pytester, server, "tx2-tensorrt")
        result = project.run("--ddperf-models=googlenet", "--ddperf-batch-sizes=1,2,4", REPOSITORY)
        assert result.ret == 0
        assert [one["mllib"]["maxBatchSize"] for one in created(server)] == [1, 2, 4]
    records = project.records()
    assert {str(record.outcome) for record in records} == {"ok"}
    for record in records:
        assert record.measurement is not None
        assert record.measurement.conditions.engine == record.key.batch_size
        assert record.measurement.cold_start.create_ms is not None
        assert record.measurement.cold_start.first_predict_ms is not None
        note = (
            f"the table's engine was built for its largest batch size, this one for batch size {record.key.batch_size}"
        )
        assert note in record.notes


# --- services at the end


def test_a_service_that_was_there_stays(tk1: BenchProject) -> None:
    before = tk1.server.services
    assert tk1.run(*CELL).ret == 0
    assert tk1.server.services == before


def test_delete_services_deletes_those_that_were_measured_and_no_others(tk1: BenchProject) -> None:
    before = set(tk1.server.services)
    assert tk1.run(*CELLS, "--ddperf-delete-services").ret == 0
    assert before - set(tk1.server.services) == {"squeezenet_v1.1"}


# --- knobs of one network


def bodies(server: TableServer) -> dict[str, Any]:
    """The body of each service that was created, by its name."""
    return {one.path.rpartition("/")[2]: one.json() for one in server.asked("PUT")}


def asked(server: TableServer) -> dict[str, Any]:
    """The body of the last prediction of each service."""
    every: list[Any] = [one.json() for one in server.asked("POST", "/predict")]
    return {body["service"]: body for body in every}


MODELS = ("--ddperf-models=squeezenet_v1.1,resnet50", "--ddperf-batch-sizes=1")
TURNED = [
    ("mllib = 'torch'", ("mllib",), "torch"),
    ("gpu = false", ("parameters", "mllib", "gpu"), False),
    ("gpuid = 1", ("parameters", "mllib", "gpuid"), 1),
    ("img_width = 300", ("parameters", "input", "width"), 300),
    ("img_height = 200", ("parameters", "input", "height"), 200),
    ("bw = true", ("parameters", "input", "bw"), True),
    ("rgb = true", ("parameters", "input", "rgb"), True),
    ("scale = 0.0039", ("parameters", "input", "scale"), 0.0039),
    ("histogram_equalization = true", ("parameters", "input", "histogram_equalization"), True),
    ("nclasses = 21", ("parameters", "mllib", "nclasses"), 21),
]
TURNED_ON_TENSORRT = [
    ("datatype = 'fp16'", ("parameters", "mllib", "datatype"), "fp16"),
    ("max_workspace_size = 256", ("parameters", "mllib", "maxWorkspaceSize"), 256),
    ("dla = true", ("parameters", "mllib", "dla"), 0),
]


def turn_resnet50(project: BenchProject, *lines: str) -> None:
    text = "\n".join(["[platforms.tk1.knobs.resnet50]", *lines, ""])
    (project.path / "ddperf.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("ini", "knobs"), [({}, TURNED), ({"ddperf_mllib": "tensorrt"}, TURNED_ON_TENSORRT)], ids=["any", "tensorrt"]
)
def test_knobs_of_one_network_are_in_its_service_and_in_no_other(
    project: BenchProject, ini: dict[str, str], knobs: list[tuple[str, tuple[str, ...], object]]
) -> None:
    project.ini(**ini)
    assert project.run(*MODELS, REPOSITORY).ret == 0
    usual = bodies(project.server)
    project.server.requests.clear()
    turn_resnet50(project, *(line for line, _, _ in knobs))
    assert project.run(*MODELS, REPOSITORY).ret == 0
    turned = bodies(project.server)
    assert turned["squeezenet_v1.1"] == usual["squeezenet_v1.1"]
    expected: Any = usual["resnet50"]
    for _, (*path, last), value in knobs:
        part = expected
        for name in path:
            part = part[name]
        part[last] = value
    assert turned["resnet50"] == expected


def test_knobs_of_one_network_are_in_its_predictions_and_in_no_others(tk1: BenchProject) -> None:
    assert tk1.run(*MODELS).ret == 0
    usual = asked(tk1.server)
    tk1.server.requests.clear()
    turn_resnet50(tk1, "image_interp = 'nearest'", "gpu_resize = true", "img_width = 300")
    assert tk1.run(*MODELS).ret == 0
    turned = asked(tk1.server)
    assert turned["squeezenet_v1.1"] == usual["squeezenet_v1.1"]
    expected = usual["resnet50"]
    expected["parameters"]["input"] |= {"interp": "nearest", "cuda": True, "width": 300}
    assert turned["resnet50"] == expected


def test_recreate_may_be_asked_for_one_network(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text("[platforms.tk1.knobs.resnet50]\nrecreate = true\n", encoding="utf-8")
    assert project.run(MODELS[0], "--ddperf-batch-sizes=1,2", REPOSITORY).ret == 0
    names = [one.path.rpartition("/")[2] for one in project.server.asked("PUT")]
    assert sorted(names) == ["resnet50", "resnet50", "squeezenet_v1.1"]


def test_it_wins_over_the_platform_s_and_the_command_line_over_both(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text(
        "[platforms.tk1]\nscale = 0.5\nrgb = true\nimg_width = 227\n"
        '[platforms.tk1.knobs."Squeezenetv1.1"]\nscale = 0.25\nrgb = false\nimg_width = 300\n',
        encoding="utf-8",
    )
    assert project.run(*MODELS, REPOSITORY, "--ddperf-img-width=320").ret == 0
    of = {name: body["parameters"]["input"] for name, body in bodies(project.server).items()}
    assert [of["squeezenet_v1.1"][key] for key in ("scale", "rgb", "width")] == [0.25, False, 320]
    assert [of["resnet50"][key] for key in ("scale", "rgb", "width")] == [0.5, True, 320]


def test_how_one_network_s_images_were_prepared_is_recorded_with_it_alone(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text("[platforms.tk1.knobs.resnet50]\nrgb = true\n", encoding="utf-8")
    assert project.run(*MODELS, REPOSITORY).ret == 0
    reported = {one.key.model: one.measurement.conditions.preparation for one in project.records() if one.measurement}
    assert reported == {"resnet50": "rgb", "squeezenet_v1.1": ""}


def test_an_own_network_s_backend_may_be_another_one_on_a_platform(project: BenchProject) -> None:
    (project.path / "ddperf.toml").write_text(
        '[models.mine]\nrepository = "/opt/mine"\nmllib = "caffe"\n[platforms.tk1.knobs.mine]\nmllib = "ncnn"\n',
        encoding="utf-8",
    )
    assert project.run("--ddperf-models=mine", "--ddperf-batch-sizes=1").ret == 0
    assert bodies(project.server)["mine"]["mllib"] == "ncnn"


def test_a_wrong_knob_of_a_network_is_refused_with_its_place(project: BenchProject) -> None:
    turn_resnet50(project, "img_with = 300")
    result = project.run(*CELL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert_names(result, "ddperf.toml, line 2", "'img_with'", "platforms.tk1.knobs.resnet50")
