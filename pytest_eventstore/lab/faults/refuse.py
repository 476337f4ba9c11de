"""Refuse: call i fails with an errno instead of being made, once or until healed.

An operation that meets the fault raises, or has truly done its work all the same
(a retry, a way around). Once the fault is gone the same handle goes on, and a new
one finds nothing half stored.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.faults.forget import explore
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.jury import Jury, Trial
from pytest_eventstore.lab.faults.kill import alike, trial
from pytest_eventstore.lab.faults.oplog import Sync
from pytest_eventstore.lab.faults.recording import Recorder
from pytest_eventstore.lab.faults.rehearsal import Rehearsal, run_sweep
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import DAY, KIND, SCENARIOS, Progress, Scenario
from pytest_eventstore.lab.faults.staging import Source, Stage
from pytest_eventstore.lab.faults.tear import hung
from pytest_eventstore.lab.faults.traced import Traced, creates, run_traced
from pytest_eventstore.lab.operations import Draft, Operation
from pytest_eventstore.lab.tracer import NAMES, OPENS, SOCKETS, SYNCS, WRITES, Stop, Tracer
from pytest_eventstore.lab.tracer import report as say

_GROWS = NAMES - {"unlink", "unlinkat", "rmdir"}
_DISK_SYNCS = SYNCS - {"sync"}  # sync(2) reports no error

FULL, QUOTA, BROKEN = errno.ENOSPC, errno.EDQUOT, errno.EIO
DESCRIPTORS, INTERRUPTED = errno.EMFILE, errno.EINTR
RESET = errno.ECONNRESET


def may_fail(stop: Stop, error: int, *, creates: bool) -> bool:
    """Return whether the kernel may answer a call with that errno."""
    name = stop.name
    if error in (FULL, QUOTA):
        return name in WRITES | _GROWS | {"fallocate"} or (name in OPENS and creates)
    if error == BROKEN:
        return name in WRITES | _DISK_SYNCS | NAMES | {"ftruncate", "truncate", "fallocate"}
    if error == DESCRIPTORS:
        return name in OPENS
    if error == RESET:
        return name in SOCKETS
    return name in WRITES | _DISK_SYNCS | OPENS


@dataclass
class Refuser:
    """Refuses call number `point`, and with `on` all later ones until the process tells something.

    What it tells is that a step has ended, one way or the other: then the fault is gone.
    """

    point: int
    error: int
    on: bool
    recorder: Recorder | None = None
    at: Stop | None = None
    refused: int = 0
    opening: bool = False
    _told: int = -1

    def __call__(self, tracer: Tracer, stop: Stop, progress: Progress) -> None:
        """Refuse the call, or let it be made."""
        if stop.index == self.point:
            self.at, self._told, self.opening = stop, progress.told, not progress.opened
        fails = (
            self.on
            and self._told == progress.told
            and may_fail(stop, self.error, creates=creates(stop))
        )
        if stop.index == self.point or fails:
            self.refused += 1
            if self.recorder is not None:
                self.recorder.refused(stop)
            tracer.refuse(stop, self.error)
        elif self.recorder is not None:
            self.recorder(tracer, stop, progress)
        else:
            tracer.resume(stop)


@dataclass(frozen=True)
class _Fault:
    point: int
    error: int
    on: bool

    @classmethod
    def of(cls, text: str) -> _Fault:
        point, name, mode = text.split(":")
        return cls(int(point), getattr(errno, name), mode == "on")

    def __str__(self) -> str:
        return f"{self.point}:{errno.errorcode[self.error]}:{'on' if self.on else 'once'}"


def with_follow_up(scenario: Scenario) -> Scenario:
    """Return the scenario with one more step, so that none is the last to meet a fault."""
    follow: Operation
    if scenario.uses("record", "cutover"):
        follow = op.record("s1", Draft("follow-up", at=DAY, size=24))
    elif scenario.uses("save"):
        follow = op.save(KIND, 900, "follow-up", 32)
    elif scenario.uses("allocate"):
        follow = op.allocate()
    else:
        follow = op.append(Draft("follow-up", at=DAY + 9, size=24))
    return replace(scenario, act=(*scenario.act, follow))


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Refuse each call of a scenario in turn; runs in the tracing process."""

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        faults = [_Fault.of(settings.only)] if settings.only else list(_faults(rehearsal))
        if not faults:
            report.not_offered = "it makes no system call on its location that could fail"
        jury = Jury(stage, settings, report)
        for fault in faults if settings.only else _spread(faults, settings):
            say(f"{name}: refusal {fault}")
            found = _try(stage, rehearsal, fault, report)
            if found is not None and not jury.take(found):
                break
        jury.close()

    return run_sweep(source, with_follow_up(SCENARIOS[name]), body, files=False)


def _faults(rehearsal: Rehearsal) -> Iterator[_Fault]:
    for stop in rehearsal.run.stops:
        for error in (FULL, BROKEN, QUOTA, DESCRIPTORS, INTERRUPTED, RESET):
            if may_fail(stop, error, creates=stop.index in rehearsal.run.creating):
                yield _Fault(stop.index, error, on=False)
                # Whoever retries on EINTR, as Python does, would never come back.
                if error not in (INTERRUPTED, RESET):
                    yield _Fault(stop.index, error, on=True)


def _spread(faults: list[_Fault], settings: Settings) -> list[_Fault]:
    """Of too many faults take some of each errno, spread over the calls."""
    if not settings.points or len(faults) <= settings.points:
        return faults
    rng = settings.rng()
    kinds: dict[tuple[int, bool], list[_Fault]] = {}
    for fault in faults:
        kinds.setdefault((fault.error, fault.on), []).append(fault)
    # The errors that real disks give most get half of the places.
    main = [k for k in kinds if k[0] in (FULL, BROKEN)]
    rest = [k for k in kinds if k not in main]
    drawn: list[_Fault] = []
    for group, places in ((main, settings.points * 2 // 3), (rest, settings.points // 3)):
        for kind in group:
            share = min(len(kinds[kind]), max(1, places // len(group)))
            drawn += rng.sample(kinds[kind], share)
    return sorted(drawn, key=lambda f: (f.point, f.error, f.on))


def _try(stage: Stage, rehearsal: Rehearsal, fault: _Fault, report: Report) -> Trial | None:
    stage.reset()
    refuser = Refuser(fault.point, fault.error, fault.on)
    run = run_traced(stage.factory, stage.path, stage.scenario.act, refuser, every_open=True)
    wanted = rehearsal.run.stops[fault.point - 1]
    if refuser.at is None or not alike(refuser.at, wanted):
        report.doubts.append(f"{stage.scenario.name}: call {fault.point} did not come again")
        return None
    report.figures["refusals"] += 1
    problems = hung(run)
    if not (refuser.opening and fault.error == DESCRIPTORS):
        # A file that could not be opened for writing is often opened for reading instead,
        # and such a handle stays what it is; a new one must work.
        problems += _went_on(run)
    return trial(stage, run, f"refuse:{stage.scenario.name}:{fault}", _cut(fault), problems)


def _cut(fault: _Fault) -> str:
    name = errno.errorcode[fault.error]
    until = "and all that may, until the step had ended" if fault.on else "once"
    return f"call {fault.point} failed with {name}, {until}"


def _went_on(run: Traced) -> list[Problem]:
    """Only the step that met the fault may raise; the process lives, and what follows works."""
    progress = run.progress
    raised = [t for t in progress.steps if t.phase == "raised"]
    problems = []
    if run.ended is not None and not run.ended.clean:
        problems.append(Problem("goes on", "the call raises", run.ended.describe()))
    if len(raised) > 1 or (raised and progress.open_errors):
        later = raised[-1]
        problems.append(
            Problem(
                "goes on",
                f"{later.operation} works on the same handle, now that the fault is gone",
                f"it raised {later.error}",
            )
        )
    if len(progress.open_errors) > 1:
        problems.append(
            Problem(
                "goes on",
                "the store opens now that the fault is gone",
                f"opening raised {progress.open_errors[-1]}",
            )
        )
    return problems


def sweep_lost_syncs(source: Source, name: str, settings: Settings) -> Report:
    """Fail each sync once and lose power later: what it should have synced may be lost for ever.

    A later sync that succeeds says nothing of the data that an earlier one failed
    to write, so nothing may be acknowledged on the strength of it.
    """

    def body(stage: Stage, rehearsal: Rehearsal, report: Report) -> None:
        syncs = [s.index for s in rehearsal.run.stops if s.name in ("fsync", "fdatasync")]
        if not syncs:
            report.not_offered = "it syncs nothing"
        only = settings.only.partition(":")
        points = [int(only[0])] if settings.only else settings.chosen(syncs)
        for point in points:
            say(f"{name}: failed sync {point}")
            part = replace(settings, only=only[2]) if settings.only else settings
            _lose(stage, point, part, report)

    return run_sweep(source, with_follow_up(SCENARIOS[name]), body)


def _lose(stage: Stage, point: int, settings: Settings, report: Report) -> None:
    stage.reset()
    recorder = Recorder(stage.path, stage.start)
    refuser = Refuser(point, BROKEN, on=False, recorder=recorder)
    run = run_traced(stage.factory, stage.path, stage.scenario.act, refuser, hear=recorder.hear)
    if refuser.at is None or run.ended is None:
        report.doubts.append(f"{stage.scenario.name}: sync {point} did not come again")
        return
    report.figures["failed syncs"] += 1
    log = recorder.log(run.calls)
    failed = [n for n, o in enumerate(log.ops) if isinstance(o, Sync) and o.failed]
    if failed:  # a directory's leaves no trace: its entries stay to be synced
        explore(
            stage,
            Rehearsal(run, log, Image.of(stage.path)),
            settings,
            report,
            verb="lostsync",
            since=failed[0] + 1,
            note=f"{point}:",
        )
