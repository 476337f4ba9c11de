"""The freeze sweep: every race of two processes that one preemption can decide.

A is held before its i-th call on the location while B runs from beginning to
end; then A goes on. For every i. What all the calls returned is judged. Each
schedule has a token, and plays the same way again.

A freeze sees one preemption, between system calls. What needs two, or happens
in shared memory without a call, is for the stress tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

import pytest

from pytest_eventstore.lab.freeze.duel import Duel, point_of
from pytest_eventstore.lab.freeze.poller import poll, replay
from pytest_eventstore.lab.freeze.schedule import Outcome
from pytest_eventstore.lab.freeze.sweep import Assignment, Sweep
from pytest_eventstore.lab.tracer import shared_helper, why_not
from pytest_eventstore.outcomes import inconclusive, not_checkable, not_offered, violated
from pytest_eventstore.targets import TargetReference

if TYPE_CHECKING:
    from pytest_eventstore.lab.bench import Bench

__all__ = ["BLOCKED_AT_MOST", "Duel", "freeze", "poll", "replay"]

BLOCKED_AT_MOST = 10.0
"""Seconds that a killed process may keep the others waiting."""


def freeze(bench: Bench, duels: Sequence[Duel], *, schedules: int = 60) -> None:
    """Play the duels, or the one schedule to be replayed; fail with the first violation.

    Args:
        bench: The test's.
        duels: The races.
        schedules: How many to play at standard effort, over all of them; a
            quarter at quick, every one at thorough.
    """
    bench.need_processes()
    if reason := why_not():
        not_checkable(reason)
    target = bench.target.reference
    if target is None:
        not_checkable("the adapter's factory has no name that another process could import it by")
    wanted = _wanted(bench, duels)
    left = bench.effort.pick(schedules // 4, schedules, 10**6 * len(duels))
    doubts: list[str] = []
    for number, (duel, point) in enumerate(wanted):
        most = bench.effort.pick(1, duel.most, duel.most) if duel.patience else duel.most
        share = min(max(1, left // (len(wanted) - number)), most)
        found = _play(bench, target, duel, share, point)
        left -= found.played
        if found.broken is not None:
            _report(duel, found.broken)
        doubts += _doubts(duel, found)
    if doubts:
        inconclusive("; ".join(doubts))


def _wanted(bench: Bench, duels: Sequence[Duel]) -> list[tuple[Duel, int | None]]:
    if not bench.replay:
        return [(duel, None) for duel in duels]
    named = [(duel, point_of(bench.replay, duel.name)) for duel in duels]
    wanted = [pair for pair in named if pair[1] is not None]
    if not wanted:
        pytest.skip(f"{bench.replay} is for another test")
    return wanted


def _play(
    bench: Bench, target: TargetReference, duel: Duel, budget: int, point: int | None
) -> Sweep:
    task = Assignment(target, duel, budget, f"{bench.seed}/{duel.name}", point, BLOCKED_AT_MOST)
    found: Sweep = shared_helper().call(
        "pytest_eventstore.lab.freeze.sweep:sweep", task, progress=bench.progress
    )
    if found.not_offered:
        not_offered(found.not_offered)
    kind = "kill points" if duel.fate == "killed" else "schedules"
    bench.figures[kind] += found.played
    bench.figures[f"{kind} overlapped"] += found.overlapped
    return found


def _doubts(duel: Duel, found: Sweep) -> list[str]:
    """Return why a sweep without a violation proves less than it seems to."""
    doubts = []
    if found.stuck:
        doubts.append(f"{duel.name} proves nothing: {found.stuck}")
    elif not found.points:
        doubts.append(f"{duel.name}: A made no call on the location that it could be held at")
    elif not found.played:
        doubts.append(f"{duel.name}: no schedule was played")
    elif not found.overlapped:
        doubts.append(f"{duel.name}: A and B never overlapped")
    elif found.failed == found.played:
        doubts.append(f"{duel.name}: calls failed in every schedule")
    if found.missed:
        doubts.append(f"{duel.name}: A did not come to its calls {_brief(found.missed)}")
    if found.drifted:
        doubts.append(
            f"{duel.name}: before its calls {_brief(found.drifted)} A made other calls "
            "than when it was recorded"
        )
    return doubts


def _brief(points: list[int]) -> str:
    shown = ", ".join(map(str, points[:5]))
    return shown if len(points) <= 5 else f"{shown} and {len(points) - 5} more"


def _report(duel: Duel, outcome: Outcome) -> NoReturn:
    verdict = outcome.verdict
    story = outcome.story(duel.fate)
    if outcome.blocked > BLOCKED_AT_MOST:
        violated(
            expected=f"a killed process blocks the others for {BLOCKED_AT_MOST:g} s at most",
            seen=f"B was blocked for {outcome.blocked:.0f} s, and given up",
            history=[story, *outcome.history.as_lines()],
            timeline=outcome.history.as_timeline(),
            cause="a lock that its dead holder never gives back",
            token=duel.token(outcome.point),
        )
    violated(
        expected=verdict.expected,
        seen=verdict.seen,
        history=[story, *verdict.history.as_lines()],
        timeline=outcome.history.as_timeline(),
        cause=verdict.cause,
        token=duel.token(outcome.point),
    )
