"""Runs the suite's tests in-process, without pytest: what the mutants are tried with."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.outcomes import (
    ContractViolation,
    Finding,
    Inconclusive,
    NotCheckable,
    NotOffered,
)
from pytest_eventstore.suite import EventStoreSuite
from pytest_eventstore.targets import Factory, Target

_KINDS: dict[type[BaseException], str] = {
    NotOffered: "not offered",
    NotCheckable: "not checkable",
    Inconclusive: "inconclusive",
}


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


def requirement_of(name: str) -> str:
    """Return the requirement in a test's name: ``test_snp_03_older`` is about SNP-03."""
    match = re.match(r"test_([a-z]{3})_(\d\d)_", name)
    assert match is not None, f"{name} does not begin with a requirement"
    return f"{match[1].upper()}-{match[2]}"


def suite_tests(
    ids: Iterable[str] | None = None, *, tier: str | None = None
) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Give name, function and parameters of every test of the requirements named.

    Args:
        ids: Requirements such as ``SNP-03``, or parts such as ``SNP``; None for all.
        tier: Only tests that are marked with this tier, or, for ``u``, with none.
    """
    wanted = None if ids is None else tuple(ids)
    for name in sorted(dir(EventStoreSuite)):
        if not name.startswith("test_"):
            continue
        requirement = requirement_of(name)
        if wanted is not None and not requirement.startswith(wanted):
            continue
        function = getattr(EventStoreSuite, name)
        marks = list(getattr(function, "pytestmark", []))
        marked = next((m.args[0] for m in marks if m.name == "eventstore_tier"), None)
        if tier is not None and (marked or tier) != tier:
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
) -> dict[str, Outcome]:
    """Run every test of the requirements named on an adapter.

    Args:
        factory: The adapter's.
        ids: Requirements or parts; None for all.
        effort: As for the plugin.
        seed: As for the plugin.
        spec: ``module:attribute`` of the factory, for tests that start processes.
        tier: Only tests of this tier; None for all.
    """
    return {
        name: run_test(factory, name, function, parameters, effort, seed=seed, spec=spec)
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
) -> Outcome:
    """Run one test."""
    requirement = requirement_of(name)
    target = Target(name="mutant", spec=spec, factory=factory)
    bench = Bench(target, effort=Effort(effort), seed=seed, name=name)
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
