"""Every race mutant is caught by the freeze sweep, each time, and correct adapters never are."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

import mutants.frozen
from mutants.registry import MUTANTS, Mutant
from mutants.runner import Outcome, run_test, suite_tests
from pytest_eventstore.lab.tracer import why_not
from pytest_eventstore.suite.races_frozen import FrozenRaceTests
from pytest_eventstore.targets import Target

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")

OURS = [m for m in MUTANTS if m.factory.__module__ == mutants.frozen.__name__]
NAMES = {name for name in vars(FrozenRaceTests) if name.startswith("test_")}
CORRECT = ("mutants.frozen:counts_in_one_statement", "mutants.frozen:counts_in_a_transaction")


def frozen_outcomes(factory: object, spec: str, ids: Iterable[str]) -> list[Outcome]:
    return [
        run_test(factory, name, function, parameters, "standard", spec=spec)  # type: ignore[arg-type]
        for name, function, parameters in suite_tests(ids, tier=None)
        if name in NAMES
    ]


@pytest.mark.parametrize("mutant", OURS, ids=lambda m: m.name)
def test_race_is_caught_by_the_same_schedule_each_time(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_eventstore.lab.freeze.BLOCKED_AT_MOST", 1.0)
    first, second = (
        [o for o in frozen_outcomes(mutant.factory, mutant.spec, [mutant.fails]) if o.failed]
        for _ in range(2)
    )
    assert first, f"{mutant.fails} did not fail"
    assert any(mutant.message in outcome.text for outcome in first), first[0].text
    tokens = [outcome.finding.token for outcome in first if outcome.finding]
    assert tokens == [outcome.finding.token for outcome in second if outcome.finding]
    assert all(token.startswith("freeze:") for token in tokens)


@pytest.mark.parametrize("spec", CORRECT)
def test_counter_without_a_fault_is_never_caught(spec: str) -> None:
    target = Target("correct", spec, getattr(mutants.frozen, spec.partition(":")[2]))
    outcomes = frozen_outcomes(target.factory, spec, ["SEQ"])
    assert {(o.kind, o.text) for o in outcomes} == {("passed", "")}


def test_every_test_of_the_sweep_has_a_mutant() -> None:
    tested = {name[5:11].upper().replace("_", "-") for name in NAMES}
    assert tested == {m.fails for m in OURS}
