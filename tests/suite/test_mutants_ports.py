"""Every mutant of allocator, snapshots, cutover and recorder is caught, by its own requirement."""

from __future__ import annotations

import pytest

import mutants.allocator
import mutants.cutover
import mutants.recorder
import mutants.snapshots
from eventstore_reference import memory
from mutants.registry import MUTANTS, Mutant
from mutants.runner import Outcome, failed_requirements, run_requirements
from pytest_eventstore.requirements import load_requirements

PARTS = ("SEQ", "SNP", "CUT", "REC")
MODULES = (mutants.allocator, mutants.snapshots, mutants.cutover, mutants.recorder)
OURS = [m for m in MUTANTS if m.factory.__module__ in {module.__name__ for module in MODULES}]


@pytest.mark.parametrize("mutant", OURS, ids=lambda m: m.name)
def test_the_named_requirement_fails_and_no_unrelated_one(mutant: Mutant) -> None:
    outcomes = run_requirements(mutant.factory, PARTS, spec=mutant.spec)
    if not mutant.fails.startswith(PARTS):
        outcomes |= run_requirements(mutant.factory, [mutant.fails], "standard", spec=mutant.spec)
    failures = [o for o in outcomes.values() if o.failed and o.requirement == mutant.fails]

    assert failures, f"{mutant.fails} did not fail"
    assert any(mutant.message in f.text for f in failures), failures[0].text
    allowed = {mutant.fails, *mutant.companions}
    assert {k: v for k, v in failed_requirements(outcomes).items() if k not in allowed} == {}
    for failure in failures:
        _assert_reads_as_a_report(failure)


def _assert_reads_as_a_report(failure: Outcome) -> None:
    finding = failure.finding
    assert finding is not None, failure.text
    assert finding.expected
    assert finding.seen
    assert 0 < len(finding.history) <= 41, "the calls are told, and long stories are cut"


def test_without_a_fault_none_fails() -> None:
    assert failed_requirements(run_requirements(memory.open_ports, PARTS)) == {}


def test_every_requirement_of_these_parts_has_a_mutant() -> None:
    of_tier = {r.id for r in load_requirements().values() if r.tier == "u"} | {"SNP-03"}
    wanted = {id_ for id_ in of_tier if id_.startswith(PARTS)}
    later = {"SNP-08"}  # it comes with recovery

    assert wanted - later - {m.fails for m in OURS} == set()
