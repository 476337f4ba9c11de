"""Every race mutant is caught by stress, by its own requirement, with a history to read."""

from __future__ import annotations

import pytest

import mutants.frozen
import mutants.races
from mutants.registry import MUTANTS, Mutant
from mutants.runner import Outcome, run_test, suite_tests
from pytest_eventstore.requirements import load_requirements
from pytest_eventstore.suite.races_appends import RacingAppendTests
from pytest_eventstore.suite.races_numbers import RacingAllocatorTests
from pytest_eventstore.suite.races_recorders import RacingRecorderTests
from pytest_eventstore.suite.races_snapshots import RacingCutoverTests, RacingSnapshotTests

PARTS = (
    RacingAllocatorTests,
    RacingAppendTests,
    RacingRecorderTests,
    RacingSnapshotTests,
    RacingCutoverTests,
)
NAMES = {name for part in PARTS for name in vars(part) if name.startswith("test_")}

BY_STRESS = [
    m
    for m in MUTANTS
    if m.name.startswith(("races:", "frozen:"))
    and m.factory.__name__ not in mutants.races.ONLY_FROZEN
]


def stress(mutant: Mutant) -> list[Outcome]:
    """Run the mutant's requirement by stress alone, until a test catches it."""
    outcomes = []
    for name, function, parameters in suite_tests([mutant.fails], tier=None):
        if name.partition("[")[0] in NAMES:
            outcome = run_test(
                mutant.factory, name, function, parameters, "standard", spec=mutant.spec
            )
            outcomes.append(outcome)
            if outcome.failed:
                break
    return outcomes


@pytest.mark.parametrize("mutant", BY_STRESS, ids=lambda m: m.name)
def test_race_is_caught_by_stress(mutant: Mutant) -> None:
    # Stress is luck, and less of it on a busy machine: the freeze is what must never miss.
    for _ in range(6):
        caught = [outcome for outcome in stress(mutant) if outcome.failed]
        if caught:
            break
    assert caught, f"{mutant.fails} did not fail"
    finding = caught[0].finding
    assert finding is not None, caught[0].text
    assert finding.expected
    assert finding.seen
    assert finding.cause
    if mutant.name.startswith("races:"):
        assert mutant.message in caught[0].text


def test_every_requirement_of_the_stress_has_a_mutant() -> None:
    tested = {name[5:11].upper().replace("_", "-") for name in NAMES}
    assert tested <= set(load_requirements())
    assert tested - {m.fails for m in MUTANTS if m.tier == "c"} == set()
