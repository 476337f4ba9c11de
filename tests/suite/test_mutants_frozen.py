"""Every race mutant is caught by the freeze sweep, each time, and correct adapters never are."""

from __future__ import annotations

import pytest

import mutants.frozen
from mutants.registry import MUTANTS, Mutant
from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.tracer import why_not
from pytest_eventstore.outcomes import ContractViolation, Finding
from pytest_eventstore.requirements import requirement_of
from pytest_eventstore.suite.races_frozen import FrozenRaceTests
from pytest_eventstore.targets import Target, load_attribute

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")

OURS = [m for m in MUTANTS if m.factory.__module__ == mutants.frozen.__name__]
TESTS = [name for name in vars(FrozenRaceTests) if name.startswith("test_")]


def finding(spec: str, test: str, replay: str | None = None) -> Finding | None:
    """Run one test at standard effort; return how the adapter broke, or None if it passed."""
    target = Target("mutant", spec, load_attribute(spec))
    try:
        getattr(FrozenRaceTests(), test)(Bench(target, name=test, replay=replay))
    except ContractViolation as violation:
        return violation.finding
    return None


@pytest.mark.parametrize("mutant", OURS, ids=lambda m: m.name)
def test_race_is_caught_and_its_token_shows_it_each_time(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_eventstore.lab.freeze.BLOCKED_AT_MOST", 1.0)
    tests = [test for test in TESTS if requirement_of(test) == mutant.fails]
    test, found = next(
        ((test, found) for test in tests if (found := finding(mutant.spec, test))), ("", None)
    )
    assert found is not None, f"{mutant.fails} did not fail"
    assert mutant.message in str(found)
    assert found.history[0].startswith(("A was held", "A was killed", "A ran to its end"))
    for _ in range(3):
        again = finding(mutant.spec, test, replay=found.token)
        assert again is not None
        assert again.seen == found.seen
        assert again.token == found.token


@pytest.mark.parametrize("factory", ["counts_in_one_statement", "counts_in_a_transaction"])
@pytest.mark.parametrize("test", [t for t in TESTS if requirement_of(t).startswith("SEQ")])
def test_counter_without_a_fault_is_never_caught(factory: str, test: str) -> None:
    assert finding(f"mutants.frozen:{factory}", test) is None


def test_every_requirement_of_the_sweep_has_a_mutant() -> None:
    assert {requirement_of(test) for test in TESTS} == {m.fails for m in OURS}
