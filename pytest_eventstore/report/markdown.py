"""The run as Markdown, made to be read in a pull request or a step summary."""

from __future__ import annotations

import re
from collections.abc import Iterator

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

STEP_SUMMARY_LIMIT = 1_000_000  # GitHub drops a step summary above 1 MiB whole
_MARKS = {
    Verdict.CONFORMANT: "✅",
    Verdict.NON_CONFORMANT: "❌",
    Verdict.PARTIAL: "⚠️",
    Verdict.INCONCLUSIVE: "⚠️",
}
_NAMED = (Result.ERROR, Result.INCONCLUSIVE, Result.NOT_CHECKABLE)
_HISTORY_LINES = 60


def render(run: Run, *, limit: int | None = None) -> str:
    """Return the report, with failures left out from the end to stay within `limit` bytes."""
    head = "\n".join(_head(run))
    blocks = ["\n".join(_failure(t, r)) for t in run.targets for r in t.broken]
    tail = "\n".join(_tail(run))
    if limit is not None:
        note = "\n\n*… {} more failures left out here; the JSON report has them all.*"
        room = limit - len((head + tail + note).encode()) - 200
        kept = 0
        for block in blocks:
            room -= len(block.encode()) + 2
            if room < 0:
                break
            kept += 1
        if left := len(blocks) - kept:
            blocks = [*blocks[:kept], note.format(left).strip()]
    return "\n\n".join([head, *blocks, tail]) + "\n"


def _head(run: Run) -> Iterator[str]:
    yield f"## Event store contract {run.contract}: {_MARKS[run.verdict]} {run.verdict}"
    for problem in run.problems:
        yield f"\n> **Problem:** {_text(problem)}"
    yield ""
    yield "| target | verdict | met | otherwise |"
    yield "|---|---|---|---|"
    for target in run.targets:
        met = target.count(Result.MET, among=target.gating)
        others = wording.exceptions(target.gating)
        if target.narrowed:
            others = ", ".join([others, "narrowed by " + ", ".join(target.narrowed)]).strip(", ")
        yield (
            f"| {_cell(target.name)} | {_MARKS[target.verdict]} {target.verdict}"
            f" | {met} of {len(target.gating)} {_levels(run)} | {_cell(others) or '–'} |"
        )
    yield ""
    yield from _matrix(run)


def _levels(run: Run) -> str:
    return "MUST" if run.level == "must" else "MUST and SHOULD"


def _matrix(run: Run) -> Iterator[str]:
    """Yield one table: a row for each part, worst first, a column for each target."""
    everything = [r for t in run.targets for r in t.requirements]
    yield "| part | " + " | ".join(_cell(t.name) for t in run.targets) + " |"
    yield "|---" * (len(run.targets) + 1) + "|"
    for part, _ in wording.by_part(everything):
        cells = []
        for target in run.targets:
            among = tuple(r for r in target.requirements if r.part == part)
            met = target.count(Result.MET, among=among)
            others = wording.exceptions(among)
            cells.append(f"{met}/{len(among)}" + (f": {others}" if others else ""))
        yield f"| {_cell(part)} | " + " | ".join(cells) + " |"


def _failure(target: TargetResult, requirement: RequirementResult) -> Iterator[str]:
    known = " (known)" if requirement.result is Result.KNOWN else ""
    yield (
        f"<details><summary><b>{requirement.id}</b> {requirement.level.upper()}"
        f" on <b>{_html(target.name)}</b>{known}: {_html(requirement.statement)}</summary>"
    )
    if requirement.known:
        yield f"\nKnown: {_text(requirement.known)}"
    for trial in requirement.failures:
        yield from _trial(trial)
    yield "\n</details>"


def _trial(trial: Trial) -> Iterator[str]:
    finding = trial.finding
    if finding is None:
        yield "\n" + _fence(trial.reason or "failed without a finding")
    else:
        yield f"\n**Expected:** {_text(finding.expected)}"
        yield f"\n**Seen:** {_text(finding.seen)}"
        if finding.history:
            shown = list(finding.history[:_HISTORY_LINES])
            if more := len(finding.history) - len(shown):
                shown.append(f"… and {more} more calls")
            yield "\n**History:**\n"
            yield _fence("\n".join(shown))
        if finding.cause:
            yield f"\n**Likely cause:** {_text(finding.cause)}"
    if trial.reproduce:
        yield "\n**Reproduce:**\n"
        yield _fence(trial.reproduce, "sh")


def _tail(run: Run) -> Iterator[str]:
    for target in run.targets:
        told = [r for r in target.requirements if r.result in _NAMED]
        if told:
            yield f"**{_text(target.name)}**, neither met nor broken:\n"
            for requirement in told:
                yield f"- {requirement.id} {requirement.result}: {_text(requirement.cause)}"
            yield ""
        if times := wording.times(target.seconds):
            yield f"{_text(target.name)}: {times}"
        if figures := wording.figures(target.figures):
            yield f"\ntried: {_text(', '.join(figures))}"
        if costs := wording.costs(target.figures):
            growth = wording.growth(target.figures)
            yield f"\ncost at {growth} times the history: {_text(', '.join(costs))}"
        yield ""
    environment = run.environment
    facts = [
        f"pytest-eventstore {environment.plugin}" if environment.plugin else "",
        f"Python {environment.python}" if environment.python else "",
        environment.platform,
        f"seed {environment.seed}" if environment.seed is not None else "",
        f"effort {environment.effort}" if environment.effort else "",
        "tiers " + ", ".join(TIER_NAMES[t] for t in TIERS if t in environment.tiers),
    ]
    yield "<sub>" + _html(" · ".join(fact for fact in facts if fact)) + "</sub>"


def _fence(text: str, language: str = "") -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _text(text: str) -> str:
    """Return text that Markdown and HTML leave as it is, on one line."""
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", _html(" ".join(text.split())))


def _cell(text: str) -> str:
    return _text(text)


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
