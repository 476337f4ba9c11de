"""The run as values: what several tests say together, and what verdict follows."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pytest_eventstore.report.build import combine, version_key
from pytest_eventstore.report.model import Result, Verdict
from pytest_eventstore.requirements import load_requirements
from report.sample_run import all_met, finding, make, mixed, report, two_targets


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], Result.NOT_RUN),
        (["met", "met"], Result.MET),
        (["met", "failed", "inconclusive"], Result.FAILED),
        (["met", "inconclusive"], Result.INCONCLUSIVE),
        (["met", "error"], Result.ERROR),
        (["met", "not offered"], Result.MET),
        (["not offered", "not checkable"], Result.NOT_CHECKABLE),
        (["not offered"], Result.NOT_OFFERED),
    ],
)
def test_several_tests_of_a_requirement_are_met_only_together(
    outcomes: list[str], expected: Result
) -> None:
    assert combine(outcomes) is expected


def only_target(reports: list[dict[str, Any]], **more: Any) -> Any:
    return make(reports, **more).targets[0]


def changed(id_: str, outcome: str, **more: Any) -> list[dict[str, Any]]:
    return [report(i, outcome, **more) if i == id_ else report(i) for i in load_requirements()]


def test_all_met_is_conformant() -> None:
    target = only_target(all_met())
    assert target.verdict is Verdict.CONFORMANT
    assert target.is_complete


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        ("failed", Verdict.NON_CONFORMANT),
        ("inconclusive", Verdict.INCONCLUSIVE),
        ("error", Verdict.INCONCLUSIVE),
        ("not checkable", Verdict.PARTIAL),
        ("not offered", Verdict.CONFORMANT),
    ],
)
def test_one_must_decides(outcome: str, verdict: Verdict) -> None:
    assert only_target(changed("SNP-03", outcome)).verdict is verdict


def test_a_should_decides_only_at_its_level() -> None:
    reports = changed("FID-04", "failed")
    assert only_target(reports).verdict is Verdict.CONFORMANT
    assert only_target(reports, level="should").verdict is Verdict.NON_CONFORMANT


def test_not_offered_is_not_counted_as_met() -> None:
    target = only_target(changed("SNP-03", "not offered"))
    assert target.count(Result.MET) == len(load_requirements()) - 1


def test_nothing_met_is_not_conformant() -> None:
    reports = [report(i, "not offered") for i in load_requirements()]
    assert only_target(reports).verdict is Verdict.PARTIAL


def test_no_report_at_all_is_partial() -> None:
    run = make([], targets=make(all_met()).targets and [], selected=[])
    assert run.verdict is Verdict.PARTIAL


def test_a_selected_test_that_never_ran_makes_the_run_partial() -> None:
    selected = [("reference", i) for i in load_requirements()] + [("reference", "SEQ-04")]
    target = only_target(all_met(), selected=selected)
    assert target.verdict is Verdict.PARTIAL
    seq = next(r for r in target.requirements if r.id == "SEQ-04")
    assert (seq.result, seq.reason) == (Result.NOT_RUN, "1 of 2 tests ran")


def test_a_failure_stays_a_failure_when_another_test_of_it_never_ran() -> None:
    target = only_target(
        changed("SEQ-04", "failed"), selected=[("reference", "SEQ-04")] * 2, narrowed=["-x"]
    )
    assert target.verdict is Verdict.NON_CONFORMANT


def test_a_deselected_half_of_a_requirement_is_not_met() -> None:
    target = only_target(all_met(), left_out=[("reference", "SEQ-04")])
    assert target.verdict is Verdict.PARTIAL


def test_a_narrowed_selection_is_partial_even_if_all_that_ran_is_met() -> None:
    target = only_target(all_met(), narrowed=["-k snp"])
    assert target.verdict is Verdict.PARTIAL
    assert not target.is_complete


def test_a_known_must_is_never_conformant() -> None:
    target = only_target(changed("SNP-03", "failed"), known={("reference", "SNP-03"): "see 12"})
    assert target.verdict is Verdict.NON_CONFORMANT
    assert target.count(Result.KNOWN) == 1


def test_a_known_failure_that_passes_is_met() -> None:
    target = only_target(all_met(), known={("reference", "SNP-03"): "see 12"})
    assert target.count(Result.KNOWN) == 0


def test_a_requirement_newer_than_the_contract_is_not_scored() -> None:
    requirements = dict(load_requirements())
    requirements["SNP-03"] = dataclasses.replace(requirements["SNP-03"], since="1.10")
    reports = changed("SNP-03", "failed")
    old = only_target(reports, requirements=requirements, contract="1.9")
    assert old.verdict is Verdict.CONFORMANT
    assert old.count(Result.NOT_SCORED) == 1
    new = only_target(reports, requirements=requirements, contract="1.10")
    assert new.verdict is Verdict.NON_CONFORMANT


def test_versions_are_numbers_not_text() -> None:
    assert version_key("1.10") > version_key("1.9")


def test_the_run_takes_the_worst_verdict() -> None:
    assert two_targets().verdict is Verdict.NON_CONFORMANT


def test_figures_add_up_over_tests_and_times_over_tiers() -> None:
    reports = [
        report("APP-01", figures={"examples": 3, "append µs at 10": 5}, duration=1.5),
        report("APP-02", figures={"examples": 4}, duration=0.5),
        report("CON-01", duration=2.0),
    ]
    target = only_target(reports)
    assert target.figures == {"examples": 7, "append µs at 10": 5}
    assert target.seconds == {"u": 2.0, "c": 2.0}


def test_broken_requirements_come_must_first_and_known_last() -> None:
    assert [r.id for r in two_targets().targets[1].broken] == [
        "CON-03", "SNP-03", "CRA-06", "BAD-01", "CON-07",
    ]  # fmt: skip


def test_the_cause_is_one_line() -> None:
    found = finding(cause="", seen="\n  first line\nsecond")
    target = only_target(changed("SNP-03", "failed", finding=found))
    assert target.broken[0].cause == "first line"


def test_reports_of_a_target_that_is_not_listed_are_left_out() -> None:
    run = make([*all_met(), *mixed()], targets=[])
    assert run.targets == ()


def test_a_target_is_found_whatever_its_name_holds() -> None:
    name = "postgresql://me:hush-hush@db"
    selected = [(name, id_) for id_ in load_requirements()]
    target = only_target(all_met(name), selected=selected)
    assert target.name == "postgresql://me:***@db"
    assert target.verdict is Verdict.CONFORMANT
