"""Tear: a write is cut short, and then the writer goes on, or dies."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.jury import Jury, Trial
from pytest_eventstore.lab.faults.kill import alike, trial
from pytest_eventstore.lab.faults.rehearsal import Rehearsal, run_sweep
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import SCENARIOS, Progress
from pytest_eventstore.lab.faults.staging import Source, Stage
from pytest_eventstore.lab.faults.traced import Traced, run_traced
from pytest_eventstore.lab.tracer import WRITES, Exit, Stop, Tracer
from pytest_eventstore.lab.tracer import report as say


@dataclass
class Tearer:
    """Shortens the write that is call number `point` to `size` bytes; then kills, or not."""

    point: int
    size: int
    kill: bool
    at: Stop | None = None
    wrote: int = -1

    def __call__(self, tracer: Tracer, stop: Stop, progress: Progress) -> Exit | None:  # noqa: ARG002
        """Shorten, or let the call be made."""
        if stop.index != self.point:
            tracer.resume(stop)
            return None
        self.at = stop
        if tracer.size_of(stop) < self.size:
            tracer.resume(stop)  # not the write that was rehearsed
            return None
        self.wrote = tracer.shorten(stop, self.size)
        if self.kill:
            return tracer.kill(stop.pid)
        tracer.resume(stop)
        return None


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Tear each write of a scenario and judge what is left; runs in the tracing process."""

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        cuts = _cuts(rehearsal, settings)
        if not cuts:
            report.not_offered = "it writes nothing through system calls on its location"
        jury = Jury(stage, settings, report)
        for cut in cuts:
            say(f"{name}: torn write {cut[0]}, {cut[1]} bytes kept, then {cut[2]}")
            found = _try(stage, rehearsal, cut, report)
            if found is not None and not jury.take(found):
                break
        jury.close()

    return run_sweep(source, SCENARIOS[name], body)


def _cuts(rehearsal: Rehearsal, settings: Settings) -> list[tuple[int, int, str]]:
    if settings.only:
        at, length, then = settings.only.split(":")
        return [(int(at), int(length), then)]
    sizes = {op.call: len(op.data) for op in rehearsal.log.ops if hasattr(op, "data")}
    points = [s.index for s in rehearsal.run.stops if s.name in WRITES and s.name != "splice"]
    cuts = []
    for point in settings.chosen([p for p in points if sizes.get(p, 0) > 1]):
        whole = sizes[point]
        kept = {whole // 2, 1, whole - 1} if settings.thorough else {whole // 2}
        cuts += [(point, size, then) for size in sorted(kept) for then in ("kill", "on")]
    return cuts


def _try(
    stage: Stage,
    rehearsal: Rehearsal,
    cut: tuple[int, int, str],
    report: Report,
) -> Trial | None:
    point, size, then = cut
    stage.reset()
    tearer = Tearer(point, size, then == "kill")
    run = run_traced(stage.factory, stage.path, stage.scenario.act, tearer)
    wanted = rehearsal.run.stops[point - 1]
    if tearer.at is None or not alike(tearer.at, wanted) or tearer.wrote != size:
        report.doubts.append(
            f"{stage.scenario.name}: write {point} could not be cut to {size} bytes: "
            + (tearer.at.describe(str(stage.path)) if tearer.at else "there was none")
        )
        return None
    report.figures["torn writes"] += 1
    how = f"call {point} wrote {size} bytes only, then the process "
    how += "was killed" if tearer.kill else "went on"
    token = f"tear:{stage.scenario.name}:{point}:{size}:{then}"
    return trial(stage, run, token, how, hung(run))


def hung(run: Traced) -> list[Problem]:
    """Return a problem if the process never came to its end."""
    if run.ended is not None:
        return []
    return [Problem("goes on", "the call comes back", "nothing happened for 20 s", hangs=True)]
