"""`ddperf bench` as dd_bench's users run it, against the real embedded server, its files read by a script of theirs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from messages import assert_names

from pytest_ddperf.servers import picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_ddperf.embedded.launch import EmbeddedServer

pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")

SCRIPT = r"""
import csv, json, re, sys
printed = sys.stdin.read()
by_csv = {int(row["batch_size"]): (float(row["mean processing time"]), float(row["mean time per img"]))
          for row in csv.DictReader(open("out.csv"))}
by_json = {one["batch_size"]: (one["mean_processing_time"], one["mean_time_per_img"])
           for one in json.load(open("out.json"))}
form = (r"^>>> batch size = (\S+) / mean processing time = (\S+) / mean time per image = (\S+)"
        r" / fps = (\S+) / fail = False$")
by_line = {int(b): (float(ms), float(per_image), float(fps))
           for b, ms, per_image, fps in re.findall(form, printed, flags=re.M)}
assert by_csv == by_json == {b: one[:2] for b, one in by_line.items()}
for b, (ms, per_image, fps) in by_line.items():
    assert ms > 0 and abs(per_image - ms / b) < 1e-9 and abs(fps * per_image - 1000) < 1e-6
print(json.dumps(sorted(by_csv)))
"""
"""Reads the output of dd_bench: its lines, its CSV and its JSON must say the same."""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four bench images, and the list of them that came with the report's."""
    folder = tmp_path_factory.mktemp("bench")
    for number in range(4):
        picture.draw(number).save(folder / f"{number}.jpg")
    (folder / "list_bench_files.txt").write_text("".join(f"{number}.jpg\n" for number in range(4)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def embedded(images: Path) -> Iterator[EmbeddedServer]:
    from pytest_ddperf.embedded import launch  # noqa: PLC0415 - an optional extra

    with launch.start(data_dir=images, threads=1) as server:
        yield server


def bench(server: EmbeddedServer, images: Path, folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """`ddperf bench` in a process of its own, as the report calls dd_bench, with both files."""
    port = str(urlsplit(server.url).port)
    call = ["--host", "localhost", "--port", port, "--sname", "imageserv", "--remote-bench-data-dir", str(images)]
    command = [sys.executable, "-c", "import sys; from pytest_ddperf.cli.main import main; sys.exit(main())", "bench"]
    files = ["--csv-output", "out.csv", "--json-output", "out.json"]
    return subprocess.run(
        [*command, *call, *files, "--npasses", "2", *args], cwd=folder, capture_output=True, text=True, check=False
    )


def batch_sizes(ran: subprocess.CompletedProcess[str], folder: Path) -> list[int]:
    """What a script that expects dd_bench's output reads of it."""
    read = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=folder, input=ran.stdout, capture_output=True, text=True, check=False
    )
    assert read.returncode == 0, read.stderr
    sizes: list[int] = json.loads(read.stdout)
    return sizes


@pytest.mark.slow
def test_the_reports_call_on_a_real_server_is_read_by_a_script_for_dd_bench(
    embedded: EmbeddedServer, images: Path, tmp_path: Path
) -> None:
    ran = bench(
        embedded, images, tmp_path, "--gpu", "--max-batch-size", "4", "--create", "squeezenet_v1.1", "--auto-kill"
    )
    assert (ran.returncode, batch_sizes(ran, tmp_path)) == (0, [1, 2, 4]), ran.stderr
    assert_names(ran.stderr, "total_predict_duration_ms")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("args", "model"),
    [
        ("--detection", "task_detection"),
        ("--segmentation", "task_segmentation"),
        ("--regression", "task_regression"),
        ("--search", "task_search"),
        ("--detection --search", "task_roi_search"),
        ("--detection --search-multibox", "task_multibox_search"),
    ],
)
def test_each_task_is_measured_end_to_end(
    embedded: EmbeddedServer, images: Path, tmp_path: Path, args: str, model: str
) -> None:
    side = "300" if "--detection" in args else "224"
    sides = ["--img-width", side, "--img-height", side]
    ran = bench(
        embedded, images, tmp_path, *args.split(), *sides, "--max-batch-size", "2", "--create", model, "--auto-kill"
    )
    assert (ran.returncode, batch_sizes(ran, tmp_path)) == (0, [1, 2]), ran.stderr


@pytest.mark.slow
def test_a_service_of_another_task_is_not_measured(embedded: EmbeddedServer, images: Path, tmp_path: Path) -> None:
    ran = bench(embedded, images, tmp_path, "--detection", "--create", "squeezenet_v1.1", "--auto-kill")
    assert ran.returncode == 2
    assert_names(ran.stderr, "classification", "bbox")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.slow
def test_a_batch_that_is_larger_than_the_list_fails_alone(
    embedded: EmbeddedServer, images: Path, tmp_path: Path
) -> None:
    ran = bench(embedded, images, tmp_path, "--max-batch-size", "8", "--create", "shufflenet", "--auto-kill")
    assert (ran.returncode, batch_sizes(ran, tmp_path)) == (1, [1, 2, 4])
    assert_names(ran.stderr, "batch size 8", "8 different images", 4)
