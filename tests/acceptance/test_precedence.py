"""Command line over environment over ddperf.toml over ini over the package's platform file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from messages import assert_names
from workers import plain_and_xdist

if TYPE_CHECKING:
    from bench_project import BenchProject

ONE = ("--ddperf-models=squeezenet_v1.1", "--ddperf-batch-sizes=8")


def passes(project: BenchProject, *args: str) -> int:
    """How many timed passes the one cell of a run made."""
    project.server.predictions.clear()
    project.run(*ONE, *args).assert_outcomes(passed=1)
    return len(project.server.predictions) - 1


def platform_file(project: BenchProject, *lines: str) -> None:
    (project.path / "ddperf.toml").write_text("\n".join(["[platforms.tk1]", *lines, ""]), encoding="utf-8")


def test_an_ini_key_is_taken(tk1: BenchProject) -> None:
    tk1.ini(ddperf_npasses="7")
    assert passes(tk1) == 7


def test_a_variable_wins_over_an_ini_key(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    tk1.ini(ddperf_npasses="7")
    monkeypatch.setenv("DDPERF_NPASSES", "6")
    assert passes(tk1) == 6


def test_the_command_line_wins_over_a_variable(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    tk1.ini(ddperf_npasses="7")
    monkeypatch.setenv("DDPERF_NPASSES", "6")
    assert passes(tk1, "--ddperf-npasses=8") == 8


def slower_passes(project: BenchProject, *args: str) -> bool:
    """Whether a cell that is 30 % slower passes."""
    project.server.slow("squeezenet_v1.1", 8, 1.3)
    return project.run(*ONE, *args).ret == pytest.ExitCode.OK


def test_the_package_s_platform_file_has_the_default(tk1: BenchProject) -> None:
    assert not slower_passes(tk1)


def test_an_ini_key_wins_over_the_package_s_platform_file(tk1: BenchProject) -> None:
    tk1.ini(ddperf_tolerance="60%")
    assert slower_passes(tk1)


def test_the_project_s_platform_file_wins_over_an_ini_key(tk1: BenchProject) -> None:
    tk1.ini(ddperf_tolerance="60%")
    platform_file(tk1, 'tolerance = "5%"')
    assert not slower_passes(tk1)


def test_a_variable_wins_over_the_project_s_platform_file(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_TOLERANCE", "0.6")
    platform_file(tk1, 'tolerance = "5%"')
    assert slower_passes(tk1)


def test_the_command_line_wins_over_the_project_s_platform_file(tk1: BenchProject) -> None:
    platform_file(tk1, 'tolerance = "5%"')
    assert slower_passes(tk1, "--ddperf-tolerance=60%")


def test_the_project_s_url_wins_over_an_ini_key(tk1: BenchProject) -> None:
    tk1.ini(ddperf_url="http://127.0.0.1:9")
    platform_file(tk1, f'url = "{tk1.server.url}"')
    tk1.bare("benchmarks", "--platform=tk1", *ONE).assert_outcomes(passed=1)


def test_a_url_on_the_command_line_wins_over_the_project_s(tk1: BenchProject) -> None:
    platform_file(tk1, 'url = "http://127.0.0.1:9"')
    tk1.run(*ONE).assert_outcomes(passed=1)


def cells(project: BenchProject, *args: str) -> list[str]:
    result = project.run("--collect-only", "-q", *args)
    return [line.rpartition("[tk1-")[2].removesuffix("]") for line in result.outlines if "[tk1-" in line]


def test_models_and_batch_sizes_of_the_project_s_platform_file_are_the_matrix(tk1: BenchProject) -> None:
    platform_file(tk1, 'models = ["res50", "vgg16"]', "batch_sizes = [1, 3]")
    assert cells(tk1) == ["resnet50-b1", "resnet50-b3", "vgg16-b1", "vgg16-b3"]


def test_a_schedule_on_the_command_line_wins_over_batch_sizes_of_the_ini(tk1: BenchProject) -> None:
    tk1.ini(ddperf_batch_sizes="1,2", ddperf_models="resnet50")
    assert cells(tk1, "--ddperf-batch-schedule=pow2", "--ddperf-max-batch-size=4") == [
        "resnet50-b1",
        "resnet50-b2",
        "resnet50-b4",
    ]


def test_batch_sizes_on_the_command_line_win_over_a_schedule_of_the_ini(tk1: BenchProject) -> None:
    tk1.ini(ddperf_batch_schedule="dd_bench", ddperf_models="resnet50")
    assert cells(tk1, "--ddperf-batch-sizes=3") == ["resnet50-b3"]


def test_a_platform_of_the_project_s_own_has_its_own_table(tk1: BenchProject) -> None:
    text = '[platforms.my-board]\ntitle = "My board"\nbatch_sizes = [1, 2]\n'
    (tk1.path / "ddperf.toml").write_text(text, encoding="utf-8")
    (tk1.path / "baselines").mkdir()
    (tk1.path / "baselines" / "my-board.csv").write_text("batch_size,res50\n1,203\n2,77\n", encoding="utf-8")
    result = tk1.bare("benchmarks", "--platform=my-board", f"--ddperf-url={tk1.server.url}")
    result.assert_outcomes(passed=1, failed=1)
    assert_names(result, "baselines/my-board.csv, line 3")


def test_platforms_may_be_named_in_the_environment(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_PLATFORM", "tk1")
    monkeypatch.setenv("DDPERF_URL", tk1.server.url)
    tk1.bare("benchmarks", *ONE).assert_outcomes(passed=1)


def test_a_flag_may_be_set_in_the_environment(tk1: BenchProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DDPERF_REQUIRE_BASELINE", "yes")
    tk1.run("--ddperf-models=resnet50", "--ddperf-batch-sizes=3").assert_outcomes(failed=1)


OWN_OPTION = """
def pytest_addoption(parser):
    parser.addoption("--platform", choices=["linux", "mac"], default="linux")
"""


def test_a_platform_option_of_the_user_s_conftest_wins(tk1: BenchProject) -> None:
    (tk1.path / "conftest.py").write_text(OWN_OPTION, encoding="utf-8")
    (tk1.path / "test_own.py").write_text(
        "def test_own(pytestconfig):\n    assert pytestconfig.getoption('--platform') == 'mac'\n", encoding="utf-8"
    )
    tk1.bare("test_own.py", "--platform=mac").assert_outcomes(passed=1)


def test_with_a_platform_option_of_the_user_s_the_long_name_still_works(tk1: BenchProject) -> None:
    (tk1.path / "conftest.py").write_text(OWN_OPTION, encoding="utf-8")
    url = f"--ddperf-url={tk1.server.url}"
    tk1.bare("benchmarks", "--ddperf-platform=tk1", url, "--platform=mac", *ONE).assert_outcomes(passed=1)


def test_the_alias_can_be_blocked(tk1: BenchProject) -> None:
    result = tk1.bare("benchmarks", "-p", "no:ddperf_platform", "--platform=tk1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --platform=tk1*"])


def test_with_the_alias_blocked_the_long_name_works(tk1: BenchProject) -> None:
    args = ("-p", "no:ddperf_platform", "--ddperf-platform=tk1", f"--ddperf-url={tk1.server.url}")
    tk1.bare("benchmarks", *args, *ONE).assert_outcomes(passed=1)


def test_loading_the_plugin_again_by_name_does_no_harm(tk1: BenchProject) -> None:
    (tk1.path / "conftest.py").write_text('pytest_plugins = ["pytest_ddperf.plugin"]\n', encoding="utf-8")
    tk1.run(*ONE, "-p", "pytest_ddperf.plugin").assert_outcomes(passed=1)


def test_a_conftest_loads_the_plugin_where_pytest_loads_none_by_itself(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ["pytest_benchmark.plugin", "xdist.plugin", "pytest_ddperf.plugin"]
    (tk1.path / "conftest.py").write_text(f"pytest_plugins = {plugins}\n", encoding="utf-8")
    args = ("--ddperf-platform=tk1", f"--ddperf-url={tk1.server.url}", *ONE)
    result = tk1.pytester.runpytest_subprocess("benchmarks", *args)
    result.assert_outcomes(passed=1)
    assert set(tk1.verdicts().values()) == {"ok"}


FREE_OPTION = 'def pytest_addoption(parser):\n    parser.addoption("--platform", default="linux")\n'
OTHER_TEST = "def test_other():\n    pass\n"


def said_of_platform(result: pytest.RunResult) -> bool:
    text = " ".join(line.strip() for line in result.outlines)
    return "this project's own option" in text and "--ddperf-platform=tk1" in text


@plain_and_xdist
def test_a_platform_option_of_the_project_s_own_is_distinguished_from_ours_where_nothing_was_measured(
    tk1: BenchProject, how: tuple[str, ...]
) -> None:
    (tk1.path / "conftest.py").write_text(FREE_OPTION, encoding="utf-8")
    (tk1.path / "test_other.py").write_text(OTHER_TEST, encoding="utf-8")
    result = tk1.bare("test_other.py", "--platform=tk1", f"--ddperf-url={tk1.server.url}", *how)
    assert result.ret == pytest.ExitCode.OK
    assert said_of_platform(result)
    assert any("--ddperf-url had no effect, because nothing was measured" in line for line in result.outlines)


def test_a_platform_option_of_the_project_s_own_is_distinguished_from_ours_where_another_platform_was_measured(
    tk1: BenchProject,
) -> None:
    (tk1.path / "conftest.py").write_text(FREE_OPTION, encoding="utf-8")
    url = f"--ddperf-url={tk1.server.url}"
    assert said_of_platform(tk1.bare("benchmarks", "--platform", "tk1", url, *ONE))
    assert not said_of_platform(tk1.bare("benchmarks", "--platform=linux", url, *ONE))
    assert not said_of_platform(tk1.bare("benchmarks", "--platform=tk1", "--ddperf-platform=tk1", url, *ONE))


@pytest.mark.parametrize("option", ["--ddperf-url=http://127.0.0.1:9", "--ddperf-repository=/opt/{model}"])
def test_a_server_option_with_nothing_measured_is_a_warning(tk1: BenchProject, option: str) -> None:
    (tk1.path / "test_other.py").write_text(OTHER_TEST, encoding="utf-8")
    result = tk1.bare("test_other.py", option)
    assert result.ret == pytest.ExitCode.OK
    flag = option.partition("=")[0]
    assert any(f"{flag} had no effect, because nothing was measured" in line for line in result.outlines)


def test_cells_that_were_all_skipped_are_a_warning_and_exit_5(tk1: BenchProject) -> None:
    result = tk1.run("--ddperf-models=vgg16", "--ddperf-batch-sizes=1")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert_names(result, "had no effect")


@plain_and_xdist
def test_options_and_a_marker_without_a_common_cell_are_a_warning_that_says_so(
    tk1: BenchProject, how: tuple[str, ...]
) -> None:
    text = "import pytest\n\n@pytest.mark.ddperf(batch_sizes=[1, 2])\ndef test_mine(ddperf):\n    ddperf.measure()\n"
    (tk1.path / "test_mine.py").write_text(text, encoding="utf-8")
    result = tk1.bare("test_mine.py", *tk1.where, "--ddperf-batch-sizes=4", *how)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert_names(result, "--ddperf-batch-sizes", "had no effect", "no cell matches", "marker")


def test_the_option_that_skipped_the_cells_is_not_one_without_effect(tk1: BenchProject) -> None:
    missing = ("--ddperf-service=none_{model}", "--ddperf-missing-service=skip")
    result = tk1.run("--ddperf-models=vgg16", "--ddperf-batch-sizes=8", *missing, "--ddperf-run-unavailable")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert_names(result, "--ddperf-service", "had no effect")
    assert "--ddperf-missing-service" not in str(result.stdout)


def test_an_unrelated_run_says_nothing_of_a_variable_or_an_ini_key(
    tk1: BenchProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DDPERF_URL", tk1.server.url)
    tk1.ini(ddperf_service="{model}", addopts="--ddperf-wait=1")
    (tk1.path / "test_other.py").write_text(OTHER_TEST, encoding="utf-8")
    assert "ddperf: " not in str(tk1.bare("test_other.py").stdout)


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--setup-plan"])
def test_a_run_that_is_not_to_measure_does_not_warn_of_it(tk1: BenchProject, option: str) -> None:
    assert "nothing was measured" not in str(tk1.run(*ONE, option).stdout)


def test_a_failed_cell_or_a_checked_prediction_is_no_option_without_effect(tk1: BenchProject) -> None:
    assert "nothing was measured" not in str(tk1.run(*ONE, "--benchmark-disable").stdout)
    assert "though" not in str(tk1.run(*ONE, "--ddperf-service=gone_{model}").stdout)
