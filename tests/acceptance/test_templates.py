"""Templates of the Torch backend, measured on an embedded server without a model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from bench_project import BenchProject, TableServer

from pytest_ddperf.servers import picture

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_ddperf.embedded.launch import EmbeddedServer

pytest.importorskip("onnxruntime", reason="the extra `embedded` is not installed")

CELLS = ("--ddperf-batch-sizes=1,2", "--ddperf-npasses=3", "--ddperf-mllib=torch")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images, and model folders without a model."""
    made = tmp_path_factory.mktemp("served")
    (made / "images").mkdir()
    for number in range(2):
        picture.draw(number).save(made / "images" / f"{number}.jpg")
    for model in ("resnet18", "vgg16"):
        (made / "models" / model).mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def embedded(folder: Path) -> Iterator[EmbeddedServer]:
    """An embedded server of that folder."""
    from pytest_ddperf.embedded import launch  # noqa: PLC0415 - an optional extra

    with launch.start(data_dir=folder / "images", model_dirs=[folder / "models"], threads=1) as server:
        yield server


@pytest.fixture
def project(pytester: pytest.Pytester, server: TableServer) -> BenchProject:
    project = BenchProject(pytester, server, "local")
    (project.path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return project


def run(project: BenchProject, embedded: EmbeddedServer, folder: Path, *args: str) -> pytest.RunResult:
    return project.bare(
        "benchmarks",
        "--platform=local",
        f"--ddperf-url={embedded.url}",
        f"--ddperf-repository={folder}/models/{{model}}",
        f"--ddperf-data-dir={folder}/images",
        *CELLS,
        *args,
    )


@pytest.mark.parametrize("more", [(), ("--ddperf-template=resnet18",), ("--ddperf-recreate",)])
def test_a_network_without_a_model_is_measured_from_its_template(
    project: BenchProject, embedded: EmbeddedServer, folder: Path, more: tuple[str, ...]
) -> None:
    result = run(project, embedded, folder, "--ddperf-models=resnet18", *more)
    assert result.ret == 0
    records = project.records()
    measured = [one.measurement.conditions for one in records if one.measurement is not None]
    assert [(one.backend, one.template) for one in measured] == [("torch", "resnet18")] * 2
    assert [any("random weights" in note for note in one.notes) for one in records] == [True, True]
    assert sum("DeepDetect's templates" in line for line in result.outlines) == 1


def test_the_template_of_a_network_is_a_key_of_ddperf_toml(
    project: BenchProject, embedded: EmbeddedServer, folder: Path
) -> None:
    (project.path / "ddperf.toml").write_text(
        f"""
        [models.mine]
        repository = "{folder}/models/vgg16"
        nclasses = 10
        [platforms.local.knobs.mine]
        template = "resnet18"
        """,
        encoding="utf-8",
    )
    assert run(project, embedded, folder, "--ddperf-models=mine").ret == 0
    assert {one.measurement.conditions.template for one in project.records() if one.measurement} == {"resnet18"}


def test_a_network_without_a_template_is_missing(project: BenchProject, embedded: EmbeddedServer, folder: Path) -> None:
    result = run(project, embedded, folder, "--ddperf-models=vgg16", "--ddperf-missing-service=skip")
    result.assert_outcomes(skipped=2)


@pytest.mark.parametrize("models", ["vgg16", "resnet18,resnet50", "resnet50"])
def test_a_template_is_not_measured_under_the_name_of_another_network(
    project: BenchProject, embedded: EmbeddedServer, folder: Path, models: str
) -> None:
    result = run(project, embedded, folder, f"--ddperf-models={models}", "--ddperf-template=resnet18")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--ddperf-template=resnet18" in "\n".join((*result.errlines, *result.outlines))


@pytest.mark.parametrize("name", ["mobilevit_s", "vitpose", "crnn", "RESNET18"])
def test_only_known_names_are_sent(project: BenchProject, embedded: EmbeddedServer, folder: Path, name: str) -> None:
    result = run(project, embedded, folder, "--ddperf-models=resnet18", f"--ddperf-template={name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
