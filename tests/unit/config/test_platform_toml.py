from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from messages import assert_names

from pytest_ddperf.config.load_catalog import load_catalog
from pytest_ddperf.config.platform_toml import read_platforms
from pytest_ddperf.core.networks import NETWORK_IDS
from pytest_ddperf.core.platform import PLATFORM_KEYS, Platform
from pytest_ddperf.core.service_parameters import ServiceParameters
from pytest_ddperf.errors import BaselineFileError, FileContentError

TK1 = Platform("tk1", "Jetson TK1", watts=12.5, parameters=ServiceParameters(mllib="caffe"))
Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "ddperf.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def test_a_platform_of_ones_own_needs_no_key(write: Write) -> None:
    platform = read_platforms(write("[platforms.my-board]\n"), {"tk1": TK1})["my-board"]
    assert (platform.id, platform.title, platform.models, platform.tolerance) == (
        "my-board",
        "my-board",
        NETWORK_IDS,
        0.1,
    )


def test_a_key_overrides_and_the_others_stay(write: Write) -> None:
    platform = read_platforms(write('[platforms.tk1]\nurl = "http://board:8080"\n'), {"tk1": TK1})["tk1"]
    assert (platform.url, platform.watts, platform.title) == ("http://board:8080", 12.5, "Jetson TK1")
    assert platform.overridden == {"url"}


def test_the_packages_own_file_overrides_nothing(write: Write) -> None:
    assert read_platforms(write("[platforms.tk1]\nwatts = 12.5\n"))["tk1"].overridden == frozenset()


@pytest.mark.parametrize(
    ("written", "tolerance"), [("0.05", 0.05), ('"5%"', 0.05), ('"12.5 %"', 0.125), ('"150%"', 1.5), ("0", 0)]
)
def test_a_tolerance_is_a_fraction_or_percent(write: Write, written: str, tolerance: float) -> None:
    platforms = read_platforms(write(f"[platforms.tk1]\ntolerance = {written}\n"))
    assert platforms["tk1"].tolerance == pytest.approx(tolerance)


def test_batch_sizes_are_sorted(write: Write) -> None:
    assert read_platforms(write("[platforms.tk1]\nbatch_sizes = [4, 1]\n"))["tk1"].batch_sizes == (1, 4)


BOARD = '[platforms.board2]\nlike = "tk1"\n'


def test_a_board_that_is_like_a_platform_has_its_facts_but_for_what_its_section_says(write: Write) -> None:
    toml = BOARD + 'url = "http://board2:8080"\nwatts = 10\n'
    board = read_platforms(write(toml), {"tk1": TK1})["board2"]
    assert (board.id, board.parameters.mllib, board.watts, board.url) == ("board2", "caffe", 10, "http://board2:8080")
    assert board.overridden == {"like", "url", "watts"}
    assert (board.like, board.title) == ("tk1", "Jetson TK1 (board2)")


@pytest.mark.parametrize("order", [1, -1], ids=["before", "after"])
def test_what_the_project_says_of_the_platform_holds_for_the_board_too(write: Write, order: int) -> None:
    tables = [BOARD, '[platforms.tk1]\ntolerance = "5%"\ndatatype = "fp16"\n'][::order]
    board = read_platforms(write("".join(tables)), {"tk1": TK1})["board2"]
    assert (board.tolerance, board.parameters.datatype) == (0.05, "fp16")
    assert {"tolerance", "datatype"} <= board.overridden & board.taken_over


def test_a_value_that_is_also_the_default_is_taken_over(write: Write) -> None:
    toml = '[platforms.tk1]\ndatatype = "fp32"\nscale = 1.0\ntolerance = 0.1\nurl = "http://a:1"\n' + BOARD
    board = read_platforms(write(toml), {"tk1": TK1})["board2"]
    assert {"datatype", "scale", "tolerance"} <= board.taken_over
    assert "url" not in board.taken_over


def test_what_says_where_a_board_is_is_not_taken_over(write: Write) -> None:
    own = (
        'url = "http://tk1:80"\nca_file = "a.pem"\nuser_env = "U"\npassword_env = "P"\nbefore = "reboot"\n'
        'after = "halt"\ntelemetry = "ssh:tk1"\nreport = true\n'
    )
    known = {"tk1": replace(TK1, url="http://localhost:8080")}
    board = read_platforms(write(f"[platforms.tk1]\n{own}{BOARD}"), known)["board2"]
    assert (board.url, board.ca_file, board.user_env, board.password_env) == ("http://localhost:8080", None, None, None)
    assert (board.before, board.after, board.telemetry, board.report) == ((), (), None, False)


def test_the_columns_of_both_are_known(write: Write) -> None:
    toml = '[platforms.tk1.columns]\n"Net A" = "vgg16"\n' + BOARD + '[platforms.board2.columns]\n"Net B" = "vgg19"\n'
    board = read_platforms(write(toml), {"tk1": TK1})["board2"]
    assert board.columns == {"Net A": "vgg16", "Net B": "vgg19"}


@pytest.mark.parametrize(
    ("toml", "line", "facts"),
    [
        ('[platforms.a]\nlike = "tk2"\n', 2, ("like = 'tk2'", "platform a", "did you mean tk1?")),
        ('[platforms.a]\nlike = ""\n', 2, ("like = ''", "platform a")),
        ('[platforms.a]\nlike = "a"\n', 2, ("like = 'a'", "platform a", "itself")),
        (
            '[platforms.a]\nlike = "tk1"\n[platforms.b]\nlike = "a"\n',
            4,
            ("like = 'a'", "platform b", "like = 'tk1'"),
        ),
        ('[platforms.a]\nlike = "b"\n[platforms.b]\nlike = "a"\n', 2, ("like = 'b'", "platform a", "like = 'a'")),
        ('[platforms.b]\nlike = "a"\n[platforms.a]\nlike = "tk1"\n', 2, ("like = 'a'", "platform b", "like = 'tk1'")),
        (
            '[platforms.tk1]\nlike = "b"\n[platforms.b]\n',
            2,
            ("tk1", "`like`"),
        ),
        ("[platforms.a]\nlike = 3\n", 2, ("`like`",)),
    ],
)
def test_a_board_that_is_like_no_platform_is_refused_with_its_line(
    write: Write, toml: str, line: int, facts: tuple[str, ...]
) -> None:
    with pytest.raises(BaselineFileError) as caught:
        read_platforms(write(toml), {"tk1": TK1})
    assert_names(caught, f"ddperf.toml, line {line}: ", *facts)
    assert "\n" not in str(caught.value)


def test_a_platform_that_a_board_is_like_may_be_written_in_any_case(write: Write) -> None:
    assert read_platforms(write('[platforms.a]\nlike = "TK1"\n'), {"tk1": TK1})["a"].like == "tk1"


def test_an_empty_file_changes_nothing(write: Write) -> None:
    assert read_platforms(write(""), {"tk1": TK1}) == {"tk1": TK1}


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        ("[platforms.tk1]\ntitle =\n", ("line 2", "TOML")),
        ("[platforms.tk1\n", ("line 1", "TOML")),
        ("[platforms.tk1]\na = 1\na = 2\n", ("line 3", "TOML")),
        (b"\xff\xfe[\x00", ("line 1", "UTF-8", "TOML")),
        (b"title = 1\n\x00", ("TOML",)),
        ("\n[platform.tk1]\n", ("'platform'", "[platforms.<id>]")),
        ("x = 1\n", ("line 1", "'x'", "[platforms.<id>]")),
        ("\n[platform.tk1]\n", ("line 2", "'platform'")),
        ("\n[platform.tk1.knobs.'vgg16']\ngpu = true\n", ("line 2", "'platform'")),
        ("\n[[platform]]\n", ("line 2", "'platform'")),
        ("\n[[platforms]]\n", ("line 2", "`platforms`")),
        ("\nplatform.tk1.gpu = true\n", ("line 2", "'platform'")),
        ("\n'gr\u00f6\u00dfe' = {}\n", ("line 2", "'gr\u00f6\u00dfe'")),
        ("[platforms.tk1.knobs.vgg16]\ngpu = true\n[platforms.tk1]\nzzz = 1\n", ("line 4", "'zzz'")),
        ("platforms = 3\n", ("line 1", "`platforms`", "table")),
        ("[platforms]\ntk1 = 3\n", ("line 2", "platforms.tk1", "table")),
        ("[platforms.'../up']\n", ("line 1", "'../up'", "lower-case")),
        ("[platforms.TK1]\n", ("line 1", "'TK1'", "lower-case")),
        (
            "[platforms.tk1]\ngpu = true\ntolerence = 0.1\n",
            ("line 3", "'tolerence'", "tk1", "did you mean tolerance?"),
        ),
        (
            "[platforms.tk1]\nzzz = 0.1\n",
            ("line 2", "'zzz'", "tk1", "title, backend"),
        ),
        ("[platforms.tk1]\nwatts = '4'\n", ("line 2", "`watts`", "`float`", "`str`")),
        ("[platforms.tk1]\ngpu = 1\n", ("line 2", "`gpu`")),
        ("platforms.tk1.gpu = 1\n", ("line 1", "`gpu`")),
        ("[platforms.tk1]\nbatch_sizes = [1, 'x']\n", ("line 2", "`batch_sizes`")),
        (
            "[platforms.tk1]\nbatch_sizes = [1, 0]\n",
            ("line 2", "batch_sizes = [1, 0]", "1 or more", "[1, 2, 4, 8]"),
        ),
        ("[platforms.tk1]\nbatch_sizes = [1, 1]\n", ("line 2", "batch_sizes = [1, 1]", "once")),
        ("[platforms.tk1]\nbatch_sizes = []\n", ("line 2", "batch_sizes = []")),
        ("[platforms.tk1]\ntolerance = 10\n", ("line 2", "tolerance = 10", "from 0 to below 1")),
        ("[platforms.tk1]\ntolerance = '10'\n", ("line 2", "tolerance = '10'", "from 0 to below 1")),
        ("[platforms.tk1]\ntolerance = -0.1\n", ("line 2", "tolerance = -0.1")),
        ("[platforms.tk1]\ntolerance = nan\n", ("line 2", "tolerance = nan")),
        ("[platforms.tk1]\nwatts = inf\n", ("line 2", "watts = inf", "above 0")),
        ("[platforms.tk1]\ncores = 0\n", ("line 2", "cores = 0", "above 0")),
        ("[platforms.tk1]\nreading_error_ms = -1\n", ("line 2", "reading_error_ms = -1", "0 or more")),
        ("[platforms.tk1]\nurl = ' '\n", ("line 2", "url = ' '", "URL")),
        (
            "[platforms.tk1]\nservice = 'b_{modle}'\n",
            ("line 2", "service = 'b_{modle}'", "{model}"),
        ),
    ],
)
def test_a_malformed_file_is_refused_with_line_found_and_expected(
    write: Write, content: str | bytes, facts: tuple[str, ...]
) -> None:
    path = write(content)
    with pytest.raises(FileContentError) as caught:
        read_platforms(path, {"tk1": TK1})
    assert_names(caught, *facts)
    assert str(caught.value).startswith(str(path))


VALUES = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.booleans().map(lambda value: str(value).lower()),
    st.text(st.characters(exclude_characters="'\r\n\x7f", min_codepoint=32, exclude_categories=["Cs"])).map(
        "'{}'".format
    ),
    st.lists(st.integers().map(str), max_size=3).map(lambda values: f"[{', '.join(values)}]"),
    st.just("{a = 'b'}"),
    st.just("1" + "0" * 400),
    st.just("9" * 5000),
    st.just("1979-05-27"),
)
ENTRY = st.tuples(st.sampled_from(PLATFORM_KEYS), VALUES).map("[platforms.tk1]\n{0[0]} = {0[1]}\n".format)


# tests/fuzz tries many more
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.one_of(st.text(max_size=60), st.binary(max_size=60), ENTRY))
@example("x = " + "[" * 5000)
def test_any_text_is_a_platform_file_or_refused(write: Write, content: str | bytes) -> None:
    path = write(content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content)
    with contextlib.suppress(FileContentError):
        read_platforms(path, {"tk1": TK1})


def test_commands_are_shell_lines_or_lists_of_words(write: Write) -> None:
    text = '[platforms.tk1]\nbefore = ["a b | c", ["d", "e f"]]\nafter = "g"\n'
    platform = read_platforms(write(text))["tk1"]
    assert platform.before == ("a b | c", ("d", "e f"))
    assert platform.after == ("g",)


@pytest.mark.parametrize(
    ("line", "facts"),
    [
        ('before = [""]', ("line 2", "before = ['']", "commands")),
        ("after = [[]]", ("line 2", "after = [[]]", "commands")),
        ("before = [1]", ("line 2", "`before`")),
        ("timeout = -1", ("line 2", "timeout = -1", "seconds", "above 0", 1000000)),
        ("hook_timeout = 0", ("line 2", "hook_timeout = 0", "seconds", "above 0")),
        ("cool_wait = 1e300", ("line 2", "cool_wait = 1e+300", "seconds", "from 0 to 1000000")),
        ("cold_start_timeout = nan", ("line 2", "cold_start_timeout = nan")),
        ("cool_to_c = 450", ("line 2", "cool_to_c = 450", "Celsius")),
        ("datatype = 'bf16'", ("line 2", "datatype = 'bf16'", "fp32, fp16, fp64, int8")),
        ("gpuid = [0, 1]", ("line 2", "`gpuid`", "one GPU", "list")),
        ("gpuid = true", ("line 2", "`gpuid`")),
        ("concurrency = [0, 4]", ("line 2", "concurrency = [0, 4]", "clients", "from 1 to 256")),
        ("concurrency = 4", ("line 2", "`concurrency`", "`array`")),
        ("rate = [10, nan]", ("line 2", "rate = [10, nan]", "from 0.001 to 100000")),
        ("rate = ['fast']", ("line 2", "`rate`", "`float`")),
        ("load_requests = 1", ("line 2", "load_requests = 1", "2 or more")),
        ("img_width = 0", ("line 2", "img_width = 0", "1 or more")),
        ("scale = 0.0", ("line 2", "scale = 0.0", "other than 0")),
        ("image_interp = 'bicubic'", ("line 2", "image_interp = 'bicubic'", "nearest, linear, cubic")),
        ("rgb = 'yes'", ("line 2", "`rgb`", "`bool`")),
    ],
)
def test_a_key_of_the_board_is_refused_by_its_line(write: Write, line: str, facts: tuple[object, ...]) -> None:
    with pytest.raises(BaselineFileError) as caught:
        read_platforms(write(f"[platforms.tk1]\n{line}\n"))
    assert_names(caught, *facts)


@pytest.mark.parametrize(
    ("table", "facts"),
    [
        ("knobs.resnet50]\nimg_with = 300", ("line 2", "'img_with'", "platforms.tk1.knobs.resnet50", "did you mean")),
        ('knobs."squeezenet_v1.1"]\nimg_width = 0', ("line 2", "img_width = 0", "1 or more")),
        ("knobs.resnet50]\nrgb = 'yes'", ("line 2", "`rgb`", "`bool`")),
        ("knobs.resnet50]\ndatatype = 'bf16'", ("line 2", "datatype = 'bf16'", "fp32, fp16, fp64, int8")),
        ("knobs.resnet50]\nmllib = ' '", ("line 2", "mllib = ' '", "backend")),
        ("knobs.resnet50]\ngpuid = -2", ("line 2", "gpuid = -2", "one GPU", "-1")),
        ("knobs.resnet50]\nimage_interp = 'best'", ("line 2", "image_interp = 'best'", "nearest, linear, cubic")),
        (
            "knobs.squeezenet_v1.1]\nrgb = true",
            ("line 1", "[platforms.tk1.knobs.squeezenet_v1.1]", "point", "not quoted"),
        ),
        ("knobs]\nresnet50 = 3", ("line 2", "platforms.tk1.knobs.resnet50", "table")),
        ("knobs.resnet5]\nrgb = true", ("line 1", "platforms.tk1.knobs", "'resnet5'")),
        ("knobs]\nres50 = {rgb = true}\nresnet50 = {bw = true}", ("line 3", "resnet50", "twice")),
        ("models.resnet50]\nrgb = true", ("[platforms.tk1.knobs.<model>]",)),
    ],
)
def test_a_wrong_knob_of_a_network_is_refused_by_its_line(write: Write, table: str, facts: tuple[str, ...]) -> None:
    with pytest.raises(BaselineFileError) as caught:
        load_catalog(write(f"[platforms.tk1.{table}\n").parent)
    assert_names(caught, "ddperf.toml", *facts)


@pytest.mark.parametrize("key", ["user_env", "password_env"])
def test_a_secret_where_the_name_of_a_variable_should_stand_is_refused_and_not_shown(write: Write, key: str) -> None:
    with pytest.raises(BaselineFileError) as caught:
        read_platforms(write(f'[platforms.tk1]\n{key} = "s3cret!"\n'))
    assert_names(caught, "line 2", key, "environment variable")
    assert "s3cret" not in str(caught.value)
