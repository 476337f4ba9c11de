"""What changed between two reports, and whether a gate should stop it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_eventstore.report import json_
from pytest_eventstore.report.model import RequirementResult, Result, Run

EXIT_SAME_OR_BETTER = 0
EXIT_WORSE = 1
EXIT_UNREADABLE = 4


@dataclass(frozen=True, kw_only=True)
class Change:
    """One requirement of one target whose result differs; None where it is absent."""

    target: str
    id: str
    level: str
    statement: str
    before: Result | None
    after: Result | None
    cause: str = ""

    def __str__(self) -> str:
        before = self.before or "absent"
        after = self.after or "absent"
        return (
            f"{self.target}  {self.id} {self.level.upper()}  {before} → {after}: {self.statement}"
        )


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two runs held against each other.

    Args:
        newly_failing: Broken now, and not before.
        newly_met: Met now, and not before.
        gone: Met or broken before, and now neither: lost from sight.
        other: Every other change of a result.
    """

    newly_failing: tuple[Change, ...] = ()
    newly_met: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    other: tuple[Change, ...] = ()

    @property
    def is_worse(self) -> bool:
        """Whether something broke, or an answer there was before is gone."""
        return bool(self.newly_failing or self.gone)

    @property
    def exit_status(self) -> int:
        """The exit status for a gate."""
        return EXIT_WORSE if self.is_worse else EXIT_SAME_OR_BETTER

    def lines(self) -> Iterator[str]:
        """Yield the comparison as text, its verdict last."""
        groups = (
            ("newly failing", self.newly_failing),
            ("gone", self.gone),
            ("newly met", self.newly_met),
            ("changed otherwise", self.other),
        )
        for title, changes in groups:
            if changes:
                yield f"{title}:"
            yield from _told(changes)
        counts = [f"{len(changes)} {title}" for title, changes in groups if changes]
        yield f"{'worse' if self.is_worse else 'not worse'}: {', '.join(counts) or 'no change'}"


def compare(old: Run, new: Run) -> Comparison:
    """Return what differs, target by target, requirement by requirement."""
    before, after = _by_key(old), _by_key(new)
    groups: dict[str, list[Change]] = {"failing": [], "met": [], "gone": [], "other": []}
    for key in dict.fromkeys((*after, *before)):
        was, now = before.get(key), after.get(key)
        if was is not None and now is not None and was.result is now.result:
            continue
        shown = now or was
        assert shown is not None
        change = Change(
            target=key[0],
            id=key[1],
            level=shown.level,
            statement=shown.statement,
            before=was.result if was else None,
            after=now.result if now else None,
            cause=now.cause if now else "",
        )
        groups[_group(was, now)].append(change)
    return Comparison(
        newly_failing=tuple(groups["failing"]),
        newly_met=tuple(groups["met"]),
        gone=tuple(groups["gone"]),
        other=tuple(groups["other"]),
    )


def read(path: Path) -> Run:
    """Return the run in a JSON report.

    Raises:
        NotAReportError: the file cannot be read, or holds no report.
    """
    try:
        return json_.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise json_.NotAReportError(f"{path}: {error}") from error
    except json_.NotAReportError as error:
        raise json_.NotAReportError(f"{path}: {error}") from error


def _told(changes: tuple[Change, ...]) -> Iterator[str]:
    """Yield a line for each change; what is met in a target new to the report is only counted."""
    counted: Counter[str] = Counter()
    for change in changes:
        if change.before is None and change.after is Result.MET:
            counted[change.target] += 1
            continue
        yield f"  {change}"
        if change.cause:
            yield f"      {change.cause}"
    for target, number in counted.items():
        yield f"  {target}  {number} that were not in the old report"


def _group(was: RequirementResult | None, now: RequirementResult | None) -> str:
    broken_before = was is not None and was.is_broken
    broken_now = now is not None and now.is_broken
    if broken_now:
        return "other" if broken_before else "failing"
    if now is not None and now.result is Result.MET:
        return "met"
    return "gone" if broken_before or (was is not None and was.result is Result.MET) else "other"


def _by_key(run: Run) -> dict[tuple[str, str], RequirementResult]:
    return {(t.name, r.id): r for t in run.targets for r in t.requirements}
