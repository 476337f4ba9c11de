"""Stress: many short races on many fresh locations, each judged by its history.

What is proved is proved by calls that overlapped. Rounds in which nothing did
are played again, a limited number of times; a test in which too few overlapped
is inconclusive, and so is one in which the adapter refused most of the calls.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.checkers.verdict import Verdict
from pytest_eventstore.lab.handles import Location, fresh_location
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import Operation, Runner
from pytest_eventstore.lab.patience import Impatient, run_patiently
from pytest_eventstore.lab.scripts import Script, make_call
from pytest_eventstore.lab.threads import race_threads
from pytest_eventstore.lab.workers import LIMIT, Race, race_processes
from pytest_eventstore.outcomes import inconclusive, violated

Participants: TypeAlias = Literal["threads", "spawn", "fork"]

BEFORE, AFTER = "before", "after"
JITTER = 0.0001
"""Up to so many seconds of waiting before a call: enough to shuffle, too little to separate."""


_FAST = Path("/dev/shm")  # noqa: S108  # folders in it are made by mkdtemp
_REPLAYS = 40
_HARDER = 4
_BUDGET = 20.0


@dataclass(frozen=True, kw_only=True)
class Stress:
    """One kind of race, to be played over and over.

    Args:
        participants: Who takes part: threads with one handle or processes, and how
            those are started.
        write: Writes a round's scripts, from its chance.
        judges: What must hold of every round's history.
        before: Calls made on the location before, by a handle that is closed again.
        after: Calls made afterwards, by a handle that is opened anew.
        during: Made for a round; called while its race is on.
        may_die: Which participants `during` may kill.
        counts: Whether a round counts as one in which something raced; by default,
            whether calls of different participants overlapped.
        limit: Seconds after which whoever is not done counts as hanging.
        may_refuse: Whether the adapter may refuse most of the calls.
        rounds: How many rounds at standard effort.
        handles: How many handles threads share.
    """

    participants: Participants
    write: Callable[[random.Random], Sequence[Script]]
    judges: Sequence[Callable[[History], Verdict]]
    before: Sequence[Operation] = ()
    after: Sequence[Operation] = ()
    during: Callable[[random.Random], Callable[[Race], None]] | None = None
    may_die: Sequence[int] = ()
    counts: Callable[[History], bool] | None = None
    limit: float = LIMIT
    may_refuse: bool = False
    rounds: int = 8
    handles: int = 1

    def play(self, bench: Bench) -> None:
        """Play the rounds; fail with the first that is judged impossible."""
        if self.participants != "threads":
            bench.need_processes()
        if bench.replay:
            self._replay(bench, bench.replay)
            return
        wanted = bench.effort.pick(max(2, self.rounds // 4), self.rounds, self.rounds * 8)
        played = raced = 0
        tally = _Tally()
        deadline = time.monotonic() + _BUDGET
        while raced < wanted and played < wanted * _HARDER:
            if played >= wanted and time.monotonic() > deadline:
                break
            history = self._round(bench, bench.seed, played)
            tally.add(history)
            raced += (self.counts or _overlapped)(history)
            played += 1
        bench.figures["races"] += played
        bench.figures["races overlapped"] += raced
        bench.figures["refusals"] += tally.refused
        if raced < max(1, wanted // 3):
            inconclusive(f"only {raced} of {played} races overlapped, {wanted} were wanted")
        if not self.may_refuse:
            tally.require_answers()

    def _replay(self, bench: Bench, token: str) -> None:
        name, seed, number = _parse(token)
        if name != _name(bench):
            pytest.skip(f"{token} is for another test")
        for _ in range(_REPLAYS):
            self._round(bench, seed, number)
            bench.figures["races"] += 1

    def _round(self, bench: Bench, seed: int, number: int) -> History:
        rng = random.Random(f"{seed}/{_name(bench)}/{number}")  # noqa: S311  # chance, not secrets
        base = _FAST if rng.random() < 0.5 and os.access(_FAST, os.W_OK) else None
        scripts = [replace(s, seed=rng.randrange(1 << 30)) for s in self.write(rng)]
        during = self.during(rng) if self.during else None
        with fresh_location(bench.target.factory, base=base) as location:
            calls = self._alone(BEFORE, location, self.before)
            calls += self._race(bench, location, scripts, during)
            calls += self._alone(AFTER, location, self.after)
        history = History(calls)
        for judge in self.judges:
            judge(history).require(token=f"stress:{_name(bench)}:{seed}:{number}")
        return history

    def _alone(self, name: str, location: Location, operations: Sequence[Operation]) -> list[Call]:
        """Open the location, make the calls one by one, and close it, in bounded time."""
        calls: list[Call] = []

        def make_them() -> None:
            handle = location.open()
            runner = Runner(handle)
            calls.extend(make_call(name, runner, operation) for operation in operations)
            handle.close()

        if operations:
            try:
                run_patiently(make_them, self.limit)
            except Impatient:
                violated(
                    expected=f"what is called {name} the race comes back within {self.limit:g} s",
                    seen=f"{operations[len(calls)]} did not",
                    cause="a participant that is gone still holds a lock",
                )
        return calls

    def _race(
        self,
        bench: Bench,
        location: Location,
        scripts: Sequence[Script],
        during: Callable[[Race], None] | None,
    ) -> list[Call]:
        if self.participants == "threads":
            handles = [location.open() for _ in range(self.handles)]
            calls = race_threads(handles, scripts, limit=self.limit)
            location.close()
            return list(calls)
        return list(
            race_processes(
                bench.target,
                location.path,
                scripts,
                method=self.participants,
                limit=self.limit,
                during=during,
                may_die=self.may_die,
            )
        )


def jitter(rng: random.Random) -> float:
    """Return `JITTER` or none, for where calls take microseconds even that separates them."""
    return rng.choice([0.0, JITTER, JITTER])


class _Tally:
    """Counts what the adapter answered and refused, over all rounds."""

    def __init__(self) -> None:
        self.answered = self.refused = 0
        self.last_refusal: Call | None = None

    def add(self, history: History) -> None:
        for call in history:
            if call.error is not None:
                self.refused += 1
                self.last_refusal = call
            elif call.operation.name not in ("open", "close"):
                self.answered += 1

    def require_answers(self) -> None:
        if self.refused > self.answered and self.last_refusal is not None:
            inconclusive(
                f"{self.refused} calls were refused and {self.answered} answered; the last: "
                f"{self.last_refusal.operation} {self.last_refusal.outcome()}"
            )


def _overlapped(history: History) -> bool:
    """Return whether calls of different participants overlapped, opening aside."""
    racing = History(
        call
        for call in history
        if call.process not in (BEFORE, AFTER) and call.operation.name not in ("open", "close")
    )
    return racing.overlapping() > 0


def _name(bench: Bench) -> str:
    return re.sub(r"\[.*", "", bench.name.rpartition("::")[2]) or "race"


def _parse(token: str) -> tuple[str, int, int]:
    match = re.fullmatch(r"stress:([^:]+):(-?\d+):(\d+)", token)
    if match is None:
        raise pytest.UsageError(f"{token!r} is no token of a race: stress:TEST:SEED:ROUND")
    return match[1], int(match[2]), int(match[3])
