"""Two reports held against each other, for people and for a gate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_eventstore.cli import main
from pytest_eventstore.report import write
from pytest_eventstore.report.compare import compare
from pytest_eventstore.report.model import Result, Run
from pytest_eventstore.requirements import load_requirements
from report.sample_run import all_met, make, report, two_targets


def run_with(**outcomes: str) -> Run:
    by_id = {name.upper().replace("_", "-"): outcome for name, outcome in outcomes.items()}
    return make([report(i, by_id.get(i, "met")) for i in load_requirements()])


@pytest.mark.parametrize(
    ("before", "after", "group"),
    [
        ("met", "failed", "newly_failing"),
        ("inconclusive", "failed", "newly_failing"),
        ("not offered", "failed", "newly_failing"),
        ("failed", "met", "newly_met"),
        ("not offered", "met", "newly_met"),
        ("met", "not offered", "gone"),
        ("met", "inconclusive", "gone"),
        ("failed", "not checkable", "gone"),
        ("not offered", "not checkable", "other"),
    ],
)
def test_each_change_is_in_one_group(before: str, after: str, group: str) -> None:
    comparison = compare(run_with(snp_03=before), run_with(snp_03=after))
    found = {
        name: [change.id for change in getattr(comparison, name)]
        for name in ("newly_failing", "newly_met", "gone", "other")
    }
    assert found.pop(group) == ["SNP-03"]
    assert not any(found.values())
    assert comparison.exit_status == (1 if group in ("newly_failing", "gone") else 0)


def test_equal_runs_differ_in_nothing() -> None:
    comparison = compare(two_targets(), two_targets())
    assert list(comparison.lines()) == ["not worse: no change"]
    assert comparison.exit_status == 0


def test_a_failure_that_becomes_known_is_not_newly_failing() -> None:
    reports = [report(i, "failed" if i == "SNP-03" else "met") for i in load_requirements()]
    known: dict[str, Any] = {"known": {("reference", "SNP-03"): "12"}}
    comparison = compare(make(reports), make(reports, **known))
    assert [(c.before, c.after) for c in comparison.other] == [(Result.FAILED, Result.KNOWN)]
    assert not comparison.is_worse


def test_a_target_that_is_missing_is_gone() -> None:
    comparison = compare(two_targets(), make(all_met()))
    assert {change.target for change in comparison.gone} == {"pg"}
    assert comparison.is_worse


def test_a_new_target_is_counted_and_its_failures_told() -> None:
    comparison = compare(make(all_met()), two_targets())
    lines = list(comparison.lines())
    assert "  pg  84 that were not in the old report" in lines
    assert lines[1].startswith("  pg  CON-03 MUST  absent → failed: The gap rule")
    assert lines[2] == "      Allocating and appending are two steps; nothing holds readers back."


def test_the_command_tells_and_gates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    write(run_with(), old)
    write(run_with(snp_03="failed"), new)
    assert main(["compare", str(old), str(new)]) == 1
    out = capsys.readouterr().out
    assert "newly failing:\n  reference  SNP-03 MUST  met → failed: A snapshot" in out
    assert out.endswith("worse: 1 newly failing\n")
    assert main(["compare", str(new), str(old)]) == 0
    assert "newly met:" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, "{}", "\ud800"])
def test_a_file_that_is_no_report_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None
) -> None:
    bad = tmp_path / "bad.json"
    if content is not None:
        bad.write_bytes(content.encode(errors="surrogatepass"))
    good = tmp_path / "good.json"
    write(run_with(), good)
    assert main(["compare", str(good), str(bad)]) == 4
    error = capsys.readouterr().err
    assert error.startswith(f"ERROR: {bad}: ")
    assert error.count("\n") == 1
