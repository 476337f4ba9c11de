"""Forget: power is lost after the i-th operation, and the disk is one of those it may leave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from pytest_eventstore.lab.faults.disks import MODELS, Model, State, build, state, states_at
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.jury import Jury, Trial
from pytest_eventstore.lab.faults.oplog import DATA_OPS, NAME_OPS, Log, Mark, Sync
from pytest_eventstore.lab.faults.rehearsal import Rehearsal, progress_at, run_sweep
from pytest_eventstore.lab.faults.reports import Report, Settings, story
from pytest_eventstore.lab.faults.scenarios import SCENARIOS, Progress
from pytest_eventstore.lab.faults.staging import Source, Stage
from pytest_eventstore.lab.tracer import report as say

T = TypeVar("T")


@dataclass(frozen=True)
class Disk:
    """A state, built, and how far the steps had come."""

    state: State
    image: Image
    progress: Progress

    @property
    def key(self) -> tuple[bytes, tuple[str, ...]]:
        """Equal for disks that are judged alike."""
        return self.image.digest, tuple(tried.phase for tried in self.progress.steps)


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Judge the disks that a loss of power in a scenario may leave."""

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        explore(stage, rehearsal, settings, report)

    return run_sweep(source, SCENARIOS[name], body)


def explore(
    stage: Stage,
    rehearsal: Rehearsal,
    settings: Settings,
    report: Report,
    *,
    verb: str = "forget",
    since: int = 0,
    note: str = "",
) -> None:
    """Judge the disks that a recorded run may leave.

    Args:
        stage: Where to put the disks.
        rehearsal: The run.
        settings: How many, and what to look for.
        report: Where to put what is found.
        verb: What replay tokens begin with.
        since: The first operation after which power may be lost.
        note: What replay tokens carry before the point.
    """
    report.doubts += [f"{stage.scenario.name}: {doubt}" for doubt in rehearsal.log.doubts]
    final = rehearsal.run.progress
    if settings.only:
        disks: Sequence[Disk] = [_replayed(rehearsal.log, final, settings.only)]
    else:
        disks = disks_of(rehearsal.log, final, settings, since)
    jury = Jury(stage, settings, report)
    for count, disk in enumerate(disks, 1):
        say(f"{stage.scenario.name}: disk state {count} of {len(disks)}")
        report.figures["disk states"] += 1
        state = disk.state
        token = f"{stage.scenario.name}:{note}{state.point}:{state.model}:{state.number}"
        tell = partial(_story, stage, rehearsal.log, disk)
        if not jury.take(Trial(f"{verb}:{token}", disk.image, disk.progress, tell, rebooted=True)):
            break
    jury.close()


def disks_of(log: Log, final: Progress, settings: Settings, since: int = 0) -> Sequence[Disk]:
    """Return the distinct disks with their acknowledgements, or as many as are wanted of them."""
    steps = {point: progress_at(log, point, final) for point in range(since, len(log.ops) + 1)}
    candidates = list(_candidates(log, steps, settings))
    # Many states hold the same files; building three for each one wanted is enough to tell.
    candidates = draw(candidates, lambda s: s, settings, 3 * settings.states)
    disks: dict[object, Disk] = {}
    for candidate in candidates:
        disk = Disk(candidate, build(log, candidate), steps[candidate.point])
        disks.setdefault(disk.key, disk)
    return draw(list(disks.values()), lambda d: d.state, settings, settings.states)


def _candidates(log: Log, steps: Mapping[int, Progress], settings: Settings) -> Iterator[State]:
    """Yield the states that differ in what is kept or in what was acknowledged."""
    tried: set[object] = set()
    for point, progress in steps.items():
        phases = tuple(t.phase for t in progress.steps)
        for model in MODELS:
            for candidate in states_at(log, point, model):
                key = (candidate.kept, candidate.part, phases)
                if key in tried or (settings.names_only and candidate.loses_data):
                    continue
                tried.add(key)
                yield candidate


def draw(found: list[T], state_of: Callable[[T], State], settings: Settings, count: int) -> list[T]:
    """Return at most `count`, or all for 0: mostly extreme states, in the order of the log."""
    if not count or len(found) <= count:
        return found
    extreme = [f for f in found if state_of(f).extreme]
    others = [f for f in found if not state_of(f).extreme]
    rng = settings.rng()
    # A third for the others: what they show is rarer, and there are more of them.
    share = min(len(extreme), max(count - len(others), count * 2 // 3))
    drawn = rng.sample(extreme, share) + rng.sample(others, min(len(others), count - share))
    return sorted(drawn, key=lambda f: (state_of(f).point, state_of(f).model, state_of(f).number))


def _replayed(log: Log, final: Progress, only: str) -> Disk:
    point, model, number = only.split(":")
    names: dict[str, Model] = {name: name for name in MODELS}
    found = state(log, int(point), names[model], int(number))
    return Disk(found, build(log, found), progress_at(log, found.point, final))


def _story(stage: Stage, log: Log, disk: Disk) -> tuple[list[str], dict[str, Any]]:
    """Tell what led to a disk, and describe it."""
    state = disk.state
    kept = set(state.kept)
    script: list[tuple[int, str]] = []
    lost = set()
    told = 0
    for index, op in enumerate(log.ops[: state.point]):
        if isinstance(op, Mark):
            script.append((0, _in_words(disk, op)))
            continue
        if op.call != told:
            failed = " failed" if isinstance(op, Sync) and op.failed else ""
            script.append((op.call, log.calls[op.call - 1] + failed))
            told = op.call
        if index not in kept and isinstance(op, (*NAME_OPS, *DATA_OPS)):
            lost.add(op.call)
        elif state.part is not None and state.part.op == index:
            part = state.part
            what = "grew, data lost" if part.grown else f"bytes {part.start} to {part.stop} kept"
            script.append((0, f"of that write: {what}"))
    cut = f"power lost ({state.model}): what is marked LOST never reached the disk"
    history = story(script, cut, stage.tried(disk.progress), disk.image, frozenset(lost))
    return history, {
        "model": state.model,
        "lost": sorted(lost),
        "files": disk.image.describe(),
    }


def _in_words(disk: Disk, mark: Mark) -> str:
    tried = disk.progress.steps[mark.step]
    return f"{tried.operation} begins" if mark.phase == "begun" else str(tried)
