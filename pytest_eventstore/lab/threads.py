"""Threads that play the scripts of a race on handles of one process."""

from __future__ import annotations

import faulthandler
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_eventstore.lab.handles import Handle
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import Runner
from pytest_eventstore.lab.scripts import Script, perform
from pytest_eventstore.outcomes import violated

_SWITCH_INTERVAL = 1e-6


@contextmanager
def switching_fast() -> Iterator[None]:
    """Let threads take turns thousands of times more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_INTERVAL)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def race_threads(handles: Sequence[Handle], scripts: Sequence[Script], *, limit: float) -> History:
    """Play the scripts at once, each in a thread, and return the history.

    Args:
        handles: Shared among the threads in turn; one handle is shared by all,
            with its recorders.
        scripts: One for each thread.
        limit: Seconds after which whoever is not done counts as hanging.
    """
    runners = [Runner(handle) for handle in handles]
    calls: list[list[Call]] = [[] for _ in scripts]
    endings: list[BaseException] = []
    stop = threading.Event()
    barrier = threading.Barrier(len(scripts))

    def play(number: int) -> None:
        try:
            barrier.wait(limit)
            perform(
                scripts[number],
                runners[number % len(runners)],
                stop.is_set,
                calls[number].append,
            )
        except BaseException as ending:
            endings.append(ending)

    threads = [
        threading.Thread(target=play, args=(n,), name=script.name, daemon=True)
        for n, script in enumerate(scripts)
    ]
    deadline = time.monotonic() + limit
    with switching_fast():
        for thread in threads:
            thread.start()
        for repeat in (False, True):
            for thread, script in zip(threads, scripts, strict=True):
                if script.repeat == repeat:
                    thread.join(max(0.0, deadline - time.monotonic()))
            stop.set()
    hanging = [thread.name for thread in threads if thread.is_alive()]
    if hanging:
        _blame(hanging, History(call for made in calls for call in list(made)), limit)
    if endings:
        raise endings[0]
    return History(call for made in calls for call in made)


def _blame(hanging: Sequence[str], history: History, limit: float) -> None:
    with tempfile.TemporaryFile("w+") as stacks:
        faulthandler.dump_traceback(stacks)
        stacks.seek(0)
        violated(
            expected=f"every call comes back; this race was given {limit:g} s",
            seen=f"{', '.join(hanging)} did not come back; the stacks:\n{stacks.read()}",
            history=history.as_lines()[-20:],
            timeline=history.as_timeline(),
            cause="a lock is taken twice or never released, or two locks in two orders",
        )
