"""Every mutant of the fault tier is caught, by its own requirement; what is sound passes."""

from __future__ import annotations

import pytest

import mutants.faults
from mutants.registry import MUTANTS, Mutant
from mutants.runner import run_requirements
from mutants.storage import sound
from pytest_eventstore.lab.tracer import why_not
from pytest_eventstore.requirements import load_requirements

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}")

OURS = [m for m in MUTANTS if m.factory.__module__ == mutants.faults.__name__]


@pytest.mark.parametrize("mutant", OURS, ids=lambda m: m.name.partition(":")[2])
def test_the_named_requirement_fails(mutant: Mutant) -> None:
    outcomes = run_requirements(mutant.factory, [mutant.fails], spec=mutant.spec, tier="f")
    failures = [o for o in outcomes.values() if o.failed]

    assert failures, {name: o.text for name, o in outcomes.items()}
    assert any(mutant.message in f.text for f in failures), failures[0].text
    for failure in failures:
        finding = failure.finding
        assert finding is not None, failure.text
        assert finding.expected
        assert finding.seen
        assert finding.cause
        assert 0 < len(finding.history) <= 41


def test_a_sound_store_passes_the_whole_tier() -> None:
    outcomes = run_requirements(sound, None, spec="mutants.storage:sound", tier="f")

    assert {n: o.text for n, o in outcomes.items() if o.kind != "passed"} == {}


def test_every_requirement_of_the_tier_has_a_mutant() -> None:
    of_tier = {r.id for r in load_requirements().values() if r.tier == "f"}

    assert of_tier - {m.fails for m in OURS} == set()
