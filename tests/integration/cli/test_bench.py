"""`ddperf bench` on the wire and in its output, option by option; and dd_bench's ten defects, each mended."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from every_row import every_row
from messages import assert_names
from scripted_deepdetect import Prediction, ScriptedDeepDetect, ServiceSetup, out_of_memory
from scripted_server import Reply

from pytest_ddperf.cli import bench as bench_command
from pytest_ddperf.cli.main import _parser, main
from pytest_ddperf.config.server_options import ServerOptions
from pytest_ddperf.dd_bench import run
from pytest_ddperf.deepdetect.url import identify_server
from pytest_ddperf.servers.lock import ServerLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CREATED: dict[str, Any] = {
    "description": "image classification service",
    "mllib": "caffe",
    "type": "supervised",
    "parameters": {
        "input": {
            "connector": "image",
            "width": 224,
            "height": 224,
            "bw": False,
            "rgb": False,
            "histogram_equalization": False,
            "scale": 1.0,
        },
        "mllib": {
            "nclasses": 1000,
            "datatype": "fp32",
            "readEngine": True,
            "writeEngine": True,
            "maxBatchSize": 1,
            "maxWorkspaceSize": 1024,
            "gpu": False,
            "gpuid": 0,
        },
        "output": {},
    },
    "model": {"repository": "/srv/models/squeezenet"},
}
"""What dd_bench sends to create a service; its scale is the integer 1."""

PREDICTED: dict[str, Any] = {
    "service": "imageserv",
    "parameters": {"input": {"width": 224, "height": 224}, "mllib": {"gpu": False, "gpuid": 0}, "output": {}},
    "data": ["/srv/bench/0.jpg"],
}
"""What dd_bench sends to predict the first image; it adds `interp: null`."""

SEARCHED = {"confidence_threshold": 0.1, "search": True, "rois": "rois", "bbox": False}


class Ran(NamedTuple):
    """How a run ended, and what it wrote."""

    status: int
    out: str
    err: str


class Command:
    """The command against a scripted server, in a folder of its own.

    Args:
        folder: where it runs; holds a list of 300 images.
        server: what is measured.
        capsys: of the test.
    """

    def __init__(self, folder: Path, server: ScriptedDeepDetect, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.server = server
        self._capsys = capsys
        (folder / "list_bench_files.txt").write_text("".join(f"{n}.jpg\n" for n in range(300)), encoding="utf-8")

    def __call__(self, *args: str, port: int | None = None) -> Ran:
        """`ddperf bench`, at that server, with a service's name and the images."""
        where = ["--host", "127.0.0.1", "--port", str(port or self.server.port), "--sname", "imageserv"]
        return self.bare(*where, "--remote-bench-data-dir", "/srv/bench", *args)

    def bare(self, *args: str) -> Ran:
        """`ddperf bench` with these arguments alone."""
        status = main(["bench", *args])
        return Ran(status, *self._capsys.readouterr())

    def created(self) -> list[dict[str, Any]]:
        """The bodies that created services."""
        return [one.json() for one in self.server.asked("PUT")]  # type: ignore[misc]

    def predicted(self) -> list[dict[str, Any]]:
        """The bodies of all predictions."""
        return [one.json() for one in self.server.asked("POST", "/predict")]  # type: ignore[misc]

    def rows(self, name: str = "out.csv") -> list[dict[str, str]]:
        """A CSV file that it wrote, as a script that expects dd_bench's reads it."""
        with (self.folder / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "RECOVERY_PAUSES_S", (0.0,) * len(run.RECOVERY_PAUSES_S))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def server() -> Iterator[ScriptedDeepDetect]:
    """10 ms an image; a service `imageserv` is there."""
    with ScriptedDeepDetect(services=["imageserv"]) as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, server: ScriptedDeepDetect, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command at that server."""
    return Command(tmp_path, server, capsys)


@pytest.fixture
def empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command at a server without a service."""
    with ScriptedDeepDetect() as running:
        yield Command(tmp_path, running, capsys)


ONE = ("--max-batch-size", "1", "--npasses", "1")
CREATE = (*ONE, "--create", "/srv/models/squeezenet")


def changed(body: dict[str, Any], part: str, **values: object) -> dict[str, Any]:
    """A body with other values in a part of its parameters."""
    parameters = body["parameters"]
    return {**body, "parameters": {**parameters, part: {**parameters[part], **values}}}


DD_BENCH: dict[str, object] = {
    "--host": "localhost", "--port": 8080, "--sname": None, "--img-width": 224, "--img-height": 224, "--bw": False,
    "--rgb": False, "--scale": 1, "--histogram-equalization": False, "--gpu": False, "--gpuid": 0,
    "--remote-bench-data-dir": None, "--max-batch-size": 256, "--max-workspace-size": 1024, "--list-bench-files": None,
    "--npasses": 5, "--detection": False, "--segmentation": False, "--regression": False, "--search": False,
    "--search-multibox": False, "--create": None, "--nclasses": 1000, "--auto-kill": False, "--csv-output": None,
    "--json-output": None, "--mllib": "caffe", "--datatype": "fp32", "--recreate": False, "--dla": False,
    "--gpu-resize": False, "--image-interp": None,
}  # fmt: skip
"""dd_bench's options and their defaults."""


@every_row("option, default", DD_BENCH.items())
def test_each_of_dd_benchs_options_is_there_with_its_default(option: str, default: object) -> None:
    attribute = option.removeprefix("--").replace("-", "_")
    assert getattr(_parser().parse_args(["bench"]), attribute) == default
    given = [option] if isinstance(default, bool) else [option, "7"]
    assert getattr(_parser().parse_args(["bench", *given]), attribute) != default


# --- the wire, option by option


def test_a_service_is_created_and_predicts_as_with_dd_bench(empty: Command) -> None:
    assert empty(*CREATE).status == 0
    assert empty.created() == [CREATED]
    assert empty.predicted() == [PREDICTED] * 3  # the model is loaded, the batch is set up, a pass is timed
    paths = [(one.method, one.path) for one in empty.server.requests if one.path != "/info"]
    assert paths == [("PUT", "/services/imageserv"), *[("POST", "/predict")] * 3]


def test_the_reports_own_call_works(empty: Command) -> None:
    where = ("--host", "localhost", "--port", str(empty.server.port), "--sname", "imageserv")
    ran = empty.bare(
        *where, "--gpu", "--remote-bench-data-dir", "/srv/bench", "--max-batch-size", "128", "--create", "squeezenet"
    )
    assert ran.status == 0
    sizes = re.findall(r"^>>> batch size = (\d+) / .* / fail = False$", ran.out, flags=re.MULTILINE)
    assert sizes == ["1", "2", "4", "8", "16", "32", "48", "64", "80", "96", "112", "128"]
    created = changed({**CREATED, "model": {"repository": "squeezenet"}}, "mllib", gpu=True)
    assert empty.created() == [created]
    assert empty.predicted()[0] == changed(PREDICTED, "mllib", gpu=True)


@pytest.mark.parametrize(
    ("args", "created", "predicted"),
    [
        ("--img-width 300", ("input", {"width": 300}), ("input", {"width": 300})),
        ("--img-height 200", ("input", {"height": 200}), ("input", {"height": 200})),
        ("--bw", ("input", {"bw": True}), None),
        ("--rgb", ("input", {"rgb": True}), None),
        ("--scale 0.0039", ("input", {"scale": 0.0039}), None),
        ("--histogram-equalization", ("input", {"histogram_equalization": True}), None),
        ("--eqhist", ("input", {"histogram_equalization": True}), None),
        ("--gpu", ("mllib", {"gpu": True}), ("mllib", {"gpu": True})),
        ("--gpuid 1", ("mllib", {"gpuid": 1}), ("mllib", {"gpuid": 1})),
        ("--cpu", None, None),
        ("--max-workspace-size 256", ("mllib", {"maxWorkspaceSize": 256}), None),
        ("--nclasses 21", ("mllib", {"nclasses": 21}), None),
        ("--datatype fp16", ("mllib", {"datatype": "fp16"}), None),
        ("--dla", ("mllib", {"dla": 0}), None),
        ("--gpu-resize", None, ("input", {"cuda": True})),
        ("--image-interp nearest", None, ("input", {"interp": "nearest"})),
        ("--image-interp=", None, None),
        ("--detection", None, ("output", {"confidence_threshold": 0.1, "bbox": True})),
        ("--segmentation", ("input", {"segmentation": True}), ("input", {"segmentation": True})),
        ("--regression", ("input", {"regression": True}), ("output", {"regression": True})),
        ("--search", None, ("output", {"search": True})),
        ("--detection --search", None, ("output", SEARCHED)),
        ("--detection --search-multibox", None, ("output", {**SEARCHED, "multibox_rois": True})),
    ],
)
def test_an_option_changes_the_requests_as_in_dd_bench(
    empty: Command,
    args: str,
    created: tuple[str, dict[str, object]] | None,
    predicted: tuple[str, dict[str, object]] | None,
) -> None:
    assert empty(*CREATE, *args.split()).status == 0
    assert empty.created() == [changed(CREATED, created[0], **created[1]) if created else CREATED]
    expected = changed(PREDICTED, predicted[0], **predicted[1]) if predicted else PREDICTED
    assert empty.predicted() == [expected] * 3


def test_mllib_names_the_backend(empty: Command) -> None:
    assert empty(*CREATE, "--mllib", "ncnn").status == 0
    assert empty.created() == [{**CREATED, "mllib": "ncnn"}]


def test_a_tensorrt_service_is_created_once_for_the_largest_batch_and_that_is_said(empty: Command) -> None:
    ran = empty("--create", "/srv/models/squeezenet", "--mllib", "tensorrt", "--max-batch-size", "4")
    assert empty.created() == [changed({**CREATED, "mllib": "tensorrt"}, "mllib", maxBatchSize=4)]
    assert_names(ran.err, "one TensorRT engine", "4 images")


def test_recreate_makes_a_service_for_each_batch_size_and_predicts_five_times_first(empty: Command) -> None:
    ran = empty("--create", "/srv/models/squeezenet", "--recreate", "--max-batch-size", "4", "--npasses", "2")
    assert ran.status == 0
    assert empty.created() == [changed(CREATED, "mllib", maxBatchSize=size) for size in (1, 2, 4)]
    assert [len(one["data"]) for one in empty.predicted()] == [1] * 8 + [2] * 8 + [4] * 8
    assert len(empty.server.asked("DELETE", "/services/imageserv")) == 3
    assert empty.server.services == []


def test_sname_names_the_service(empty: Command) -> None:
    assert empty(*CREATE, "--sname", "Faces").status == 0
    assert {one["service"] for one in empty.predicted()} == {"Faces"}
    assert empty.server.services == ["faces"]


def test_list_bench_files_names_the_images(bench: Command) -> None:
    (bench.folder / "mine.txt").write_text("a.png\nb.png\n", encoding="utf-8")
    assert bench("--list-bench-files", "mine.txt", "--max-batch-size", "2", "--npasses", "1").status == 0
    assert bench.predicted()[-1]["data"] == ["/srv/bench/a.png", "/srv/bench/b.png"]


def test_the_first_images_of_the_list_are_the_batch(bench: Command) -> None:
    bench("--max-batch-size", "4", "--npasses", "3")
    sizes = [len(one["data"]) for one in bench.predicted()]
    assert sizes == [1] + [1] * 4 + [2] * 4 + [4] * 4
    assert bench.predicted()[-1]["data"] == [f"/srv/bench/{number}.jpg" for number in range(4)]


def test_npasses_is_how_many_are_timed(bench: Command) -> None:
    ran = bench("--max-batch-size", "1", "--npasses", "7")
    assert len(re.findall(r"^pass \d batch size = 1 / ", ran.out, flags=re.MULTILINE)) == 7
    assert len(bench.predicted()) == 1 + 1 + 7


def test_auto_kill_deletes_the_service_whoever_created_it(bench: Command) -> None:
    assert bench(*ONE, "--auto-kill").status == 0
    assert bench.server.services == []


def test_a_creation_without_an_answer_leaves_a_service_only_if_none_is_to_be_deleted(empty: Command) -> None:
    answer = empty.server.respond
    empty.server.respond = lambda request: (
        replace(answer(request), drop=True) if request.method == "PUT" else answer(request)
    )
    for options, left in ((("--auto-kill",), []), (("--recreate",), []), ((), ["imageserv"])):
        assert empty(*CREATE, *options).status != 0
        assert empty.server.services == left


def test_without_auto_kill_a_service_that_was_created_stays(empty: Command) -> None:
    assert empty(*CREATE).status == 0
    assert empty.server.services == ["imageserv"]


def test_the_output_and_the_files_are_dd_benchs(bench: Command) -> None:
    ran = bench("--max-batch-size", "2", "--npasses", "2", "--csv-output", "out.csv", "--json-output", "out.json")
    assert ran.out.splitlines() == [
        "testing batch size = 1",
        "testing batch size = 1",
        "testing batch size = 1",
        "pass 1 batch size = 1 / processing time = 10.0 / time per image = 10.0",
        "pass 2 batch size = 1 / processing time = 10.0 / time per image = 10.0",
        "mean transform time = 2.5",
        ">>> batch size = 1 / mean processing time = 10.0 / mean time per image = 10.0 / fps = 100.0 / fail = False",
        "testing batch size = 2",
        "testing batch size = 2",
        "testing batch size = 2",
        "pass 1 batch size = 2 / processing time = 20.0 / time per image = 10.0",
        "pass 2 batch size = 2 / processing time = 20.0 / time per image = 10.0",
        "mean transform time = 5.0",
        ">>> batch size = 2 / mean processing time = 20.0 / mean time per image = 10.0 / fps = 100.0 / fail = False",
    ]
    assert bench.rows() == [
        {"batch_size": "1", "mean processing time": "10.0", "mean time per img": "10.0"},
        {"batch_size": "2", "mean processing time": "20.0", "mean time per img": "10.0"},
    ]
    assert json.loads((bench.folder / "out.json").read_text(encoding="utf-8")) == [
        {"batch_size": 1, "mean_processing_time": 10.0, "mean_time_per_img": 10.0},
        {"batch_size": 2, "mean_processing_time": 20.0, "mean_time_per_img": 10.0},
    ]


@every_row(
    "args", [("--npasses", "0"), ("--max-batch-size", "x"), ("--port", "0"), ("--timeout", "0"), ("--timer", "sundial")]
)
def test_a_number_that_cannot_be_is_a_usage_error(bench: Command, args: tuple[str, str]) -> None:
    with pytest.raises(SystemExit) as caught:
        bench(*args)
    assert caught.value.code == 2
    assert bench.server.requests == []


# --- dd_bench's defects


def failing(*sizes: int, reply: Callable[[], Reply] = out_of_memory) -> Callable[[Prediction], Reply | None]:
    """A fault of those batch sizes."""
    return lambda prediction: reply() if prediction.batch in sizes else None


OUT = ("--csv-output", "out.csv", "--json-output", "out.json")


def test_defect_1_an_http_error_fails_its_batch_size_alone(bench: Command) -> None:
    bench.server.fault = failing(2)
    ran = bench("--max-batch-size", "4", *OUT)
    assert ran.status == 1
    assert [row["batch_size"] for row in bench.rows()] == ["1", "4"]
    assert_names(ran.err, "batch size 2 was not measured", "enough memory")
    assert "Check failed" in ran.err
    assert ">>> batch size = 2 / mean processing time = nan /" in ran.out
    assert "Traceback" not in ran.err


def test_defect_2_an_error_under_http_200_is_one_and_passes_before_it_count_for_nothing(bench: Command) -> None:
    def reply(prediction: Prediction) -> Reply | None:
        # two passes of 20 ms come before it: dd_bench wrote their sum, divided by five, 8 ms
        if prediction.batch != 2 or prediction.number < 1 + 6 + 1 + 2 + 1:
            return None
        return Reply(200, {"status": {"code": 500, "msg": "InternalError", "dd_code": 1007, "dd_msg": "no memory"}})

    bench.server.fault = reply
    ran = bench("--max-batch-size", "2", *OUT)
    assert ran.status == 1
    assert [row["batch_size"] for row in bench.rows()] == ["1"]
    assert ">>> batch size = 2 / mean processing time = nan /" in ran.out
    assert "no memory" in ran.err


def test_defect_2_a_failure_of_the_first_pass_divides_by_nothing(bench: Command) -> None:
    bench.server.fault = failing(1)
    ran = bench(*ONE, *OUT)
    assert ran.status == 2  # the very first prediction: there is nothing to measure
    assert "Check failed" in ran.err
    assert not (bench.folder / "out.csv").exists()


def test_defect_2_a_time_of_0_ms_is_no_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedDeepDetect(lambda *_: 0.4, ["imageserv"], totals="none") as server:
        ran = Command(tmp_path, server, capsys)(*ONE, *OUT)
    assert ran.status == 1
    assert_names(ran.err, "head.time", "0 ms", "1 of 1 passes", "--timer")
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8")) == []


def test_defect_3_recreate_without_create_touches_no_service(bench: Command) -> None:
    ran = bench(*ONE, "--recreate")
    assert ran.status == 2
    assert_names(ran.err, "--create DIR", "--recreate")
    assert bench.server.requests == []


def test_defect_3_recreate_leaves_a_service_of_that_name_alone(bench: Command) -> None:
    ran = bench(*CREATE, "--recreate")
    assert ran.status == 2
    assert_names(ran.err, "imageserv", "--recreate")
    assert bench.server.services == ["imageserv"]


def test_defect_3_recreate_and_auto_kill_delete_once(empty: Command) -> None:
    ran = empty(*CREATE, "--recreate", "--auto-kill")
    assert (ran.status, len(empty.server.asked("DELETE"))) == (0, 1)


def test_defect_4_more_images_than_the_list_holds_are_not_pretended(bench: Command) -> None:
    (bench.folder / "list_bench_files.txt").write_text("a.jpg\nb.jpg\nc.jpg\n", encoding="utf-8")
    ran = bench("--max-batch-size", "4", *OUT)
    assert ran.status == 1
    assert [row["batch_size"] for row in bench.rows()] == ["1", "2"]
    assert_names(ran.err, "batch size 4", "4 different images", 3)


def test_defect_5_no_null_is_sent(empty: Command) -> None:
    empty(*CREATE)
    assert all(b"null" not in one.body for one in empty.server.requests)


def test_defect_5_a_missing_data_directory_is_said_before_anything_is_overwritten(bench: Command) -> None:
    (bench.folder / "out.csv").write_text("last week's\n", encoding="utf-8")
    ran = bench.bare("--port", str(bench.server.port), "--sname", "imageserv", *OUT)
    assert ran.status == 2
    assert ran.err.startswith("ddperf: No folder of images is named; add --remote-bench-data-dir DIR")
    assert ran.err.count("\n") == 1
    assert (bench.folder / "out.csv").read_text(encoding="utf-8") == "last week's\n"
    assert bench.server.requests == []


def test_defect_5_a_missing_service_name_is_said(bench: Command) -> None:
    ran = bench.bare("--remote-bench-data-dir", "/srv/bench")
    assert ran.status == 2
    assert_names(ran.err, "--sname NAME")


def test_defect_5_a_service_that_is_not_there_is_said(empty: Command) -> None:
    ran = empty(*ONE, *OUT)
    assert ran.status == 2
    assert_names(ran.err, "no service imageserv", "--create DIR")
    assert not (empty.folder / "out.csv").exists()


def test_defect_6_a_service_that_is_there_already_is_used(bench: Command) -> None:
    ran = bench(*CREATE)
    assert ran.status == 0
    assert_names(ran.err, "imageserv already exists")
    assert len(bench.predicted()) == 3


@pytest.mark.parametrize("totals", ["none", "counts"])
def test_defect_6_a_server_without_totals_is_measured_by_head_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], totals: str
) -> None:
    with ScriptedDeepDetect(lambda *_: 8.4, ["imageserv"], totals=totals, in_real_time=True) as server:
        ran = Command(tmp_path, server, capsys)(*ONE, *OUT)
    assert ran.status == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))[0]["mean_processing_time"] == 8.0
    assert "transform" not in ran.out
    assert_names(ran.err, "head.time")


def test_defect_7_a_server_that_needs_several_tries_after_out_of_memory_gets_them(bench: Command) -> None:
    failures = iter([True] * 4)
    bench.server.fault = lambda one: out_of_memory() if one.number > 8 and next(failures, False) else None
    ran = bench("--max-batch-size", "4", *OUT)
    assert ran.status == 1
    assert [row["batch_size"] for row in bench.rows()] == ["1", "4"]
    assert [len(one["data"]) for one in bench.predicted()[8:13]] == [2, 1, 1, 1, 1]


def test_defect_7_wrong_predictions_after_out_of_memory_are_not_measured(bench: Command) -> None:
    bench.server.fault = failing(2)

    def wrong(one: Prediction, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if one.number < 8:
            return predictions
        return [{**each, "classes": [{"prob": 0.5, "cat": "garbage"}]} for each in predictions]

    bench.server.wrong = wrong
    ran = bench("--max-batch-size", "8", *OUT)
    assert ran.status == 1
    assert [row["batch_size"] for row in bench.rows()] == ["1"]
    for size in (4, 8):
        assert (
            f"batch size {size} was not measured: the server did not recover from the previous failure: it responds, "
            "but predicts something else than at the start" in ran.err
        )


def test_defect_8_one_connection_serves_the_whole_run(bench: Command) -> None:
    assert bench("--max-batch-size", "8").status == 0
    assert bench.server.connections == 1


def test_defect_8_a_silent_server_times_out_as_configured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedDeepDetect(services=["imageserv"], delay_s=0.0) as server:
        command = Command(tmp_path, server, capsys)
        answer = Reply(200, {}, delay_s=30)
        server.fault = lambda one: answer if one.batch == 2 else None
        ran = command("--max-batch-size", "2", "--timeout", "0.2")
    assert ran.status == 1
    assert_names(ran.err, "0.2 s")


def test_defect_9_fractions_of_a_millisecond_are_not_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedDeepDetect(lambda *_: 8.4, ["imageserv"], in_real_time=True) as server:
        command = Command(tmp_path, server, capsys)
        assert command(*ONE, *OUT).status == 0
        assert command.rows()[0]["mean processing time"] == "8.4"
        assert command(*ONE, *OUT, "--timer", "head").status == 0
        assert command.rows()[0]["mean processing time"] == "8.0"


def test_defect_10_what_was_not_measured_has_a_cause_and_no_number(bench: Command) -> None:
    bench.server.fault = failing(1, 2, 4)
    bench.server.fault = lambda one: out_of_memory() if one.batch > 1 else None
    ran = bench("--max-batch-size", "4", *OUT)
    causes = re.findall(r"^ddperf: batch size (\d) was not measured: .*Check failed", ran.err, flags=re.MULTILINE)
    assert causes == ["2", "4"]
    text = (bench.folder / "out.csv").read_text(encoding="utf-8")
    assert "-1" not in text
    assert len(text.splitlines()) == 2


# --- where dd_bench misleads


@pytest.mark.parametrize("backend", ["torch", "tensorrt"])
def test_one_warning_names_the_pytest_command_where_dd_bench_misleads(empty: Command, backend: str) -> None:
    ran = empty("--create", "/srv/models/res50", "--mllib", backend, "--max-batch-size", "4", "--npasses", "1")
    assert ran.status == 0
    (warning,) = [line for line in ran.err.splitlines() if line.startswith("ddperf: warning: ")]
    command = f"pytest benchmarks --platform=PLATFORM --ddperf-url={empty.server.url}"
    assert_names(warning, command, "--ddperf-models=resnet50")
    assert "pytest" not in ran.out


def test_the_backend_of_an_existing_service_decides_about_the_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = ServiceSetup("imageserv", mllib="torch", gpu=False)
    with ScriptedDeepDetect(services=[setup]) as server:
        command = Command(tmp_path, server, capsys)
        used, created = command("--max-batch-size", "2"), command("--max-batch-size", "2", "--create", "/srv/m")
    assert [ran.err.count("test_batch_size") for ran in (used, created)] == [1, 1]


def test_a_backend_that_does_not_mislead_causes_no_warning(empty: Command) -> None:
    assert "warning" not in empty(*CREATE, "--mllib", "ncnn").err


@pytest.mark.parametrize("backend", ["torch", "tensorrt"])
def test_the_requests_stay_dd_benchs_where_it_misleads(empty: Command, backend: str) -> None:
    empty(*CREATE, "--mllib", backend)
    assert empty.created() == [{**CREATED, "mllib": backend}]
    assert empty.predicted() == [PREDICTED] * 3


# --- more of what can go wrong


def test_a_backend_that_the_server_has_retired_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedDeepDetect(accepts=lambda _: False) as server:
        ran = Command(tmp_path, server, capsys)(*CREATE)
    assert ran.status == 2
    assert_names(ran.err, "--mllib caffe", "caffe, ncnn")


def test_somebody_else_on_the_server_makes_a_batch_size_invalid_and_others_are_measured(bench: Command) -> None:
    def intrude(one: Prediction, predictions: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if one.batch == 1 and one.number > 1:
            bench.server.use_elsewhere("imageserv")
        return predictions

    bench.server.wrong = intrude
    ran = bench("--max-batch-size", "2", *OUT)
    assert ran.status == 1
    assert_names(ran.err, "batch size 1 was not measured", "somebody else")
    assert [row["batch_size"] for row in bench.rows()] == ["2"]


def test_a_server_that_another_run_measures_is_waited_for(bench: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_command, "ServerOptions", partial(ServerOptions, lock_wait_s=0.2))
    held = ServerLock(identify_server(bench.server.url))
    assert held.acquire_at_once()
    ran = bench(*ONE)
    held.release()
    assert ran.status == 2
    assert_names(ran.err, "another run", identify_server(bench.server.url))
    assert bench.server.requests == []
    assert bench(*ONE).status == 0


def test_a_server_that_is_not_there_is_a_paragraph(bench: Command) -> None:
    bench.server.close()
    ran = bench(*ONE, *OUT)
    assert ran.status == 2
    assert "No connection" in ran.err
    assert not (bench.folder / "out.csv").exists()


@pytest.mark.parametrize("how", ["--csv-output", "--json-output"])
def test_a_file_that_cannot_be_written_is_said_before_the_run(bench: Command, how: str) -> None:
    ran = bench(*ONE, how, "nowhere/out")
    assert ran.status == 2
    assert_names(ran.err, "nowhere/out", "no folder")
    assert bench.server.requests == []


def test_what_is_measured_is_in_the_files_when_the_run_is_interrupted(bench: Command) -> None:
    def interrupt(one: Prediction) -> Reply | None:
        if one.batch == 4:
            raise_in_main()
        return None

    def raise_in_main() -> None:
        import _thread  # noqa: PLC0415 - only here

        _thread.interrupt_main()

    bench.server.fault = interrupt
    ran = bench("--max-batch-size", "8", "--auto-kill", *OUT)
    assert ran.status == 130
    assert [row["batch_size"] for row in bench.rows()] == ["1", "2"]
    assert_names(ran.err, "interrupted", "2 batch sizes")
    assert bench.server.services == []
