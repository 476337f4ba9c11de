"""The jury: disks are handed in one by one, and judged by the dozen.

Many disks share one observing process, since a fork costs more than the
observation. What looks wrong there is looked at again by a process of its own, and
only what is wrong then too is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.judging import Problem, judge
from pytest_eventstore.lab.faults.observing import Observation, observe, observe_all
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import Progress
from pytest_eventstore.lab.faults.staging import Stage, keep

_AT_ONCE = 32


@dataclass(frozen=True)
class Trial:
    """One disk that a fault has left.

    Args:
        token: How to come back to it.
        image: What lies there; None if the store is not in files, and `seen` is given.
        progress: How far the steps had come.
        tell: Gives the story and a description of the disk.
        problems: What is known to be wrong already.
        seen: What was observed already.
        rebooted: Whether the machine was started anew: what is wrong must then be so
            with files of other inodes too, by which a store may know that.
    """

    token: str
    image: Image | None
    progress: Progress
    tell: Callable[[], tuple[list[str], dict[str, Any]]]
    problems: list[Problem] = field(default_factory=list)
    seen: Observation | None = None
    rebooted: bool = False


class Jury:
    """Judges trials and puts what is wrong into a report.

    Args:
        stage: Where the disks are put and observed.
        settings: What is looked for.
        report: Where it is put.
    """

    def __init__(self, stage: Stage, settings: Settings, report: Report) -> None:
        self._stage = stage
        self._settings = settings
        self._report = report
        self._waiting: list[Trial] = []
        self._seen: dict[bytes, Observation] = {}

    def take(self, trial: Trial) -> bool:
        """Take a trial; return whether there is any use in going on."""
        if self._settings.only and trial.image is not None:
            self._report.kept = str(keep(trial.image))
        self._waiting.append(trial)
        if len(self._waiting) >= _AT_ONCE:
            self.close()
        return not self._report.decided

    def close(self) -> None:
        """Judge what was taken so far."""
        waiting, self._waiting = self._waiting, []
        new = {
            trial.image.digest: trial.image
            for trial in waiting
            if trial.image is not None and trial.image.digest not in self._seen
        }
        stage = self._stage
        found = observe_all(stage.factory, stage.path, stage.scenario, list(new.values()))
        self._seen.update(zip(new, found, strict=False))  # it ends early where one hangs
        for trial in waiting:
            if not self._report.decided:
                self._judge(trial)

    def _judge(self, trial: Trial) -> None:
        seen = trial.seen
        if trial.image is not None:
            seen = self._seen.get(trial.image.digest)
        if seen is None:
            return
        past = self._stage.tried(trial.progress)
        problems = [*trial.problems, *judge(past, seen)]
        if trial.image is not None and any(map(self._settings.wants, problems)):
            if trial.rebooted:
                Image().put(self._stage.path)
            trial.image.put(self._stage.path)
            seen = observe(self._stage.factory, self._stage.path, self._stage.scenario)
            problems = [*trial.problems, *judge(past, seen)]
        if any(map(self._settings.wants, problems)):
            self._report.add(problems, self._settings, trial.token, *trial.tell())
