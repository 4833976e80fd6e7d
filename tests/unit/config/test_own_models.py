from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from every_row import every_row
from hypothesis import given, settings
from hypothesis import strategies as st
from messages import assert_names
from model_folders import caffe_folder

from pytest_ddperf.config.own_models import is_folder_name, read_models, resolve_models
from pytest_ddperf.config.platform_toml import ID
from pytest_ddperf.core.catalog import Catalog, build_bare_catalog
from pytest_ddperf.core.networks import Network
from pytest_ddperf.core.tasks import Task
from pytest_ddperf.errors import BaselineFileError, ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def described(tmp_path: Path, text: str) -> Catalog:
    path = tmp_path / "ddperf.toml"
    path.write_text(text, encoding="utf-8")
    return read_models(path, build_bare_catalog())


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("./mine", True),
        ("models/mine", True),
        ("/m", True),
        ("~", True),
        (".", True),
        ("mine", False),
        ("res50", False),
    ],
)
def test_a_folder_is_distinguished_from_an_id_by_its_slash(name: str, is_one: bool) -> None:
    assert is_folder_name(name) is is_one


def test_names_become_ids_and_folders_further_networks(tmp_path: Path) -> None:
    folder = caffe_folder(tmp_path / "Ab Net")
    catalog, ids = resolve_models(build_bare_catalog(), ["res50", "./Ab Net", "/srv/x/"], tmp_path)
    assert ids == ("resnet50", "ab_net", "x")
    here, there = catalog.own_models
    assert (here.repository, here.path) == (str(folder), str(folder))
    assert (there.repository, there.path) == ("/srv/x/", None)
    assert here.width is None


def test_a_folder_named_twice_is_one_network(tmp_path: Path) -> None:
    caffe_folder(tmp_path / "net")
    catalog, ids = resolve_models(build_bare_catalog(), ["./net", f"{tmp_path}/net", "/srv/x", "/srv/x"], tmp_path)
    assert ids == ("net", "net", "x", "x")
    assert len(catalog.own_models) == 2


@pytest.mark.parametrize("name", ["/srv/...", "/", "/srv/___"])
def test_a_name_that_makes_no_id_is_refused_with_the_way_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        resolve_models(build_bare_catalog(), [name], tmp_path)
    assert_names(caught, "[models.my-model]", "path")


@settings(max_examples=40)
@given(st.text(min_size=1, max_size=90))
def test_whatever_a_folder_is_called_its_id_is_one_or_it_is_refused(name: str) -> None:
    from pathlib import Path  # noqa: PLC0415 - a property test cannot take a fixture of one example

    with contextlib.suppress(ConfigurationError):
        _, (made,) = resolve_models(build_bare_catalog(), [f"/nowhere-at-all/{name}"], Path("/"))
        assert ID.fullmatch(made)


def test_a_table_sets_what_it_names_and_leaves_the_rest_to_the_files(tmp_path: Path) -> None:
    (one,) = described(tmp_path, '[models.a]\nrepository = "/m"\ntitle = "A"\nwidth = 32\ntask = "ocr"\n').own_models
    assert one == Network("a", "A", task=Task.OCR, width=32, height=None, nclasses=None, repository="/m")


@every_row("task", list(Task))
def test_every_task_may_be_that_of_a_table(tmp_path: Path, task: Task) -> None:
    (one,) = described(tmp_path, f'[models.a]\nrepository = "/m"\ntask = "{task}"\n').own_models
    assert one.task is task


def test_paths_of_a_table_begin_at_its_file(tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (one,) = described(tmp_path, '[models.a]\npath = "nets"\n').own_models
    assert one.path == one.repository == str(tmp_path / "nets")


def test_two_tables_whose_ids_are_spelled_alike_are_refused(tmp_path: Path) -> None:
    text = '[models.a-net]\nrepository = "/m"\n[models.a_net]\nrepository = "/n"\n'
    with pytest.raises(BaselineFileError) as caught:
        described(tmp_path, text)
    assert_names(caught, "line 3", "'a_net'", "a-net", "/m")


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ('[models.resnet50]\nrepository = "/m"\n', ("line 1", "'resnet50'", "catalogue")),
        ('[models.a]\nwidth = 0\nrepository = "/m"\n', ("line 2", "width = 0", "from 1 to 1000000")),
        ('[models.a]\npath = "nowhere"\n', ("line 2", "path = 'nowhere'", "not a folder")),
        ('[models.a]\ntitle = "A"\n', ("line 1", "model a", "without a folder")),
        ('[models.a]\nrepostory = "/m"\n', ("line 2", "'repostory'", "model a", "did you mean repository?")),
        ('[models.a]\ntask = "poetry"\nrepository = "/m"\n', ("line 2", "task = 'poetry'", "classification")),
        ('[models.A]\nrepository = "/m"\n', ("line 1", "'A'")),
        ("[models]\na = 3\n", ("line 2", "models.a", "table")),
    ],
)
def test_a_wrong_table_is_refused_with_its_line(tmp_path: Path, text: str, facts: tuple[str, ...]) -> None:
    with pytest.raises(BaselineFileError) as caught:
        described(tmp_path, text)
    assert_names(caught, "ddperf.toml", *facts)


def test_models_may_be_absent(tmp_path: Path) -> None:
    assert described(tmp_path, "").own_models == ()


@pytest.mark.parametrize("text", ["models = 3", "[[models]]\nx = 1", "[models\n"])
def test_what_is_no_table_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(BaselineFileError, match=r"ddperf\.toml"):
        described(tmp_path, text)
