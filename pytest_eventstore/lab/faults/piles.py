"""What killed writers leave behind must not pile up."""

from __future__ import annotations

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import call_isolated
from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.kill import Killer, kill_points
from pytest_eventstore.lab.faults.rehearsal import Rehearsal, run_sweep
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import KIND, SCENARIOS
from pytest_eventstore.lab.faults.staging import Source, Stage, perform_and_tell
from pytest_eventstore.lab.faults.traced import run_traced
from pytest_eventstore.lab.tracer import report as say

ROUNDS = 3


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Kill one save after the other on one location and count the files after each round.

    A round kills at each point once, and ends with a save that is left alone.
    """

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        points = settings.chosen(kill_points(rehearsal)[:-1])
        stage.start.put(stage.path)
        counts: list[int] = []
        names: list[frozenset[str]] = []
        number = 10
        for turn in range(ROUNDS):
            say(f"{name}: round {turn + 1} of killed saves")
            for point in points:
                number += 1
                killer = Killer(point)
                run_traced(stage.factory, stage.path, [_save(number)], killer)
                report.figures["kill points"] += killer.at is not None
            number += 1
            call_isolated(perform_and_tell, stage.factory, stage.path, [_save(number)])
            names.append(frozenset(Image.of(stage.path).files))
            counts.append(len(names[-1]))
        if counts == sorted(set(counts)):
            new = sorted(names[-1] - names[0])
            problem = Problem(
                "snapshot",
                "as many files after each round of killed saves",
                f"{', then '.join(map(str, counts))} files; among the new ones: {new[0]}",
            )
            history = [
                f"a save killed at each of its {len(points)} calls, then one left alone: "
                f"{count} files"
                for count in counts
            ]
            report.add([problem], settings, "", history, {})

    return run_sweep(source, SCENARIOS[name], body)


def _save(number: int) -> op.Operation:
    return op.save(KIND, number, f"save-{number}", 40)
