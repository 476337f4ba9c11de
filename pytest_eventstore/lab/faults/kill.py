"""Kill: the writer dies at its i-th call, for every i that changes something.

The kernel lets go of its locks and keeps its cache, as after SIGKILL or a crash
of the program; only what the writer had not yet handed over is lost.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.jury import Jury, Trial
from pytest_eventstore.lab.faults.rehearsal import Rehearsal, run_sweep
from pytest_eventstore.lab.faults.reports import Report, Settings, story
from pytest_eventstore.lab.faults.scenarios import SCENARIOS, Progress
from pytest_eventstore.lab.faults.staging import Source, Stage
from pytest_eventstore.lab.faults.traced import Traced, is_change, run_traced
from pytest_eventstore.lab.tracer import Exit, Stop, Tracer
from pytest_eventstore.lab.tracer import report as say


@dataclass
class Killer:
    """Kills the process before its call number `point`."""

    point: int
    at: Stop | None = None

    def __call__(self, tracer: Tracer, stop: Stop, progress: Progress) -> Exit | None:  # noqa: ARG002
        """Kill, or let the call be made."""
        if stop.index == self.point:
            self.at = stop
            return tracer.kill(stop.pid)
        tracer.resume(stop)
        return None


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Kill a scenario at each of its calls and judge what is left; runs in the tracing process."""

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        points = kill_points(rehearsal)
        if not points:
            report.not_offered = "it makes no system call that changes something on its location"
            return
        wanted = [int(settings.only)] if settings.only else settings.chosen(points)
        jury = Jury(stage, settings, report)
        for point in wanted:
            say(f"{name}: kill point {point} of {points[-1]}")
            run = killed_at(stage, rehearsal, point, report)
            if run is None:
                continue
            report.figures["kill points"] += 1
            cut = f"killed before call {point}" if run.ended is not None else "done"
            if not jury.take(trial(stage, run, f"kill:{name}:{point}", cut)):
                break
        jury.close()

    return run_sweep(source, SCENARIOS[name], body, files=False)


def kill_points(rehearsal: Rehearsal) -> list[int]:
    """Return the calls worth dying before, and the one after the last."""
    points = [stop.index for stop in rehearsal.run.stops if is_change(stop)]
    return [*points, len(rehearsal.run.stops) + 1] if points else []


def trial(
    stage: Stage, run: Traced, token: str, cut: str, problems: list[Problem] | None = None
) -> Trial:
    """Return what a run has left, ready to be judged."""
    image = Image.of(stage.path)
    past = stage.tried(run.progress)
    return Trial(
        token,
        image if stage.in_files else None,
        run.progress,
        lambda: (story(run.script, cut, past, image), {"files": image.describe()}),
        problems or [],
        None if stage.in_files else stage.observe(),
    )


def killed_at(
    stage: Stage, rehearsal: Rehearsal, point: int, report: Report, *, strict: bool = True
) -> Traced | None:
    """Run up to a point and kill there; None, and a doubt, if it could not be done."""
    wanted = rehearsal.run.stops[point - 1] if point <= len(rehearsal.run.stops) else None
    why = ""
    for _ in range(3):
        stage.reset()
        killer = Killer(point)
        run = run_traced(stage.factory, stage.path, stage.scenario.act, killer)
        if not strict and run.ended is not None:
            return run
        if wanted is None:
            if run.ended is not None and run.ended.clean and killer.at is None:
                return run
            why = "the process did not come to its end"
        elif run.ended is None or run.ended.signal != signal.SIGKILL or killer.at is None:
            why = f"the process was not killed: there was no call {point}"
        elif not alike(killer.at, wanted):
            why = f"call {point} was {killer.at.describe()}, and {wanted.describe()} before"
        else:
            return run
    report.doubts.append(f"{stage.scenario.name}: {why}")
    return None


def alike(one: Stop, other: Stop) -> bool:
    """Whether two calls are the same but for names that differ from run to run."""
    return (one.name, os.path.dirname(one.path).count("/")) == (
        other.name,
        os.path.dirname(other.path).count("/"),
    )
