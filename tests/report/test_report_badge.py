"""The badge claims exactly what the run showed, or is not there."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from pytest_eventstore.report import badge
from pytest_eventstore.report.model import Run
from pytest_eventstore.requirements import load_requirements
from report.sample_run import all_met, make, report, two_targets

SVG = "{http://www.w3.org/2000/svg}"


def words(run: Run) -> list[str | None]:
    return [e.text for e in ET.fromstring(badge.render(run)).iter(f"{SVG}text")]


def with_one(id_: str, outcome: str, target: str = "reference") -> list[dict[str, object]]:
    return [report(i, outcome if i == id_ else "met", target=target) for i in load_requirements()]


def test_a_complete_run_gets_exact_counts() -> None:
    assert words(make(all_met())) == ["event store contract 1.0", "conformant 86/86"]


def test_one_failure_is_not_rounded_away() -> None:
    assert words(make(with_one("SNP-03", "failed")))[1] == "non-conformant 85/86"


def test_not_offered_is_told() -> None:
    assert words(make(with_one("SNP-03", "not offered")))[1] == "conformant 85/86, 1 not offered"


def test_several_targets_are_named() -> None:
    run = make([*all_met("<a&b>"), *with_one("SNP-03", "failed", "pg")])
    assert words(run)[1:] == ["<a&b>: conformant 86/86", "pg: non-conformant 85/86"]


@pytest.mark.parametrize("outcome", ["inconclusive", "error", "not checkable"])
def test_a_doubtful_run_gets_none(outcome: str) -> None:
    run = make(with_one("SNP-03", outcome))
    assert not badge.is_deserved(run)
    with pytest.raises(ValueError, match="complete run"):
        badge.render(run)


def test_a_partial_run_gets_none() -> None:
    assert not badge.is_deserved(make(all_met(), narrowed=["-k app"]))
    assert not badge.is_deserved(two_targets())
    assert not badge.is_deserved(make([]))
