"""The sentences and numbers that all reports share."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_eventstore.report.model import (
    LEVELS,
    TIER_NAMES,
    TIERS,
    RequirementResult,
    Result,
    Run,
    TargetResult,
    Verdict,
)

_OVERLAPPED = " overlapped"
_NOISE = "% of noise in "
_GROWTH = re.compile(r"times the cost of (?P<what>.+) for (?P<growth>\d+) times the history")
_COUNT_ORDER = (
    Result.FAILED,
    Result.KNOWN,
    Result.ERROR,
    Result.INCONCLUSIVE,
    Result.NOT_RUN,
    Result.NOT_CHECKABLE,
    Result.NOT_OFFERED,
    Result.NOT_SCORED,
)


def exceptions(requirements: Iterable[RequirementResult]) -> str:
    """Return how many of the requirements ended otherwise than met: ``1 failed, 2 not run``."""
    results = [r.result for r in requirements]
    counts = ((results.count(result), result) for result in _COUNT_ORDER)
    return ", ".join(
        f"{number} {_COUNTED.get(result, result)}" for number, result in counts if number
    )


_COUNTED = {Result.KNOWN: "known to fail", Result.ERROR: "in error"}


def verdict_reason(target: TargetResult) -> str:
    """Return what the verdict rests on: ``90 of 91 MUST met, 1 failed``."""
    gating = target.gating
    met = target.count(Result.MET, among=gating)
    levels = " and ".join(level.upper() for level in LEVELS[: LEVELS.index(target.level) + 1])
    parts = [f"{met} of {len(gating)} {levels} met"]
    if others := exceptions(gating):
        parts.append(others)
    if target.narrowed:
        parts.append("selection narrowed by " + ", ".join(target.narrowed))
    return ", ".join(parts)


def verdict_line(run: Run) -> str:
    """Return the one line that a run ends in."""
    if not run.targets:
        return f"{run.verdict}: no target was tested against contract {run.contract}"
    head = f"{run.verdict} (contract {run.contract}, level {run.level.upper()})"
    if len(run.targets) == 1:
        target = run.targets[0]
        return f"{head}: {target.name}, {verdict_reason(target)}"
    return f"{head}: " + "; ".join(f"{t.name} {t.verdict}" for t in run.targets)


def next_step(verdict: Verdict) -> str:
    """Return what a reader should make of a verdict."""
    return {
        Verdict.CONFORMANT: "Every requirement of the level is met or not offered.",
        Verdict.NON_CONFORMANT: "At least one requirement of the level is broken.",
        Verdict.PARTIAL: "Nothing is broken, but not everything was checked: no claim is made.",
        Verdict.INCONCLUSIVE: "Nothing is broken, but a check proved nothing: no claim is made.",
    }[verdict]


def by_part(
    requirements: Iterable[RequirementResult],
) -> list[tuple[str, tuple[RequirementResult, ...]]]:
    """Return the requirements by part, the part with the worst results first."""
    parts: dict[str, list[RequirementResult]] = {}
    for requirement in requirements:
        parts.setdefault(requirement.part, []).append(requirement)
    order = list(Result)

    def badness(item: tuple[str, list[RequirementResult]]) -> list[int]:
        results = [r.result for r in item[1]]
        return [-results.count(result) for result in order if result is not Result.MET]

    return [(part, tuple(found)) for part, found in sorted(parts.items(), key=badness)]


def figures(found: Mapping[str, Any]) -> list[str]:
    """Return the counted figures as text, a race count with the overlap it is worth.

    ``races`` and ``races overlapped`` become one entry: a race whose calls did
    not overlap has shown nothing.
    """
    lines = []
    for name, value in found.items():
        if not _is_count(name, value) or name.removesuffix(_OVERLAPPED) in found.keys() - {name}:
            continue
        overlapped = found.get(name + _OVERLAPPED)
        extra = f" ({number(overlapped)} overlapped)" if overlapped is not None else ""
        lines.append(f"{number(value)} {name}{extra}")
    return lines


def costs(found: Mapping[str, Any]) -> list[str]:
    """Return what was measured of how costs grow: ``an append 1.02 times (± 4 %)``."""
    lines = []
    for name, value in found.items():
        if match := _GROWTH.fullmatch(name):
            noise = found.get(_NOISE + match["what"])
            extra = f" (± {number(noise)} %)" if noise is not None else ""
            lines.append(f"{match['what']} {number(value)} times{extra}")
    return lines


def growth(found: Mapping[str, Any]) -> str:
    """Return for how much longer a history `costs` were measured; empty if none were."""
    matches = (_GROWTH.fullmatch(name) for name in found)
    return next((match["growth"] for match in matches if match), "")


def _is_count(name: str, value: object) -> bool:
    """Whether a figure counts something, and is neither nothing nor a measurement."""
    plain = isinstance(value, (int, float)) and not isinstance(value, bool)
    measured = " at " in name or name.startswith(_NOISE) or _GROWTH.fullmatch(name)
    return plain and value != 0 and not measured


def times(seconds: Mapping[str, float]) -> str:
    """Return the time per tier: ``ordinary 8.1 s, faults 40 s``."""
    return ", ".join(
        f"{TIER_NAMES[tier]} {duration(seconds[tier])}" for tier in TIERS if tier in seconds
    )


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds >= 60:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def number(value: float) -> str:
    """Return a number with its thousands apart, and no more digits than it is worth."""
    if isinstance(value, int) or value == int(value):
        return f"{int(value):,}"
    return f"{value:,.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def described(target: TargetResult) -> str:
    """Return the adapter's class and what it declares."""
    declared = ", ".join(f'{name} "{value}"' for name, value in target.capabilities.items())
    return ", ".join(text for text in (target.adapter, declared) if text)
