"""The rehearsal: a scenario run once undisturbed, so that it is known which calls it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.oplog import Log, Mark
from pytest_eventstore.lab.faults.recording import Recorder
from pytest_eventstore.lab.faults.reports import Report
from pytest_eventstore.lab.faults.scenarios import Progress, Scenario
from pytest_eventstore.lab.faults.staging import Source, Stage, StageError, check, staged
from pytest_eventstore.lab.faults.traced import Meddle, Traced, run_traced
from pytest_eventstore.outcomes import NotOffered


@dataclass(frozen=True)
class Rehearsal:
    """What a scenario does when nothing goes wrong, or one thing that was meant to.

    Args:
        run: The run itself.
        log: What it did to the disk.
        after: What lay there at the end.
    """

    run: Traced
    log: Log
    after: Image


def run_sweep(
    source: Source,
    scenario: Scenario,
    sweep: Callable[[Stage, Rehearsal, Report], None],
    *,
    files: bool = True,
) -> Report:
    """Stage and rehearse a scenario, let `sweep` fill the report, and return it.

    Args:
        source: The adapter.
        scenario: What is swept.
        sweep: Takes the stage, the rehearsal and the report.
        files: Whether it only makes sense if the location holds what is stored.
    """
    report = Report()
    try:
        with staged(source, scenario) as stage:
            rehearsal = rehearse(stage)
            if files and not stage.in_files:
                report.not_offered = "what it stores is not in files under its location"
            else:
                sweep(stage, rehearsal, report)
    except StageError as error:
        report.doubts.append(str(error))
    except NotOffered as missing:
        report.not_offered = str(missing).removeprefix("not offered: ")
    return report


def rehearse(stage: Stage) -> Rehearsal:
    """Run a scenario undisturbed; raises `StageError`, or `NotOffered` if a port is missing."""
    rehearsal = record(stage)
    check(rehearsal.run.progress, stage.scenario.name)
    ended = rehearsal.run.ended
    if ended is None or not ended.clean:
        how = "hangs" if ended is None else ended.describe()
        raise StageError(f"the scenario {stage.scenario.name} undisturbed {how}")
    stage.use_files(rehearsal.after)
    return rehearsal


def record(stage: Stage, instead: Meddle | None = None) -> Rehearsal:
    """Run a scenario from its start, noting what it does.

    Args:
        stage: Where; it holds the scenario's start.
        instead: Stands at the calls in the recorder's place, and may hand them to it.
    """
    if stage.in_files:
        stage.reset()
    recorder = Recorder(stage.path, stage.start)
    run = run_traced(
        stage.factory,
        stage.path,
        stage.scenario.act,
        instead or recorder,
        hear=recorder.hear,
    )
    return Rehearsal(run, recorder.log(run.calls), Image.of(stage.path))


def progress_at(log: Log, point: int, final: Progress) -> Progress:
    """Return how far the steps had come when `point` operations were done."""
    steps = [replace(tried, phase="pending", result=None, error="") for tried in final.steps]
    for op in log.ops[:point]:
        if isinstance(op, Mark):
            end = final.steps[op.step]
            steps[op.step] = (
                end if op.phase == end.phase != "begun" else replace(steps[op.step], phase=op.phase)
            )
    return Progress(steps)
