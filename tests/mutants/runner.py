"""Runs the suite's tests in-process, without pytest: what the mutants are tried with."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import hypothesis

from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.outcomes import (
    ContractViolation,
    Finding,
    Inconclusive,
    NotCheckable,
    NotOffered,
)
from pytest_eventstore.requirements import load_requirements, requirement_of
from pytest_eventstore.suite import EventStoreSuite
from pytest_eventstore.suite.model import ModelTests
from pytest_eventstore.targets import Factory, Target

_KINDS: dict[type[BaseException], str] = {
    NotOffered: "not offered",
    NotCheckable: "not checkable",
    Inconclusive: "inconclusive",
}


class HastyBench(Bench):
    """Takes the first counter-example as it is."""

    def _settings(self, examples: int) -> hypothesis.settings:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        return hypothesis.settings(super()._settings(examples), phases=phases)


@dataclass(frozen=True)
class Outcome:
    """How one test ended.

    Args:
        requirement: The requirement that the test is about.
        kind: ``passed``, ``failed``, ``not offered``, ``not checkable`` or ``inconclusive``.
        text: What was said; empty if it passed.
        finding: What was reported, if the test failed as it should.
    """

    requirement: str
    kind: str
    text: str = ""
    finding: Finding | None = None

    @property
    def failed(self) -> bool:
        """Whether the adapter was caught."""
        return self.kind == "failed"


def suite_tests(
    ids: Iterable[str] | None = None, *, tier: str | None = None, models: bool = False
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Give name, function and parameters of every test of the requirements named.

    Args:
        ids: Requirements such as ``SNP-03``, or parts such as ``SNP``; None for all.
        tier: Only tests of this tier.
        models: Also the models, which by their nature find faults of any kind.
    """
    wanted = None if ids is None else tuple(ids)
    for name in sorted(dir(EventStoreSuite)):
        if not name.startswith("test_") or (name in vars(ModelTests) and not models):
            continue
        requirement = requirement_of(name)
        if wanted is not None and not requirement.startswith(wanted):
            continue
        function = getattr(EventStoreSuite, name)
        marks = list(getattr(function, "pytestmark", []))
        own = load_requirements()[requirement].tier
        marked = next((m.args[0] for m in marks if m.name == "eventstore_tier"), own)
        if tier is not None and marked != tier:
            continue
        for parameters in _parameters(marks):
            text = "-".join(map(str, parameters.values()))
            yield (f"{name}[{text}]" if parameters else name), function, parameters


def run_requirements(
    factory: Factory,
    ids: Iterable[str] | None = None,
    effort: str = "quick",
    *,
    seed: int = 0,
    spec: str = "",
    tier: str | None = "u",
    shrink: bool = False,
) -> dict[str, Outcome]:
    """Run every test of the requirements named on an adapter.

    Args:
        factory: The adapter's.
        ids: Requirements or parts; None for all.
        effort: As for the plugin.
        seed: As for the plugin.
        spec: ``module:attribute`` of the factory, for tests that start processes.
        tier: Only tests of this tier; None for all.
        shrink: Whether to spend time on making counter-examples small.
    """
    return {
        name: run_test(
            factory, name, function, parameters, effort, seed=seed, spec=spec, shrink=shrink
        )
        for name, function, parameters in suite_tests(ids, tier=tier)
    }


def run_test(
    factory: Factory,
    name: str,
    function: Any,
    parameters: dict[str, Any],
    effort: str = "quick",
    *,
    seed: int = 0,
    spec: str = "",
    shrink: bool = False,
) -> Outcome:
    """Run one test."""
    requirement = requirement_of(name)
    target = Target(name="mutant", spec=spec, factory=factory)
    bench = (Bench if shrink else HastyBench)(target, effort=Effort(effort), seed=seed, name=name)
    try:
        function(EventStoreSuite(), bench, **parameters)
    except ContractViolation as violation:
        return Outcome(requirement, "failed", str(violation), violation.finding)
    except Exception as error:
        return Outcome(requirement, "failed", f"{type(error).__name__}: {error}")
    except BaseException as outcome:
        kind = _KINDS.get(type(outcome))
        if kind is None:
            raise
        return Outcome(requirement, kind, str(outcome))
    return Outcome(requirement, "passed")


def failed_requirements(outcomes: dict[str, Outcome]) -> dict[str, str]:
    """Return each requirement that failed, with the text of its first failure."""
    failed: dict[str, str] = {}
    for outcome in outcomes.values():
        if outcome.failed:
            failed.setdefault(outcome.requirement, outcome.text)
    return failed


def _parameters(marks: list[Any]) -> Iterator[dict[str, Any]]:
    axes: list[list[dict[str, Any]]] = []
    for mark in marks:
        if mark.name != "parametrize":
            continue
        names, values = mark.args[:2]
        keys = [k.strip() for k in names.split(",")] if isinstance(names, str) else list(names)
        rows = [getattr(value, "values", value) for value in values]
        axes.append(
            [
                dict(zip(keys, row if len(keys) > 1 or row is not value else (row,), strict=True))
                for row, value in zip(rows, values, strict=True)
            ]
        )
    for combination in itertools.product(*axes):
        yield {key: value for row in combination for key, value in row.items()}
