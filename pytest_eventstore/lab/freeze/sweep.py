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
from pytest_eventstore.lab.tracer.syscalls import CHANGES, LOCKS, READS, SOCKETS
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
    if task.point is not None:
        chosen = [task.point] if task.point else []
    else:
        chosen = sample(undisturbed.calls, task.budget, task.seed, evenly=task.duel.patience > 0)
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


def sample(calls: Sequence[str], budget: int, seed: str, *, evenly: bool = False) -> list[int]:
    """Return which of the calls to hold A before, counted from 1, ascending.

    If they are too many, those that change something, lock or talk come first,
    then those that read; of the last kind to find a place, or of all of them if
    `evenly`, one from each of equal stretches.
    """
    chance = random.Random(seed)  # noqa: S311 — chance, not secrets
    kinds = [set(calls)] if evenly else [CHANGES | LOCKS | SOCKETS, READS]
    chosen: list[int] = []
    for kind in kinds:
        points = [n for n, name in enumerate(calls, 1) if name in kind]
        chosen += _stretches(points, budget - len(chosen), chance)
    return sorted(chosen)


def _stretches(points: list[int], count: int, chance: random.Random) -> list[int]:
    """Return all the points, or one from each of `count` equal stretches."""
    if len(points) <= count:
        return points
    edges = [len(points) * n // count for n in range(count + 1)] if count > 0 else []
    return [points[chance.randrange(low, high)] for low, high in pairwise(edges)]


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
