"""One schedule of a duel: A to its i-th call, B to its end, A to its end; then a last look."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pytest_eventstore.lab.checkers import Verdict
from pytest_eventstore.lab.freeze.actor import Cast, Ledger
from pytest_eventstore.lab.freeze.drive import Drive, StuckError
from pytest_eventstore.lab.freeze.duel import Duel
from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.tracer.events import Stop
from pytest_eventstore.lab.tracer.session import Tracer
from pytest_eventstore.lab.tracer.syscalls import CHANGES, LOCKS, READS, SLEEPS, SOCKETS
from pytest_eventstore.targets import Factory

CALLS = CHANGES | LOCKS | READS | SLEEPS | SOCKETS
_MEMORY = Path("/dev/shm")  # noqa: S108 — a place for short-lived data, much faster than a disk
_PREPARATION = 30.0


class CrashedError(Exception):
    """A process of the race died by itself; the message says how."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one schedule came to.

    Args:
        point: The number of A's call that it was held before; 0 if it was not.
        stood_at: That call, for a person to read.
        calls: The names of A's calls up to there; of all if it was not held.
        places: The path that each of them acts on.
        waited: Whether B waited for A, so that A went on before B's end.
        stuck: Why the processes came to no end; empty if they did.
        blocked: Seconds that B took after A was killed.
        history: Every call of all processes.
        imported: The modules that the processes had to import.
        verdict: What the judges say; that all is well if it got stuck.
    """

    point: int
    stood_at: str = ""
    calls: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    waited: bool = False
    stuck: str = ""
    blocked: float = 0.0
    history: History = field(default_factory=History)
    imported: tuple[str, ...] = ()
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


def play(duel: Duel, factory: Factory, point: int, *, limit: float) -> Outcome:
    """Play one schedule on a fresh location; with point 0, A and then B, undisturbed.

    After `limit` seconds it is given up.

    Raises:
        NotOfferedError: the adapter lacks a port that the duel needs.
        CrashedError: a process died by itself.
    """
    base = _MEMORY if os.access(_MEMORY, os.W_OK) else None
    with closing(Ledger()) as ledger, fresh_location(factory, base=base) as location:
        cast = Cast(duel, factory, location.path, ledger)
        with Tracer(location.path, CALLS, sockets=True, only=_matters) as tracer:
            race = _Race(duel, cast, tracer, Drive(tracer, limit=limit))
            race.run(point)
        history = History(ledger.calls())
        imported = tuple(ledger.imported())
    calls = race.drive.calls.get(race.a, [])
    return Outcome(
        point=point,
        stood_at=race.stood.describe(tracer.root) if race.stood else "",
        calls=tuple(stop.name for stop in calls[: point or None]),
        places=tuple(stop.path for stop in calls[: point or None]),
        waited=race.waited,
        stuck=race.stuck,
        blocked=race.blocked,
        history=history,
        imported=imported,
        verdict=Verdict() if race.stuck else _judged(duel.judges, history),
    )


class _Race:
    """The traced part of a schedule; A and B stand ready when it is made."""

    def __init__(self, duel: Duel, cast: Cast, tracer: Tracer, drive: Drive) -> None:
        self.drive = drive
        self.stood: Stop | None = None
        self.waited = False
        self.stuck = ""
        self.blocked = 0.0
        self._duel = duel
        self._tracer = tracer
        self.a = tracer.spawn(
            cast.run_held, prepare=cast.prepare_held, hold=True, timeout=_PREPARATION
        )
        # Nothing holds B, so only that it sleeps need be seen of it.
        self.b = tracer.spawn(
            cast.run_other,
            prepare=cast.other.prepare,
            hold=True,
            calls=SLEEPS,
            timeout=_PREPARATION,
        )

    def run(self, point: int) -> None:
        began = time.monotonic()
        try:
            self._tracer.start(self.a)
            self.stood = self.drive.to_call(self.a, point)
            self._tracer.observe_no_more(self.a)
            self._tracer.start(self.b)
            began = time.monotonic()
            if self.stood is not None and self._duel.fate == "killed":
                self.drive.kill(self.a)
                self.drive.all_to_end(self.b)
                self.blocked = time.monotonic() - began
            else:
                if self.stood is not None:
                    self.waited = not self.drive.to_end(self.b, patience=self._duel.patience)
                self.drive.all_to_end(self.a, self.b)
            for pid in (self.a, self.b):
                if pid not in self.drive.ended:
                    self.drive.wake(pid)
        except StuckError as error:
            if self.a in self.drive.ended and self._duel.fate == "killed":
                self.blocked = time.monotonic() - began
            else:
                self.stuck = f"{error}: A {self._where(self.a)}, B {self._where(self.b)}"
        for end in self.drive.ended.values():
            if not end.clean and end.signal != signal.SIGKILL:
                raise CrashedError(f"a process of the race {end.describe()}")

    def _where(self, pid: int) -> str:
        if self.drive.is_done(pid):
            return "is done"
        call = self._tracer.waiting(pid)
        return f"waits in {call}" if call else "is not done"


def _matters(stop: Stop) -> bool:
    # Before it unlocks, A excludes B from what the next call leaves open to it.
    return stop.matters and not stop.unlocks


def _judged(judges: Sequence[Callable[[History], Verdict]], history: History) -> Verdict:
    for judge in judges:
        verdict = judge(history)
        if not verdict:
            return verdict
    return Verdict()
