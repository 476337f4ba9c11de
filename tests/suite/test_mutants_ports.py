"""Every mutant of the ports beside the event store is caught, by its own requirement."""

from __future__ import annotations

import pytest

import mutants.allocator
import mutants.cutover
import mutants.recorder
import mutants.recovery
import mutants.snapshots
from eventstore_reference import memory
from mutants.registry import MUTANTS, Mutant
from mutants.runner import (
    Outcome,
    failed_requirements,
    run_requirements,
    run_test,
    suite_tests,
)
from pytest_eventstore.ports import Ports
from pytest_eventstore.requirements import load_requirements
from pytest_eventstore.targets import Factory

PARTS = ("SEQ", "SNP", "CUT", "REC", "ARC", "LAT-03", "LAT-04")
BY_TIER = {"u": PARTS, "c": ("SNP-07", "ARC-02", "CUT-07"), "f": ("SNP-09",), "p": ("PER",)}
MODULES = (
    mutants.allocator,
    mutants.snapshots,
    mutants.cutover,
    mutants.recorder,
    mutants.recovery,
)
OURS = [m for m in MUTANTS if m.factory.__module__ in {module.__name__ for module in MODULES}]
LONGEST = "test_snp_01_64_mib_are_exact"
MODEL = "test_app_08_all_ports_in_any_order"


def outcomes_of(
    factory: Factory, tier: str, *, model: bool = False, without: str = ""
) -> dict[str, Outcome]:
    """Run what may find faults of these ports: the parts of a tier, or the model."""
    if model:
        tests = {name: function for name, function, _ in suite_tests(["APP-08"], models=True)}
        return {MODEL: run_test(factory, MODEL, tests[MODEL], {}, "standard", shrink=True)}
    outcomes: dict[str, Outcome] = {}
    for name, function, parameters in suite_tests(BY_TIER[tier], tier=tier):
        if name != without:
            outcomes[name] = run_test(factory, name, function, parameters)
    return outcomes


@pytest.mark.parametrize("mutant", OURS, ids=lambda m: m.name)
def test_the_named_requirement_fails_and_no_unrelated_one(mutant: Mutant) -> None:
    without = "" if mutant.fails.startswith("SNP") else LONGEST
    model = mutant.fails == "APP-08"
    outcomes = outcomes_of(mutant.factory, mutant.tier, model=model, without=without)
    failures = [o for o in outcomes.values() if o.failed and o.requirement == mutant.fails]

    assert failures, f"{mutant.fails} did not fail"
    assert any(mutant.message in f.text for f in failures), failures[0].text
    allowed = (mutant.fails, *mutant.companions)
    failed = failed_requirements(outcomes)
    assert {k: text for k, text in failed.items() if not k.startswith(allowed)} == {}
    for failure in failures:
        _assert_reads_as_a_report(failure)


def _assert_reads_as_a_report(failure: Outcome) -> None:
    finding = failure.finding
    assert finding is not None, failure.text
    assert finding.expected
    assert finding.seen
    assert finding.cause
    assert 0 < len(finding.history) <= 41, "the calls are told, and long stories are cut"


@pytest.mark.parametrize("tier", ["u", "c", "p"])
@pytest.mark.parametrize("factory", [memory.open_ports, mutants.recovery.correct_archive])
def test_without_a_fault_none_fails(factory: Factory, tier: str) -> None:
    assert failed_requirements(outcomes_of(factory, tier)) == {}


def test_the_archive_without_a_fault_is_offered() -> None:
    outcomes = run_requirements(mutants.recovery.correct_archive, ["ARC"])

    assert {outcome.kind for outcome in outcomes.values()} == {"passed"}


def test_the_model_passes_where_nothing_is_wrong() -> None:
    assert failed_requirements(outcomes_of(memory.open_ports, "u", model=True)) == {}


def test_the_model_drives_only_what_is_offered() -> None:
    def only_the_log(location: object) -> Ports:
        ports = memory.open_ports(location)  # type: ignore[arg-type]
        return Ports(event_store=ports.event_store, capabilities=ports.capabilities)

    assert outcomes_of(only_the_log, "u", model=True)[MODEL].kind == "passed"


def test_every_requirement_of_these_parts_has_a_mutant() -> None:
    requirements = load_requirements().values()
    wanted = {r.id for r in requirements if r.tier == "u" and r.id.startswith(PARTS)}
    wanted |= {r.id for r in requirements if r.tier == "p"} | {"SNP-03", "ARC-01"}

    elsewhere = {"LAT-04"}  # the requirement of a read, with the mutants of reads
    assert wanted - elsewhere - {m.fails for m in OURS} == set()
