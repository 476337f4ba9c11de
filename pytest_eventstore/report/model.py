"""A finished run as values: what every report is drawn from, and nothing else.

Reports never look at pytest's objects, so a run read back from JSON draws the
same. All values are frozen, JSON-able, and free of passwords: `build.build_run`
cleans every text before it gets here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

TIERS = ("u", "c", "f", "p")
TIER_NAMES = {"u": "ordinary", "c": "concurrency", "f": "faults", "p": "performance"}
LEVELS = ("must", "should")


class Result(StrEnum):
    """What a run says about one requirement, worst first."""

    FAILED = "failed"
    KNOWN = "known"
    ERROR = "error"
    INCONCLUSIVE = "inconclusive"
    NOT_RUN = "not run"
    NOT_CHECKABLE = "not checkable"
    NOT_OFFERED = "not offered"
    NOT_SCORED = "not scored"
    MET = "met"


RESULT_MEANINGS = {
    Result.MET: "at least one test passed and none said otherwise",
    Result.FAILED: "a test found the requirement broken",
    Result.KNOWN: "broken, and listed as a known failure; it stays broken",
    Result.ERROR: "the test itself could not run; says nothing about the adapter",
    Result.INCONCLUSIVE: "a test ran and proved nothing, such as a race that did not overlap",
    Result.NOT_RUN: "no test of it ran, or not all of those selected",
    Result.NOT_CHECKABLE: "this machine cannot check it",
    Result.NOT_OFFERED: "the adapter does not offer what it is about; that is not met",
    Result.NOT_SCORED: "newer than the contract version asked for; does not count",
}


class Verdict(StrEnum):
    """What a run says about one target, worst first."""

    NON_CONFORMANT = "non-conformant"
    INCONCLUSIVE = "inconclusive"
    PARTIAL = "partial"
    CONFORMANT = "conformant"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a broken requirement looked like; see `pytest_eventstore.outcomes.Finding`."""

    expected: str = ""
    seen: str = ""
    history: tuple[str, ...] = ()
    cause: str = ""
    token: str = ""
    timeline: tuple[Mapping[str, Any], ...] = ()
    disk: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one test of a requirement ended."""

    test: str
    tier: str
    outcome: str
    reason: str = ""
    finding: Finding | None = None
    reproduce: str = ""
    duration: float = 0.0


@dataclass(frozen=True, kw_only=True)
class RequirementResult:
    """What one target's trials say about one requirement."""

    id: str
    level: str
    tier: str
    part: str
    statement: str
    since: str
    result: Result
    reason: str = ""
    known: str = ""
    trials: tuple[Trial, ...] = ()

    @property
    def is_broken(self) -> bool:
        """Whether a test found it broken, listed or not."""
        return self.result in (Result.FAILED, Result.KNOWN)

    @property
    def failures(self) -> tuple[Trial, ...]:
        """The trials that found it broken."""
        return tuple(t for t in self.trials if t.outcome == Result.FAILED)

    @property
    def tiers(self) -> tuple[str, ...]:
        """The tiers its trials are of, its own first."""
        others = {t.tier for t in self.trials} - {self.tier}
        return (self.tier, *(t for t in TIERS if t in others))

    @property
    def cause(self) -> str:
        """Why it is not met, in one line; empty if nothing is known."""
        for trial in self.failures:
            if trial.finding is not None:
                text = trial.finding.cause or trial.finding.seen
                if text:
                    return first_line(text)
        return first_line(self.reason)


@dataclass(frozen=True, kw_only=True)
class TargetResult:
    """Everything a run found out about one adapter."""

    name: str
    spec: str = ""
    adapter: str = ""
    capabilities: Mapping[str, str] = field(default_factory=dict)
    requirements: tuple[RequirementResult, ...]
    figures: Mapping[str, Any] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    level: str
    narrowed: tuple[str, ...] = ()

    @property
    def gating(self) -> tuple[RequirementResult, ...]:
        """The requirements that decide the verdict at the run's level."""
        wanted = LEVELS[: LEVELS.index(self.level) + 1]
        return tuple(
            r for r in self.requirements if r.level in wanted and r.result is not Result.NOT_SCORED
        )

    @property
    def verdict(self) -> Verdict:
        """What the run says about the target.

        Conformant means that every requirement of the level is met or not
        offered, that all of them were run, and that at least one is met. What
        this machine cannot check is missing from a claim just as what was
        left out.
        """
        results = {r.result for r in self.gating}
        if results & {Result.FAILED, Result.KNOWN}:
            return Verdict.NON_CONFORMANT
        if results & {Result.INCONCLUSIVE, Result.ERROR}:
            return Verdict.INCONCLUSIVE
        if self.narrowed or results & {Result.NOT_RUN, Result.NOT_CHECKABLE}:
            return Verdict.PARTIAL
        return Verdict.CONFORMANT if Result.MET in results else Verdict.PARTIAL

    @property
    def is_complete(self) -> bool:
        """Whether nothing that decides the verdict was left out."""
        return not self.narrowed and not any(
            r.result in (Result.NOT_RUN, Result.NOT_CHECKABLE) for r in self.gating
        )

    @property
    def broken(self) -> tuple[RequirementResult, ...]:
        """The broken requirements: MUST before SHOULD, unlisted before known."""
        found = [r for r in self.requirements if r.is_broken]
        return tuple(sorted(found, key=lambda r: (r.result is Result.KNOWN, LEVELS.index(r.level))))

    def count(self, result: Result, *, among: tuple[RequirementResult, ...] | None = None) -> int:
        """How many requirements ended so."""
        return sum(r.result is result for r in (self.requirements if among is None else among))


@dataclass(frozen=True, kw_only=True)
class Environment:
    """Where and how the run was made; enough to make it again."""

    python: str = ""
    platform: str = ""
    plugin: str = ""
    pytest: str = ""
    hypothesis: str = ""
    seed: int | None = None
    effort: str = ""
    tiers: tuple[str, ...] = TIERS
    command: str = ""
    started: str = ""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the contract over one or more targets."""

    contract: str
    level: str
    environment: Environment
    targets: tuple[TargetResult, ...]
    duration: float = 0.0
    problems: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of the targets' verdicts; a run without a target is partial."""
        order = list(Verdict)
        return min((t.verdict for t in self.targets), key=order.index, default=Verdict.PARTIAL)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts of the contract, in its order."""
        return tuple(dict.fromkeys(r.part for t in self.targets for r in t.requirements))


def first_line(text: str) -> str:
    """Return the first line that says something."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")
