"""One schedule of a duel: A to its i-th call, B to its end, A to its end; then a last look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pytest_eventstore.lab.checkers import Verdict
from pytest_eventstore.lab.freeze.actor import Ledger, actors
from pytest_eventstore.lab.freeze.drive import Drive, StuckError
from pytest_eventstore.lab.freeze.duel import AFTER, BEFORE, HELD, OTHER, Duel
from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.tracer.events import Exit, Stop
from pytest_eventstore.lab.tracer.session import Tracer
from pytest_eventstore.lab.tracer.syscalls import CHANGES, LOCKS, READS, SLEEPS, SOCKETS
from pytest_eventstore.targets import Factory

CALLS = CHANGES | LOCKS | READS | SLEEPS | SOCKETS
_MEMORY = Path("/dev/shm")  # noqa: S108 — a place for short-lived data, much faster than a disk
_LAST_LOOK = 30.0


class CrashedError(Exception):
    """A process of the race died by itself; the message says how."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one schedule came to.

    Args:
        point: The number of A's call that it was held before; 0 if it was not.
        stood_at: That call, for a person to read.
        calls: The names of A's calls up to there; of all if it was not held.
        waited: Whether B waited for A, so that A went on before B's end.
        stuck: Why the processes came to no end; empty if they did.
        blocked: Seconds that B took after A was killed.
        history: Every call of all processes.
        verdict: What the judges say; that all is well if it got stuck.
    """

    point: int
    stood_at: str = ""
    calls: tuple[str, ...] = ()
    waited: bool = False
    stuck: str = ""
    blocked: float = 0.0
    history: History = field(default_factory=History)
    verdict: Verdict = field(default_factory=Verdict)

    @property
    def fired(self) -> bool:
        """Whether A came to the call that it was to be held before."""
        return bool(self.stood_at)

    def story(self, fate: str) -> str:
        """Return the schedule in a sentence."""
        if not self.fired:
            return "A ran to its end, then B"
        waited = ", which waited for A," if self.waited else " to its end"
        if fate == "killed":
            return f"A was killed before its call {self.point}, {self.stood_at}; then B ran"
        return (
            f"A was held before its call {self.point}, {self.stood_at}; B ran{waited} and A went on"
        )


def play(duel: Duel, factory: Factory, point: int, *, limit: float = 20.0) -> Outcome:
    """Play one schedule on a fresh location; with point 0, A and then B, undisturbed.

    Raises:
        NotOfferedError: the adapter lacks a port that the duel needs.
        CrashedError: a process died by itself.
    """
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with closing(Ledger()) as ledger, fresh_location(factory, base=base) as location:
        cast = actors(duel, factory, location.path, ledger)
        with Tracer(location.path, CALLS, sockets=True, only=_matters) as tracer:

            def prepare() -> None:
                cast[BEFORE].prepare_and_run()
                cast[HELD].prepare()

            a = tracer.spawn(cast[HELD].run, prepare=prepare, hold=True, timeout=_LAST_LOOK)
            b = tracer.spawn(
                cast[OTHER].run,
                prepare=cast[OTHER].prepare,
                hold=True,
                calls=SLEEPS,
                timeout=_LAST_LOOK,
            )
            race = _Race(duel, tracer, Drive(tracer, limit=limit), a, b)
            stuck = ""
            try:
                race.run(point)
            except StuckError as error:
                stuck = (
                    f"{error}: A {_where(tracer, race.drive, a)}, B {_where(tracer, race.drive, b)}"
                )
            _raise_crash(race.drive.ended.values())
        if not stuck:
            with Tracer(location.path, ()) as last:
                last.spawn(_nothing, prepare=cast[AFTER].prepare_and_run, timeout=_LAST_LOOK)
        history = History(ledger.calls())
    calls = race.drive.calls.get(a, [])
    return Outcome(
        point=point,
        stood_at=race.stood.describe(tracer.root) if race.stood else "",
        calls=tuple(stop.name for stop in calls[: point or None]),
        waited=race.waited,
        stuck=stuck,
        blocked=race.blocked,
        history=history,
        verdict=Verdict() if stuck else _judged(duel.judges, history),
    )


class _Race:
    """The traced part of a schedule."""

    def __init__(self, duel: Duel, tracer: Tracer, drive: Drive, a: int, b: int) -> None:
        self.drive = drive
        self.stood: Stop | None = None
        self.waited = False
        self.blocked = 0.0
        self._duel = duel
        self._tracer = tracer
        self._a, self._b = a, b

    def run(self, point: int) -> None:
        a, b, drive = self._a, self._b, self.drive
        self._tracer.start(a)
        self.stood = drive.to_call(a, point)
        if point:
            self._tracer.observe_no_more(a)
        self._tracer.start(b)
        if self.stood is not None and self._duel.fate == "killed":
            drive.kill(a)
            began = time.monotonic()
            drive.all_to_end(b)
            self.blocked = time.monotonic() - began
            return
        if self.stood is not None:
            self.waited = not drive.to_end(b, patience=self._duel.patience)
        drive.all_to_end(a, b)


def _matters(stop: Stop) -> bool:
    return stop.matters


def _nothing() -> None:
    """The process ends once it is prepared."""


def _judged(judges: Sequence[Callable[[History], Verdict]], history: History) -> Verdict:
    for judge in judges:
        verdict = judge(history)
        if not verdict:
            return verdict
    return Verdict()


def _raise_crash(ends: Iterable[Exit]) -> None:
    for end in ends:
        if not end.clean and end.signal != 9:
            raise CrashedError(f"a process of the race {end.describe()}")


def _where(tracer: Tracer, drive: Drive, pid: int) -> str:
    if pid in drive.ended:
        return "has ended"
    call = tracer.waiting(pid)
    return f"waits in {call}" if call else "has not ended"
