"""The summary at the end of a run, for a person at a terminal.

Colour is left to pytest's `TerminalReporter`, which knows whether it writes to
a terminal and what `--color` says.
"""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from pytest_eventstore.report import wording
from pytest_eventstore.report.model import (
    TIER_NAMES,
    TIERS,
    RequirementResult,
    Result,
    Run,
    TargetResult,
    Trial,
    Verdict,
)

_HISTORY_LINES = 60
_INDENT = "    "
_COLOURS = {
    Verdict.CONFORMANT: "green",
    Verdict.NON_CONFORMANT: "red",
    Verdict.PARTIAL: "yellow",
    Verdict.INCONCLUSIVE: "yellow",
}


@dataclass(frozen=True)
class Line:
    """One line of the summary and how to mark it on a terminal."""

    text: str
    markup: dict[str, bool] = field(default_factory=dict)


def write_summary(reporter: pytest.TerminalReporter, run: Run, *, details: bool = False) -> None:
    """Write the summary; its last line is the verdict.

    Args:
        reporter: pytest's own, which decides about colour.
        run: What to tell.
        details: Whether each failure is told in full here too, for a run whose
            failure section was switched off.
    """
    reporter.write_sep("=", f"event store contract {run.contract}")
    for line in lines(run, width=shutil.get_terminal_size().columns, details=details):
        reporter.write_line(line.text, **line.markup)


def lines(run: Run, *, width: int = 100, details: bool = False) -> list[Line]:
    """Return the summary's lines."""
    width = min(max(width, 60), 120)
    found: list[Line] = []
    for target in run.targets:
        found += _target(target, width=width, details=details)
        found.append(Line(""))
    for problem in run.problems:
        found.append(Line(f"problem: {problem}", {"red": True}))
    found.append(
        Line(f"verdict: {wording.verdict_line(run)}", {_COLOURS[run.verdict]: True, "bold": True})
    )
    return found


def _target(target: TargetResult, *, width: int, details: bool) -> Iterator[Line]:
    description = wording.described(target)
    yield Line(f"{target.name}: {description}" if description else target.name, {"bold": True})
    if all(r.result is Result.NOT_RUN for r in target.requirements):
        yield Line("  nothing of it ran")
        return
    yield from _table(target)
    for title, requirements, markup in _told(target):
        yield Line("")
        yield Line(title, markup)
        for requirement in requirements:
            yield from _requirement(requirement, width=width, details=details)
    yield Line("")
    if times := wording.times(target.seconds):
        yield Line(f"time: {times}")
    if figures := wording.figures(target.figures):
        yield from _wrapped("tried: " + ", ".join(figures), width, "       ")
    if costs := wording.costs(target.figures):
        head = f"cost at {wording.growth(target.figures)} times the history: "
        yield from _wrapped(head + ", ".join(costs), width, "       ")


def _table(target: TargetResult) -> Iterator[Line]:
    """Yield a row for each part of which anything ran, the worst first."""
    tiers = [t for t in TIERS if any(r.tier == t for r in target.requirements)]
    parts = wording.by_part(target.requirements)
    title = "met / all"
    first = max(len(title), *(len(part) for part, _ in parts))
    heads = [TIER_NAMES[tier] for tier in tiers]
    yield Line(f"  {title:<{first}}  " + "  ".join(heads))
    unseen = [part for part, found in parts if all(r.result is Result.NOT_RUN for r in found)]
    for part, requirements in parts:
        if part in unseen:
            continue
        cells = []
        for tier, head in zip(tiers, heads, strict=True):
            among = [r for r in requirements if r.tier == tier]
            met = sum(r.result is Result.MET for r in among)
            cells.append(f"{f'{met}/{len(among)}' if among else '-':>{len(head)}}")
        text = f"  {part:<{first}}  " + "  ".join(cells)
        others = wording.exceptions(requirements)
        yield Line(f"{text}  {others}".rstrip(), _row_markup(requirements))
    if unseen:
        yield Line(f"  nothing ran of {len(unseen)} of {len(parts)} parts")


def _row_markup(requirements: tuple[RequirementResult, ...]) -> dict[str, bool]:
    results = {r.result for r in requirements}
    if Result.FAILED in results:
        return {"red": True}
    if results & {Result.KNOWN, Result.ERROR, Result.INCONCLUSIVE}:
        return {"yellow": True}
    return {"green": True} if results == {Result.MET} else {}


def _told(
    target: TargetResult,
) -> Iterator[tuple[str, tuple[RequirementResult, ...], dict[str, bool]]]:
    """Yield the groups of requirements that are named one by one."""
    groups = (
        (Result.FAILED, "failed", "red"),
        (Result.KNOWN, "known to fail, and still broken", "yellow"),
        (Result.ERROR, "could not be tested", "yellow"),
        (Result.INCONCLUSIVE, "inconclusive", "yellow"),
    )
    broken = {r.id: r for r in target.broken}
    for result, title, colour in groups:
        in_order = (
            broken.values() if result in (Result.FAILED, Result.KNOWN) else target.requirements
        )
        if chosen := tuple(r for r in in_order if r.result is result):
            yield f"{title}:", chosen, {colour: True, "bold": True}


def _requirement(requirement: RequirementResult, *, width: int, details: bool) -> Iterator[Line]:
    head = f"  {requirement.id} {requirement.level.upper()}  {requirement.statement}"
    yield from _wrapped(head, width, _INDENT)
    if requirement.known:
        yield Line(f"{_INDENT}known: {requirement.known}")
    if cause := requirement.cause:
        yield from _wrapped(f"{_INDENT}{cause}", width, _INDENT)
    for trial in requirement.failures:
        if details:
            yield from _details(trial, width)
        if trial.reproduce:
            yield Line(f"{_INDENT}reproduce: {trial.reproduce}")


def _details(trial: Trial, width: int) -> Iterator[Line]:
    finding = trial.finding
    if finding is None:
        if trial.reason:
            yield from _wrapped(f"{_INDENT}{trial.reason}", width, _INDENT)
        return
    for name, text in (("expected", finding.expected), ("seen", finding.seen)):
        if text:
            yield from _wrapped(f"{_INDENT}{name}: {text}", width, _INDENT + "  ")
    shown = finding.history[:_HISTORY_LINES]
    if shown:
        yield Line(f"{_INDENT}history:")
    for line in shown:  # a history is drawn in columns, which wrapping would break
        yield Line(f"{_INDENT}  {line}")
    if more := len(finding.history) - len(shown):
        yield Line(f"{_INDENT}  … and {more} more calls, in the JSON report")


def _wrapped(text: str, width: int, indent: str) -> Iterator[Line]:
    for line in textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ):
        yield Line(line)
