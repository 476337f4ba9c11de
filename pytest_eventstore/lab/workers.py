"""Worker processes: each opens the target by itself and plays one script of a race.

Starting a process costs more than a whole race, so a pool keeps its workers
and hands them one location after the other. A worker that hangs or dies is
reported, with its stack, and replaced.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.scripts import Script, clock
from pytest_eventstore.lab.worker import StartMethod, Worker
from pytest_eventstore.outcomes import NotOffered, not_checkable, violated
from pytest_eventstore.targets import Factory, Target

LIMIT = 60.0
"""Seconds that a race may take before its participants count as hanging."""

_START_LIMIT = 60.0


class CannotLoad(Exception):  # noqa: N818  # what is the matter, in so many words
    """A worker process cannot import the target."""


class Race:
    """A race that is on: what a disturbance may do to its participants."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers = workers

    def stop(self, number: int) -> None:
        """Stop a participant in its tracks (SIGSTOP)."""
        os.kill(self.workers[number].pid, signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let a stopped participant go on."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.workers[number].pid, signal.SIGCONT)

    def kill(self, number: int) -> None:
        """Kill a participant."""
        with contextlib.suppress(ProcessLookupError):
            self.workers[number].process.kill()

    def take_messages(self, seconds: float, *, without: Sequence[int] = ()) -> bool:
        """Take what the participants tell, until all but some have ended or time is up."""
        deadline = time.monotonic() + seconds
        awaited = [w for n, w in enumerate(self.workers) if n not in without]
        while True:
            running = {w.connection: w for w in awaited if w.ended is None}
            if not any(not w.repeats for w in running.values()):
                return True
            left = deadline - time.monotonic()
            ready = wait(list(running), max(0.0, left))
            for connection in ready:
                running[connection].receive()  # type: ignore[index]
            if not ready and left <= 0:
                return False

    def finish(self, limit: float) -> None:
        """Tell the repeating ones to stop, and take messages until all have ended."""
        deadline = time.monotonic() + limit
        self.take_messages(limit)
        for worker in self.workers:
            if worker.repeats:
                worker.stop()
        while running := {w.connection: w for w in self.workers if w.ended is None}:
            ready = wait(list(running), max(0.0, deadline - time.monotonic()))
            for connection in ready:
                running[connection].receive()  # type: ignore[index]
            if not ready:
                for worker in running.values():
                    worker.ended, worker.detail = "hung", worker.stack()


class WorkerPool:
    """Worker processes, kept from race to race and from target to target.

    Args:
        method: How they are started.
        inherited: The factory, if it has no name by which they could import it.
    """

    def __init__(self, method: StartMethod, inherited: Factory | None = None) -> None:
        self._method = method
        self._inherited = inherited
        self._workers: list[Worker] = []

    def race(
        self,
        target: Target,
        path: Path,
        scripts: Sequence[Script],
        *,
        limit: float = LIMIT,
        during: Callable[[Race], None] | None = None,
        may_die: Sequence[int] = (),
    ) -> History:
        """Play the scripts at once, each in a process of its own, and return the history.

        Args:
            target: What the processes open.
            path: The location on which they open it.
            scripts: One for each process.
            limit: Seconds after which whoever is not done counts as hanging.
            during: Called while the race is on; may stop and kill participants.
            may_die: Which participants `during` may kill.

        Raises:
            CannotLoad: the workers cannot import the target by its name.
        """
        workers = self.workers(len(scripts))
        reference = None if self._inherited is not None else target.reference
        for worker, script in zip(workers, scripts, strict=True):
            worker.begin(reference, path, script, limit)
        try:
            self._await_opened(workers, limit)
            start = clock() + 500_000 + 100_000 * len(workers)
            for worker in workers:
                worker.release(start)
            race = Race(workers)
            if during is not None:
                during(race)
            race.finish(limit)
            _blame(workers, limit, may_die)
            return History(call for worker in workers for call in worker.all_calls())
        finally:
            self._drop_unusable()

    def workers(self, count: int) -> list[Worker]:
        """Return so many workers; start those that are missing."""
        self._drop_unusable()
        new = [Worker(self._method, self._inherited) for _ in range(count - len(self._workers))]
        self._workers += new
        deadline = time.monotonic() + _START_LIMIT
        if not all(worker.wait_ready(deadline) for worker in new):
            self.close()
            not_checkable(f"a worker process did not come up within {_START_LIMIT:g} s")
        return self._workers[:count]

    def close(self) -> None:
        """End all workers."""
        while self._workers:
            self._workers.pop().kill()

    def _await_opened(self, workers: Sequence[Worker], limit: float) -> None:
        deadline = time.monotonic() + limit
        for worker in workers:
            while worker.ended is None:
                if not worker.connection.poll(max(0.0, deadline - time.monotonic())):
                    worker.ended, worker.detail = "hung", worker.stack()
                elif worker.receive() == "opened":
                    break
            if worker.ended == "cannot load":
                raise CannotLoad(worker.detail)

    def _drop_unusable(self) -> None:
        for worker in [w for w in self._workers if not w.usable]:
            self._workers.remove(worker)
            worker.kill()


def _blame(workers: Sequence[Worker], limit: float, may_die: Sequence[int]) -> None:
    """Raise what a participant ended with, unless it ended well or was killed on purpose."""
    history = History(call for worker in workers for call in worker.all_calls())
    for number, worker in enumerate(workers):
        name = worker.script.name if worker.script else ""
        if worker.ended == "not offered":
            raise NotOffered(worker.detail)
        if worker.ended == "hung":
            violated(
                expected=f"every call comes back; this race was given {limit:g} s",
                seen=f"{name} did not come back; its stack:\n{worker.detail}",
                history=history.as_lines()[-20:],
                timeline=history.as_timeline(),
                cause="a lock is taken twice or never released, or a writer waits for itself",
            )
        if worker.ended == "died" and number not in may_die:
            violated(
                expected="the process lives on",
                seen=f"{name} died: {worker.detail}\n{worker.stack()}",
                history=history.as_lines()[-20:],
                timeline=history.as_timeline(),
                cause="the adapter ends its process, or crashes the interpreter",
            )


_pools: dict[tuple[object, ...], WorkerPool] = {}


def race_processes(
    target: Target,
    path: Path,
    scripts: Sequence[Script],
    *,
    method: StartMethod = "spawn",
    limit: float = LIMIT,
    during: Callable[[Race], None] | None = None,
    may_die: Sequence[int] = (),
) -> History:
    """Play the scripts in worker processes; see `WorkerPool.race`.

    A target that has no name, or none that another process can import, is
    taken along by a fork, whatever the method.
    """
    inherited = None if target.reference else target.factory
    while True:
        if inherited is not None or method == "fork":
            _need_fork()
            method = "fork"
        pool = _pool(method, inherited)
        try:
            return pool.race(target, path, scripts, limit=limit, during=during, may_die=may_die)
        except CannotLoad as error:
            if inherited is not None:
                not_checkable(f"a worker process cannot load the target: {error}")
            inherited = target.factory


def cheapest_method() -> StartMethod:
    """Return how to start processes that will be killed: by fork where that is safe."""
    return "fork" if sys.platform == "linux" else "spawn"


def _need_fork() -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        not_checkable("the target would have to be taken along by a fork, which is not to be had")


def _pool(method: StartMethod, inherited: Factory | None) -> WorkerPool:
    """Return the pool of this environment; close those that were made in another."""
    environment = (inherited, os.getcwd(), tuple(sys.path))
    key = (method, *environment)
    if key not in _pools:
        for other in [key for key in _pools if key[1:] != environment]:
            _pools.pop(other).close()
        _pools[key] = WorkerPool(method, inherited)
    return _pools[key]


@atexit.register
def close_pools() -> None:
    """End every worker of every pool."""
    while _pools:
        _pools.popitem()[1].close()
