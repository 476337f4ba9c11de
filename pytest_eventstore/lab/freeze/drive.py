"""Two traced processes driven in turns: one runs, the other stands."""

from __future__ import annotations

import time
from operator import sub

from pytest_eventstore.lab.tracer.events import INTERRUPTED, PAUSE, Exit, Stop
from pytest_eventstore.lab.tracer.session import Tracer
from pytest_eventstore.lab.tracer.syscalls import LOCK_WAITS

_TURN = 0.001
_LOCK_TURNS = 2  # asleep in a lock for two turns running: it waits
_INPUT_WAIT = 0.1  # asleep for input or a time for so long: it waits
_POLLS = 5  # it reads and writes the same between its sleeps, so many times running: it waits
_POLLS_AMONG_TWO = 200  # one of two that seem to wait is only slow, and must not run into a timeout
_TURNS_WITHOUT_TIME = 3
_EARNEST = 0.2  # seconds of a turn in which sleeps take their time


class StuckError(Exception):
    """The processes did not come to their end in time; the message says where they are."""


class Drive:
    """Lets one process at a time run, and tells when it ends or waits for the other.

    Sleeps take no time: they return at once, and what is done between them tells
    whether the process polls for something or only takes its time.
    """

    def __init__(self, tracer: Tracer, *, limit: float) -> None:
        self._tracer = tracer
        self._deadline = time.monotonic() + limit
        self._standing: dict[int, Stop] = {}
        self.ended: dict[int, Exit] = {}
        self.rests: dict[int, Stop] = {}
        self.calls: dict[int, list[Stop]] = {}

    def to_call(self, pid: int, number: int) -> Stop | None:
        """Run a process, alone, to its numbered call; None if it is done before that."""
        return self._run(pid, number=number, alone=True)

    def is_done(self, pid: int) -> bool:
        """Whether a process has ended, or rests after what it had to do."""
        return pid in self.ended or pid in self.rests

    def to_end(self, pid: int, *, patience: float = 0.0) -> bool:
        """Run a process until it is done; False if it waits for another.

        With `patience` its sleeps take their time, and only after so many
        seconds in this turn is it taken to wait.
        """
        self._run(pid, patience=patience)
        return self.is_done(pid)

    def all_to_end(self, *pids: int) -> None:
        """Run processes in turns until all are done; at last let them sleep in earnest.

        The first of them is the one that the others have been seen to wait for.

        Raises:
            StuckError: they wait for each other, or for something else.
        """
        turns = [0.0] * _TURNS_WITHOUT_TIME
        while waiting := [pid for pid in pids if not self.is_done(pid)]:
            patience = turns.pop() if turns else _EARNEST
            for pid in waiting:
                self._run(pid, polls=_POLLS_AMONG_TWO, patience=patience)
            self._check_deadline()

    def wake(self, pid: int) -> None:
        """Let a process that rests go on, and run it to its end."""
        self._tracer.resume(self.rests.pop(pid))
        self.all_to_end(pid)

    def kill(self, pid: int) -> None:
        """End a process as SIGKILL does."""
        self.ended[pid] = self._tracer.kill(pid)
        for tid in [t for t, stop in self._standing.items() if stop.pid == pid]:
            del self._standing[tid]

    def _run(
        self,
        pid: int,
        *,
        number: int = 0,
        alone: bool = False,
        patience: float = 0.0,
        polls: int = _POLLS,
    ) -> Stop | None:
        """Run a process until it is done, or stands at its call, or waits unless it is alone."""
        self._release(pid, earnest=patience > 0)
        cycle = _Cycle(polls)
        began = quiet_since = time.monotonic()
        asleep = 0
        while not self.is_done(pid):
            event = self._tracer.wait(_TURN)
            now = time.monotonic()
            if isinstance(event, Exit):
                self.ended[event.pid] = event
            elif event is None:
                call = self._tracer.waiting(pid)
                asleep = asleep + 1 if call in LOCK_WAITS else 0
                if not alone and now - began > patience:
                    if asleep >= _LOCK_TURNS:
                        # Where it stands it is not given the lock, to run beside the other.
                        self._standing |= {s.tid: s for s in self._tracer.interrupt(pid)}
                        return None
                    if call and now - quiet_since > _INPUT_WAIT:
                        return None
                self._check_deadline()
                continue
            elif event.name == PAUSE:
                self.rests[event.pid] = event
            elif event.pid != pid:
                self._standing[event.tid] = event
            elif event.sleeps:
                repeats = not alone and cycle.repeats(self._tracer.activity(pid))
                if repeats and now - began >= patience:
                    self._standing[event.tid] = event
                    return None
                self._pass(event, earnest=patience > 0)
            elif event.name != INTERRUPTED and self._note(event, number):
                return event
            else:
                self._tracer.resume(event)
            quiet_since, asleep = now, 0
            self._check_deadline()
        return None

    def _note(self, stop: Stop, number: int) -> bool:
        self.calls.setdefault(stop.pid, []).append(stop)
        if stop.index == number:
            self._standing[stop.tid] = stop
            return True
        return False

    def _release(self, pid: int, *, earnest: bool) -> None:
        for tid, stop in list(self._standing.items()):
            if stop.pid == pid:
                del self._standing[tid]
                self._pass(stop, earnest=earnest)

    def _pass(self, stop: Stop, *, earnest: bool) -> None:
        if stop.sleeps and not earnest:
            self._tracer.skip(stop)
        else:
            self._tracer.resume(stop)

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise StuckError("the processes came to no end")


class _Cycle:
    """Whether a process does the same between its sleeps, so many times running."""

    def __init__(self, times: int) -> None:
        self._times = times
        self._last: tuple[int, ...] = ()
        self._done: tuple[int, ...] = ()
        self._count = 0

    def repeats(self, activity: tuple[int, ...]) -> bool:
        done = tuple(map(sub, activity, self._last or activity))
        self._last = activity
        self._count = self._count + 1 if done == self._done else 1
        self._done = done
        return self._count >= self._times
