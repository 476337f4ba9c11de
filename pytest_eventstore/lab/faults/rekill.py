"""Rekill: the writer is killed, and whoever comes next is killed while it recovers."""

from __future__ import annotations

import copy
from dataclasses import replace

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.jury import Jury
from pytest_eventstore.lab.faults.kill import kill_points, killed_at, trial
from pytest_eventstore.lab.faults.refuse import with_follow_up
from pytest_eventstore.lab.faults.rehearsal import Rehearsal, record, run_sweep
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import SCENARIOS, Progress, Scenario
from pytest_eventstore.lab.faults.staging import Source, Stage
from pytest_eventstore.lab.tracer import NAMES, SIZES, WRITES
from pytest_eventstore.lab.tracer import report as say

_FIRST = 5


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Kill at some points, then kill the next process at each of its own; in the tracing process.

    `settings.points` bounds the pairs of points.
    """

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        if not stage.in_files:
            report.not_offered = "what it stores is not in files under its location"
            return
        first, _, second = settings.only.partition(":")
        points = [int(first)] if first else _some(rehearsal, settings)
        share = settings.points and max(2, settings.points // max(1, len(points)))
        for point in points:
            run = killed_at(stage, rehearsal, point, report)
            if run is not None:
                _again(stage, run.progress, point, second, replace(settings, points=share), report)
            if report.decided:
                return

    return run_sweep(source, SCENARIOS[name], body, files=False)


def _some(rehearsal: Rehearsal, settings: Settings) -> list[int]:
    """Return points just after a write or a change of names: there something is half done."""
    after = [stop.index + 1 for stop in rehearsal.run.stops if stop.name in WRITES | NAMES | SIZES]
    return list(replace(settings, points=_FIRST).chosen(after)) if settings.points else after


def _again(
    stage: Stage, before: Progress, first: int, second: str, settings: Settings, report: Report
) -> None:
    again = copy.copy(stage)
    again.freeze(Image.of(stage.path))
    again.past = stage.tried(before)
    again.scenario = _next(stage.scenario)
    rehearsal = record(again)
    points = [int(second)] if second else settings.chosen(kill_points(rehearsal))
    name = stage.scenario.name
    jury = Jury(again, settings, report)
    for point in points:
        say(f"{name}: killed at {first}, and again at {point}")
        # What was left can be put back, but not arranged anew: see `Stage.reset`.
        run = killed_at(again, rehearsal, point, report, strict=False)
        if run is not None:
            report.figures["kill points"] += 1
            cut = f"killed before call {point} of the second process (the first at call {first})"
            jury.take(trial(again, run, f"rekill:{name}:{first}:{point}", cut))
    jury.close()


def _next(scenario: Scenario) -> Scenario:
    """What comes after a kill: the cutover once more, and one operation of the kind."""
    follow = with_follow_up(scenario).act[-1]
    again = tuple(o for o in scenario.act if o.name in ("cutover", "archive"))
    return Scenario(scenario.name, (*again, follow), arrange=scenario.operations)
