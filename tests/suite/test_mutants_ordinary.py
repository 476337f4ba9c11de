"""Every mutant of the event store is caught, by the requirement that it breaks and by no other."""

from __future__ import annotations

import pytest

import mutants.append
import mutants.bad_input
import mutants.fidelity
import mutants.nothing
import mutants.order
import mutants.reads
import mutants.resources
from eventstore_reference import memory
from mutants.registry import MUTANTS, Mutant
from mutants.runner import failed_requirements, run_requirements
from pytest_eventstore.lab import patience
from pytest_eventstore.requirements import load_requirements
from pytest_eventstore.suite import resources

PARTS = ("APP", "ORD", "AFT", "SIN", "LAT", "FID", "BAD", "RES")
MODULES = (
    mutants.append,
    mutants.order,
    mutants.reads,
    mutants.fidelity,
    mutants.bad_input,
    mutants.resources,
)
OURS = [m for m in MUTANTS if m.factory.__module__ in {module.__name__ for module in MODULES}]
FIRST_OF_ITS_KIND = list({m.fails: m for m in reversed(OURS)}.values())

HOLDS_OF_NOTHING = {
    "RES-04": "there is no file in the location to take rights from, so it is not checkable",
    "SEQ-08": "a counter that never counts stands at 0 and allocates nothing",
    "REC-03": "it is inconclusive where no append is ever refused",
    "ARC-01": "where nothing is archived, nothing is archived too early",
}
"""Why the adapter that does nothing does not fail these requirements of the tier."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE", 0.5)
    monkeypatch.setattr(resources, "SETTLING", 0.3)


@pytest.mark.parametrize("mutant", OURS, ids=lambda m: m.name)
def test_the_named_requirement_fails_and_no_unrelated_one(mutant: Mutant) -> None:
    # All parts for the first mutant of a requirement, and its own for the others: each takes time.
    parts = PARTS if mutant in FIRST_OF_ITS_KIND else (mutant.fails.partition("-")[0],)
    outcomes = run_requirements(mutant.factory, parts, spec=mutant.spec)
    failures = [o for o in outcomes.values() if o.failed and o.requirement == mutant.fails]

    assert failures, f"{mutant.fails} did not fail"
    assert any(mutant.message in f.text for f in failures), failures[0].text
    unrelated = {
        requirement: text
        for requirement, text in failed_requirements(outcomes).items()
        if requirement != mutant.fails and not requirement.startswith(mutant.companions or ("-",))
    }
    assert unrelated == {}
    for failure in failures:
        assert failure.finding is not None, failure.text
        assert failure.finding.expected
        assert failure.finding.seen
        assert failure.finding.cause
        assert 0 < len(failure.finding.history) <= 41, "the calls are told, long stories are cut"


def test_without_a_fault_none_fails() -> None:
    assert failed_requirements(run_requirements(memory.open_ports)) == {}


def test_every_requirement_of_these_parts_has_a_mutant() -> None:
    wanted = {r.id for r in load_requirements().values() if r.tier == "u"}

    assert {r for r in wanted if r.startswith(PARTS)} - {m.fails for m in OURS} == set()


def test_what_does_nothing_fails_all_that_can_fail() -> None:
    outcomes = run_requirements(mutants.nothing.open_ports, spec="mutants.nothing:open_ports")
    requirements = {outcome.requirement for outcome in outcomes.values()}
    spared = requirements - set(failed_requirements(outcomes))

    assert spared == set(HOLDS_OF_NOTHING)


def test_a_counter_example_is_small_and_told() -> None:
    factory = mutants.append.a_field_is_not_stored
    outcomes = run_requirements(factory, ["FID-01"], "standard", shrink=True)
    (failure,) = (o for o in outcomes.values() if o.failed)

    assert failure.text.splitlines()[0].startswith("expected: load_all() gives 1 event:")
