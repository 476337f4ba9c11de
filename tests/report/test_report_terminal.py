"""The summary at the end of a run."""

from __future__ import annotations

import pytest

from pytest_eventstore.report import terminal
from pytest_eventstore.report.build import TargetInfo
from pytest_eventstore.report.model import Run
from pytest_eventstore.requirements import load_requirements
from report.sample_run import all_met, make, mixed, report, two_targets


def text_of(run: Run, **more: bool) -> str:
    return "\n".join(line.text for line in terminal.lines(run, **more))


def test_the_verdict_is_the_last_line() -> None:
    last = terminal.lines(make(all_met()))[-1]
    assert last.text == (
        "verdict: conformant (contract 1.0, level MUST): reference, 86 of 86 MUST met"
    )
    assert last.markup == {"green": True, "bold": True}


def test_several_targets_end_in_one_verdict() -> None:
    assert terminal.lines(two_targets())[-1].text == (
        "verdict: non-conformant (contract 1.0, level MUST): "
        "reference conformant; pg non-conformant"
    )


def test_the_verdict_says_what_it_rests_on() -> None:
    reports = [report("APP-01"), report("SNP-03", "failed"), report("ARC-01", "not offered")]
    last = terminal.lines(make(reports, narrowed=["-k app"]))[-1].text
    assert "non-conformant" in last
    assert "1 of 86 MUST met, 1 failed, 83 not run, 1 not offered" in last
    assert last.endswith("selection narrowed by -k app")


def test_the_part_with_failures_comes_first_and_a_met_part_last() -> None:
    rows = [line.text.split("  ")[1] for line in terminal.lines(make(mixed()))[2:15]]
    assert rows[0] == "Concurrency"
    assert rows[-1] == "Performance"
    assert set(rows) == {r.part for r in load_requirements().values()}


def test_a_row_counts_met_by_tier_and_names_the_rest() -> None:
    row = next(x.text for x in terminal.lines(make(mixed())) if "Concurrency" in x.text)
    assert row.split() == ["Concurrency", "-", "5/8", "-", "-", "2", "failed,", "1", "inconclusive"]


def test_parts_of_which_nothing_ran_are_only_counted() -> None:
    text = text_of(make([report("APP-01"), report("SNP-03", "failed")]))
    assert "  nothing ran of 11 of 13 parts" in text
    assert "Concurrency" not in text


def test_a_target_that_could_not_be_tested_has_no_table() -> None:
    run = make([], targets=[TargetInfo(name="mine")], problems=["mine: cannot be opened"])
    assert [line.text for line in terminal.lines(run)] == [
        "mine",
        "  nothing of it ran",
        "",
        "problem: mine: cannot be opened",
        "verdict: partial (contract 1.0, level MUST): mine, 0 of 86 MUST met, 86 not run",
    ]


def test_each_failure_has_statement_cause_and_command() -> None:
    text = text_of(make(mixed()))
    assert "  SNP-03 MUST  A snapshot with a lower number never replaces" in text
    assert "    The write replaces the file without looking at the number in it." in text
    assert "    reproduce: pytest --eventstore=pg 'eventstore-suite::Tests::test_snp_03" in text
    assert "saved with number 9" not in text, "pytest's failure section has told that already"


def test_details_tell_the_failure_in_full() -> None:
    text = text_of(make(mixed()), details=True)
    assert "    expected: the snapshot saved with number 9" in text
    assert "    seen: the snapshot saved with number 4" in text
    assert "      save('amadeus.state', 4, b'old')" in text


def test_a_history_keeps_its_columns() -> None:
    assert "      writer A  ├───┤        0.000" in text_of(make(mixed()), details=True)


def test_what_was_doubtful_is_named() -> None:
    text = text_of(make(mixed()))
    assert "inconclusive:\n  CON-02 MUST" in text
    assert "    no two calls overlapped" in text
    assert "could not be tested:\n  RES-02 MUST" in text


def test_a_known_failure_is_named_with_its_link() -> None:
    text = text_of(two_targets())
    assert "known to fail, and still broken:\n  CON-07 SHOULD" in text
    assert "    known: https://example.org/issues/12" in text


def test_figures_and_times_are_told() -> None:
    text = text_of(make(mixed()))
    assert "tried: 1,204 examples, 40 races (38 overlapped), 1,300 disk states, 265 kill" in text
    assert "time: ordinary " in text
    assert "cost at 100 times the history: an append 1.02 times (± 4 %)" in text
    assert " at 1,000" not in text, "a measured point is not a count"


def test_nothing_tried_is_not_told() -> None:
    text = text_of(make([report("APP-01", figures={"refusals": 0, "races": 2})]))
    assert "tried: 2 races\n" in text


def test_problems_are_told_before_the_verdict() -> None:
    run = make(all_met(), problems=["known.toml: SNP-03 is listed and met"])
    assert [line.text for line in terminal.lines(run)][-2] == (
        "problem: known.toml: SNP-03 is listed and met"
    )


@pytest.mark.parametrize(("colour", "marked"), [("no", False), ("yes", True)])
def test_colour_is_what_pytest_decides(
    pytester: pytest.Pytester, colour: str, *, marked: bool
) -> None:
    pytester.makeconftest(
        """
        from report.sample_run import two_targets
        from pytest_eventstore.report.terminal import write_summary

        def pytest_terminal_summary(terminalreporter):
            write_summary(terminalreporter, two_targets())
        """
    )
    result = pytester.runpytest(f"--color={colour}", "-p", "no:randomly")
    result.stdout.fnmatch_lines(["*= event store contract 1.0 =*", "*verdict: non-conformant (*"])
    assert ("\x1b[" in result.stdout.str()) is marked
