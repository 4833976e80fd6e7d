"""The properties of a cell's testcase."""

from __future__ import annotations

from dataclasses import replace

from load_made import loaded
from recording import CONDITIONS, measured, paired, skipped

from pytest_ddperf.core.records import Baseline, CellKey, Creep, Night, Outcome, ServerFacts, Since
from pytest_ddperf.report.junit import list_properties

RECORD = replace(
    measured("squeezenet_v1.1", 8, outcome=Outcome.REGRESSED),
    now_ms=69.8125,
    change=0.302471,
    tolerance=0.1,
    resolution=0.0512,
    baseline=Baseline("report", 53.6, "tk1.csv, line 5"),
    server=ServerFacts("http://tk1.lan:8080", version="v0.28.0"),
)


def test_a_measured_cell_has_all_of_them_as_text() -> None:
    assert list_properties(RECORD) == [
        ("platform", "tk1"),
        ("model", "squeezenet_v1.1"),
        ("batch_size", "8"),
        ("verdict", "regressed"),
        ("ms_per_image", "69.8125"),
        ("baseline_ms_per_image", "53.6"),
        ("baseline", "report"),
        ("change_percent", "30.25"),
        ("tolerance_percent", "10.00"),
        ("resolution_percent", "5.12"),
        ("clock", str(CONDITIONS.clock)),
        ("rounds", "1"),
        ("server_version", "v0.28.0"),
    ]


def test_what_there_is_no_value_of_is_left_out() -> None:
    assert list_properties(skipped("vgg16", 8)) == [
        ("platform", "tk1"),
        ("model", "vgg16"),
        ("batch_size", "8"),
        ("verdict", "unavailable"),
    ]


def test_a_scenario_is_reported() -> None:
    record = replace(RECORD, key=CellKey("tk1", "squeezenet_v1.1", 8, "c4"))
    assert dict(list_properties(record))["scenario"] == "c4"


def test_a_change_too_small_to_be_seen_has_no_sign() -> None:
    assert dict(list_properties(replace(RECORD, change=-0.00001)))["change_percent"] == "0.00"


def test_what_the_requests_of_a_cell_under_load_tell_is_reported() -> None:
    reported = dict(list_properties(loaded("r10", batch_size=8, kept_up=False)))
    assert (reported["p50_ms"], reported["p95_ms"]) == ("51.9", "53.7")
    assert "p99_ms" not in reported
    assert (reported["images_per_second"], reported["requests_per_second"], reported["kept_up"]) == ("40", "5", "false")
    assert "kept_up" not in dict(list_properties(loaded("c4")))


def test_the_change_is_beside_its_limit_with_the_digits_that_tell_them_apart() -> None:
    record = replace(RECORD, change=0.12341, limit=0.1234, shift_removed=0.042, baseline_ms=53.6625)
    values = dict(list_properties(record))
    assert (values["change_percent"], values["limit_percent"]) == ("12.341", "12.340")
    assert values["shift_removed_percent"] == "4.20"
    assert values["baseline_ms_per_image"] == "53.6625"


def test_a_cell_that_crept_has_the_night_on_which_it_began() -> None:
    creep = Creep("2026-11-03T02:00:00+00:00", 14, 0.086)
    assert dict(list_properties(replace(RECORD, creep=creep)))["slower_since"] == "2026-11-03T02:00:00+00:00"


def test_the_night_since_which_a_cell_is_slower_is_a_property() -> None:
    since = Since(Night("2026-11-03T02:00:00+00:00"))
    assert dict(list_properties(replace(RECORD, since=since)))["slower_since"] == "2026-11-03T02:00:00+00:00"


def test_a_cell_of_a_platform_that_shifted_says_so() -> None:
    assert dict(list_properties(replace(RECORD, platform_shifted=True)))["platform_shifted"] == "true"


def test_a_cell_measured_in_pairs_has_its_interval_pairs_and_seed() -> None:
    values = dict(list_properties(paired(change=0.02, interval=(-0.01, 0.05))))
    assert (values["interval_low_percent"], values["interval_high_percent"]) == ("-1.00", "5.00")
    assert (values["pairs"], values["pair_seed"], values["baseline"]) == ("8", "7", "against")


def test_a_cell_between_two_looks_has_no_interval() -> None:
    values = dict(list_properties(paired(interval=None)))
    assert values["pairs"] == "8"
    assert "interval_low_percent" not in values
