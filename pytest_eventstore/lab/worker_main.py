"""What runs in a worker process: a loop that plays one script after the other."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import signal
import warnings
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Operation, Runner
from pytest_eventstore.lab.scripts import Script, clock, describe, perform, wait_until
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.targets import Factory, TargetReference

OPEN = Operation("open")
CLOSE = Operation("close")

_LOOK_UP = 5.0
_CHILD_LIMIT = 60
_FORKING = 5_000_000  # nanoseconds until both sides of a fork are there


def main(connection: Connection, inherited: Factory | None, stack_path: str) -> None:
    """Play scripts until the other side is gone.

    Args:
        connection: Brings the jobs and takes the reports.
        inherited: The factory, if it came along through a fork.
        stack_path: Where faulthandler writes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent takes it, and ends us
    parent = os.getppid()
    factories: dict[TargetReference, Factory] = {}
    with open(stack_path, "w") as stack, contextlib.suppress(EOFError, OSError):
        faulthandler.enable(stack)
        connection.send(("ready",))
        while True:
            # A forked sibling may hold the other end open after the parent is gone.
            while not connection.poll(_LOOK_UP):
                if os.getppid() != parent:
                    return
            reference, path, script, limit = connection.recv()
            faulthandler.dump_traceback_later(limit * 0.9, file=stack)
            try:
                if reference is not None and reference not in factories:
                    factories[reference] = reference.load()
                factory = inherited if reference is None else factories[reference]
            except BaseException as error:
                connection.send(("end", "cannot load", describe(error)))
                continue
            assert factory is not None
            _Play(connection, factory, path, script).run(stack)
            faulthandler.cancel_dump_traceback_later()


class _Play:
    """One script on one location."""

    def __init__(
        self, connection: Connection, factory: Factory, path: Path, script: Script
    ) -> None:
        self._connection = connection
        self._factory = factory
        self._path = path
        self._script = script
        self._calls: list[Call] = []
        self._told_to_stop = False

    def run(self, stack: IO[str]) -> None:
        """Open, wait for the start, perform, close; tell of everything."""
        ended, detail = "done", ""
        handle: Handle | None = None
        try:
            if not self._script.open_late:
                handle = self._open()
            self._connection.send(("opened",))
            wait_until(self._connection.recv())
            if self._script.open_late:
                handle = self._open()
            if handle is not None:
                self._perform(handle, stack)
        except NotOffered as missing:
            ended, detail = "not offered", str(missing)
        if handle is not None:
            self._timed(CLOSE, handle.close, only_errors=True)
        if self._script.repeat and not self._told_to_stop:
            self._connection.recv()
        self._connection.send(("calls", self._calls))
        self._connection.send(("end", ended, detail))

    def _perform(self, handle: Handle, stack: IO[str]) -> None:
        if self._script.forked:
            self._calls += _fork_and_perform(self._script, handle, stack)
        else:
            perform(self._script, Runner(handle), self._stopped, self._report)

    def _open(self) -> Handle | None:
        opened = self._timed(OPEN, lambda: open_handle(self._factory, self._path))
        return opened if isinstance(opened, Handle) else None

    def _timed(
        self, operation: Operation, action: Callable[[], Any], *, only_errors: bool = False
    ) -> Any:
        called = clock()
        try:
            result, error = action(), None
        except Exception as raised:
            result, error = None, describe(raised)
        if error or not only_errors:
            self._report(Call(self._script.name, operation, called, clock(), None, error))
        return result

    def _report(self, call: Call) -> None:
        if self._script.tell:
            self._connection.send(("calls", [call]))
        else:
            self._calls.append(call)

    def _stopped(self) -> bool:
        if not self._told_to_stop and self._connection.poll():
            self._connection.recv()
            self._told_to_stop = True
        return self._told_to_stop


def _fork_and_perform(script: Script, handle: Handle, stack: IO[str]) -> list[Call]:
    """Perform the script here, and its other half in a child that inherits the handle."""
    calls: list[Call] = []
    half = replace(script, name=f"{script.name}'s child", operations=script.forked)
    reader, writer = os.pipe()
    start = clock() + _FORKING
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # faulthandler's thread only waits
        child = os.fork()
    if not child:
        os.close(reader)
        status = 1
        with contextlib.suppress(BaseException):
            signal.alarm(_CHILD_LIMIT)
            faulthandler.enable(stack)
            wait_until(start)
            perform(half, Runner(handle), lambda: True, calls.append)
            with open(writer, "wb") as out:
                pickle.dump(calls, out)
            status = 0
        os._exit(status)
    os.close(writer)
    wait_until(start)
    perform(script, Runner(handle), lambda: True, calls.append)
    with open(reader, "rb") as answer:
        content = answer.read()
    os.waitpid(child, 0)
    if content:
        return calls + list(pickle.loads(content))  # noqa: S301  # from our own child
    # It died, or was ended for hanging; each of its calls may have been made.
    return calls + [Call(half.name, operation, calls[0].called) for operation in half.operations]
