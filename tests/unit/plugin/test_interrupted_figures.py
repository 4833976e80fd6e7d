from __future__ import annotations

import pytest

from pytest_ddperf.plugin import entry, outputs


def test_figures_without_a_run_that_are_interrupted_end_with_2_and_one_line(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(pytestconfig.option, "ddperf_plot", "figures")
    monkeypatch.setattr(outputs, "is_plot_only", interrupt)
    assert entry.pytest_cmdline_main(pytestconfig) == pytest.ExitCode.INTERRUPTED
    assert capsys.readouterr().err.count("\n") == 1
