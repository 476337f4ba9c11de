"""Scripts: what one process or thread of a race does, and how it tells of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Operation, Runner, load_after, seen_events

clock = time.perf_counter_ns
"""Monotonic, and the same in all processes of the machine."""

MOST_ROUNDS = 2_000
"""After so many repetitions a script ends, whether or not the others have."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What one participant of a race calls, one call after the other.

    Args:
        name: Who it is in the history.
        operations: The calls.
        repeat: Again and again until the participants that don't repeat have
            ended, and then once more.
        seconds: Repeat the operations until so much time is over.
        resume: A `load_after` goes on from the last number this script has seen.
        open_late: Open the location in the race and not before it.
        jitter: Wait up to so many seconds before each call.
        seed: Where the waiting comes from.
        tell: Report each call at once, so that it is known when the process dies.
        forked: Fork after opening, and let the child make these calls on the
            handle that it inherits, beside the others.
    """

    name: str
    operations: tuple[Operation, ...]
    repeat: bool = False
    seconds: float = 0.0
    resume: bool = False
    open_late: bool = False
    jitter: float = 0.0
    seed: int = 0
    tell: bool = False
    forked: tuple[Operation, ...] = ()


def perform(
    script: Script, runner: Runner, stopped: Callable[[], bool], report: Callable[[Call], None]
) -> None:
    """Make the script's calls and report each; an error of a call is its outcome."""
    rng = random.Random(script.seed)  # noqa: S311  # chance, not secrets
    last_seen = 0
    deadline = clock() + int(script.seconds * 1e9)
    for _ in range(MOST_ROUNDS):
        ending = script.repeat and stopped()
        for operation in script.operations:
            if script.jitter:
                time.sleep(rng.random() * script.jitter)
            resuming = script.resume and operation.name == "load_after"
            call = make_call(script.name, runner, load_after(last_seen) if resuming else operation)
            report(call)
            if resuming and call.succeeded and call.result:
                last_seen = seen_events(call.result)[-1].seq_nr
        if ending or (not script.repeat and clock() >= deadline):
            return


def make_call(name: str, runner: Runner, operation: Operation) -> Call:
    """Make one call and take the times around it."""
    result = error = None
    called = clock()
    try:
        result = runner.run(operation)
    except Exception as raised:
        error = describe(raised)
    return Call(name, operation, called, clock(), result, error)


def describe(error: BaseException) -> str:
    """Return an error in one short line, its class first."""
    return f"{type(error).__name__}: {error}"[:300]


def wait_until(moment: int) -> None:
    """Sleep until the clock shows the moment."""
    while (left := moment - clock()) > 0:
        time.sleep(left / 1e9)
