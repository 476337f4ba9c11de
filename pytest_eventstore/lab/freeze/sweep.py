"""All schedules of a duel, one after another; runs in the tracing process."""

from __future__ import annotations

import contextlib
import gc
import importlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pytest_eventstore.lab.freeze.actor import NotOfferedError
from pytest_eventstore.lab.freeze.duel import Duel
from pytest_eventstore.lab.freeze.schedule import Outcome, play
from pytest_eventstore.lab.tracer.server import report
from pytest_eventstore.lab.tracer.syscalls import READS
from pytest_eventstore.targets import Factory, TargetReference

_TRIES = 3
_SLACK = 2.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the tracing process is asked to do.

    Args:
        target: The adapter.
        duel: The race.
        budget: How many schedules at most; of more points than that, `sample` chooses.
        seed: What the sample is drawn with.
        point: The one point to play, 0 for the undisturbed run, or None for a sweep.
        bound: Seconds that a killed process may block the other.
        limit: Seconds that a schedule may take in which none is killed.
    """

    target: TargetReference
    duel: Duel
    budget: int
    seed: str
    point: int | None = None
    bound: float = 10.0
    limit: float = 20.0


@dataclass(kw_only=True)
class Sweep:
    """What a sweep came to.

    Args:
        points: How many calls of A there are to be held before.
        played: How many schedules were played.
        overlapped: In how many of them calls of A and B overlapped.
        waited: In how many B waited for A.
        drifted: Points whose calls were not those of the undisturbed run.
        missed: Points that A did not come to.
        failed: In how many a call raised.
        stuck: Why a schedule came to no end, or the undisturbed run failed; empty if neither.
        broken: The first schedule that shows a violation.
        not_offered: The port that is missing.
        slowest: The longest that B was blocked by a killed A, in seconds.
    """

    points: int = 0
    played: int = 0
    overlapped: int = 0
    waited: int = 0
    drifted: list[int] = field(default_factory=list)
    missed: list[int] = field(default_factory=list)
    failed: int = 0
    stuck: str = ""
    broken: Outcome | None = None
    not_offered: str = ""
    slowest: float = 0.0


_factories: dict[str, Factory] = {}


def sweep(task: Assignment) -> Sweep:
    """Play the schedules until one shows a violation."""
    found = Sweep()
    try:
        _sweep(task, _factory(task.target), found)
    except NotOfferedError as missing:
        found.not_offered = str(missing)
    return found


def _sweep(task: Assignment, factory: Factory, found: Sweep) -> None:
    undisturbed = play(task.duel, factory, 0, limit=task.limit)
    found.points = len(undisturbed.calls)
    found.stuck = undisturbed.stuck or _failure(undisturbed)
    if not undisturbed.verdict:
        found.broken = undisturbed
    if found.stuck or found.broken or not found.points:
        return
    _keep_imported(undisturbed.imported)
    chosen = _chosen(task, undisturbed)
    for number, point in enumerate(chosen):
        report(f"{task.duel.name}: schedule {number + 1} of {len(chosen)}")
        outcome = _play_as_recorded(task, factory, point, undisturbed.calls, found)
        found.played += 1
        found.waited += outcome.waited
        found.slowest = max(found.slowest, outcome.blocked)
        found.overlapped += outcome.fired and outcome.history.overlapping() > 0
        found.failed += any(call.error for call in outcome.history)
        found.stuck = found.stuck or outcome.stuck
        if not outcome.verdict or outcome.blocked > task.bound:
            found.broken = outcome
            return


def _play_as_recorded(
    task: Assignment, factory: Factory, point: int, recorded: tuple[str, ...], found: Sweep
) -> Outcome:
    """Play a schedule; again if A took another way than in the undisturbed run."""
    limit = task.limit if task.duel.fate == "held" else task.bound + _SLACK
    for _ in range(_TRIES):
        outcome = play(task.duel, factory, point, limit=limit)
        as_recorded = outcome.fired and outcome.calls == recorded[:point]
        if as_recorded or not outcome.verdict or outcome.stuck:
            return outcome
    (found.drifted if outcome.fired else found.missed).append(point)
    return outcome


def _failure(undisturbed: Outcome) -> str:
    """A duel whose calls fail without a race proves nothing about the race."""
    for call in undisturbed.history:
        if call.error:
            return f"without any race, {call.process}'s {call.operation} {call.outcome()}"
    return ""


def _chosen(task: Assignment, undisturbed: Outcome) -> list[int]:
    if task.point is not None:
        return [task.point] if task.point else []
    if task.duel.patience:
        return middles(len(undisturbed.calls), task.budget)
    return sample(undisturbed.calls, undisturbed.places, task.budget, task.seed)


def sample(calls: Sequence[str], places: Sequence[str], budget: int, seed: str) -> list[int]:
    """Return which of the calls to hold A before, counted from 1, ascending.

    If they are too many, those that change something, lock or talk come before
    those that read, and the first of its name on its path before later ones.
    Of the last sort to find a place, one from each of equal stretches.
    """
    chance = random.Random(seed)  # noqa: S311 — chance, not secrets
    first = {place: n for n, place in reversed(list(enumerate(zip(calls, places, strict=True), 1)))}
    new = set(first.values())
    sorts: list[list[int]] = [[], [], [], []]
    for point, name in enumerate(calls, 1):
        sorts[2 * (name in READS) + (point not in new)].append(point)
    chosen: list[int] = []
    for points in sorts:
        left = min(len(points), budget - len(chosen))
        chosen += [chance.choice(stretch) for stretch in _stretches(points, left)]
    return sorted(chosen)


def middles(points: int, budget: int) -> list[int]:
    """Return the middle of each of `budget` equal stretches, or all if they fit."""
    stretches = _stretches(range(1, points + 1), min(points, budget))
    return [stretch[len(stretch) // 2] for stretch in stretches]


def _stretches(points: Sequence[int], count: int) -> list[Sequence[int]]:
    edges = [len(points) * n // count for n in range(count + 1)] if count > 0 else []
    return [points[low:high] for low, high in pairwise(edges)]


def _factory(target: TargetReference) -> Factory:
    """Import the adapter once, for all processes of all schedules."""
    if target.spec not in _factories:
        _factories[target.spec] = target.load()
        _share_with_forks()
    return _factories[target.spec]


def _keep_imported(names: Sequence[str]) -> None:
    """Import what the adapter imports only when used, so that no fork has to do it again."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    _share_with_forks()


def _share_with_forks() -> None:
    """Keep the collector from touching, and so from copying, what every fork has in common."""
    gc.collect()
    gc.freeze()
