"""Scenarios: short runs of operations, one for each clause of the contract that a fault may break.

A scenario arranges a store, then acts on it step by step while something goes
wrong. Every step tells when it begins and when it ends, so that afterwards it
is known what was acknowledged. The last word has `judging`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.lab.operations import Draft, Operation, Runner
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.targets import Factory

DAY = 86_400

Phase: TypeAlias = Literal["pending", "begun", "done", "raised"]
Tell: TypeAlias = Callable[[tuple[Any, ...]], None]


@dataclass(frozen=True)
class Scenario:
    """What is arranged, and what is then done under a fault; five steps at most.

    Args:
        name: How a replay token names it.
        arrange: What is done before, undisturbed.
        act: What is disturbed.
    """

    name: str
    act: tuple[Operation, ...]
    arrange: tuple[Operation, ...] = ()

    @property
    def operations(self) -> tuple[Operation, ...]:
        """Everything, in order."""
        return (*self.arrange, *self.act)

    def uses(self, *names: str) -> bool:
        """Return whether one of these operations is in it."""
        return any(o.name in names for o in self.operations)


@dataclass(frozen=True)
class Tried:
    """One step, and how far it came: what is `done` was acknowledged."""

    operation: Operation
    phase: Phase = "pending"
    result: Any = None
    error: str = ""

    def __str__(self) -> str:
        if self.phase == "done":
            said = "acknowledged" if self.result is None else f"acknowledged: {_said(self.result)}"
        elif self.phase == "raised":
            said = f"raised {self.error}"
        else:
            said = {"begun": "never came back", "pending": "not called"}[self.phase]
        return f"{self.operation}: {said}"


def _said(result: Any) -> str:
    if isinstance(result, op.Seen):
        return f"number {result.seq_nr}"
    return f"{result!r:.80}"


def one(name: str, *, at: int = 0, seq_nr: int = 0) -> Operation:
    """Append one event."""
    return op.append(Draft(name, at=at, seq_nr=seq_nr, size=24))


def _batch(names: str, *days: int) -> Operation:
    return op.append_batch(
        Draft(name, at=day * DAY + n, size=24)
        for n, (name, day) in enumerate(zip(names.split(), days, strict=True))
    )


def _record(name: str, session: str = "s1") -> Operation:
    return op.record(session, Draft(name, size=24))


KIND = "lab.state"
"""The aggregate type of the snapshots."""

_LEGACY = (one("old-1"), one("old-2", at=60, seq_nr=7))

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("append", (one("e1"), one("e2", at=1), one("e3", at=DAY))),
        Scenario(
            "batch",
            (_batch("b1 b2 b3 b4 b5", 0, 0, 1, 1, 2), _batch("c1 c2", 1, 2)),
            arrange=(one("first"),),
        ),
        Scenario("first-record", (_record("r1"),)),
        Scenario(
            "record",
            (_record("r2"), _record("r3", "s2"), _record("r4")),
            arrange=(_record("r1"),),
        ),
        Scenario(
            "snapshot",
            (op.save(KIND, 2, "second", 40), op.save(KIND, 3, "third", 60)),
            arrange=(op.save(KIND, 1, "first", 80),),
        ),
        Scenario(
            "resave", (op.save(KIND, 2, "second", 40),), arrange=(op.save(KIND, 1, "first", 40),)
        ),
        Scenario("first-snapshot", (op.save(KIND, 1, "first", 40),)),
        Scenario("allocate", (op.allocate(), op.allocate(), op.allocate())),
        Scenario("cutover", (op.cutover(KIND), _record("r1")), arrange=_LEGACY),
        Scenario(
            "archive",
            (op.archive(4),),
            arrange=(
                *(_record(f"r{n}") for n in range(1, 6)),
                op.save(KIND, 5, "covers", 40),
            ),
        ),
    )
}


def perform(factory: Factory, path: Path, steps: Sequence[Operation], tell: Tell) -> None:
    """Open the store, make the steps, close it; tell of each beginning and end.

    Told are ``("open",)``, ``("begun", step)``, ``("done", step, result)``,
    ``("raised", step, error)``, ``("closed",)``, and for opening and closing
    ``("raised", "open" or "close", error)``. An opening that raised is tried
    once more. A port that is missing is told as ``("not offered", reason)``.
    """
    handle = _open(factory, path, tell)
    if handle is None:
        return
    runner = Runner(handle)
    for number, step in enumerate(steps):
        tell(("begun", number))
        try:
            result = runner.run(step)
        except NotOffered as missing:
            tell(("not offered", str(missing)))
            break
        except Exception as error:
            tell(("raised", number, brief(error)))
        else:
            tell(("done", number, result))
    try:
        handle.close()
    except Exception as error:
        tell(("raised", "close", brief(error)))
    tell(("closed",))


def _open(factory: Factory, path: Path, tell: Tell) -> Handle | None:
    for _ in range(2):
        try:
            handle = open_handle(factory, path)
        except Exception as error:
            tell(("raised", "open", brief(error)))
        else:
            tell(("open",))
            return handle
    return None


def brief(error: BaseException) -> str:
    """Return the error's type and the beginning of its message."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"{text:.240}"


@dataclass
class Progress:
    """What was told so far, step by step."""

    steps: list[Tried]
    opened: bool = False
    open_errors: tuple[str, ...] = ()
    close_error: str = ""
    not_offered: str = ""
    told: int = 0

    @classmethod
    def of(cls, steps: Sequence[Operation]) -> Progress:
        """Nothing was told yet."""
        return cls([Tried(step) for step in steps])

    def take(self, message: tuple[Any, ...]) -> None:
        """Take one message of `perform`."""
        self.told += 1
        kind = message[0]
        if kind == "open":
            self.opened = True
        elif kind == "closed":
            pass
        elif kind == "not offered":
            self.not_offered = message[1]
        elif message[1] == "open":
            self.open_errors = (*self.open_errors, message[2])
        elif message[1] == "close":
            self.close_error = message[2]
        else:
            self._step(kind, message[1], message[2] if len(message) > 2 else None)

    def _step(self, phase: Phase, number: int, said: Any) -> None:
        step = self.steps[number].operation
        self.steps[number] = Tried(
            step,
            phase,
            result=said if phase == "done" else None,
            error=said if phase == "raised" else "",
        )

    def words(self, message: tuple[Any, ...]) -> str:
        """Return a message that was taken, for a person to read."""
        kind, *rest = message
        if kind == "raised" and isinstance(rest[0], str):
            return f"{rest[0]} raised {rest[1]}"
        if kind in ("begun", "done", "raised"):
            tried = self.steps[rest[0]]
            return f"{tried.operation} begins" if kind == "begun" else str(tried)
        return {"open": "the store is open", "closed": "the store is closed"}.get(kind, str(kind))

    @property
    def errors(self) -> list[str]:
        """Everything that was raised."""
        raised = [f"{t.operation} raised {t.error}" for t in self.steps if t.phase == "raised"]
        raised += [f"opening raised {error}" for error in self.open_errors]
        return raised + ([f"closing raised {self.close_error}"] if self.close_error else [])
