"""One process of a race: opens the adapter, makes its calls, and leaves an account of them.

The account is kept in an anonymous file that the parent shares, a piece for
each beginning and each end, so that it is there up to the last moment of a
process that was killed.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pytest_eventstore.lab.freeze.duel import Duel
from pytest_eventstore.lab.freeze.poller import PollingRunner
from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Operation
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.targets import Factory


class NotOfferedError(Exception):
    """The adapter lacks a port that the race needs; the message says which."""


class Ledger:
    """What processes did, written by them and read by their parent."""

    def __init__(self) -> None:
        self._file = os.memfd_create("calls", os.MFD_CLOEXEC)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def note(self, *what: Any) -> None:
        """Add one piece; each is written at once, and whole."""
        os.write(self._file, pickle.dumps(what))

    def calls(self) -> Iterator[Call]:
        """Yield the calls, those that never came back included.

        Raises:
            NotOfferedError: one of the processes found a port missing.
        """
        open_calls: dict[str, tuple[Operation, int]] = {}
        for kind, process, value, moment in self._pieces():
            if kind == "begin":
                open_calls[process] = (value, moment)
            elif kind == "not offered":
                raise NotOfferedError(value)
            else:
                operation, called = open_calls.pop(process)
                result, error = (value, None) if kind == "result" else (None, value)
                yield Call(process, operation, called, moment, result, error)
        for process, (operation, called) in open_calls.items():
            yield Call(process, operation, called)

    def _pieces(self) -> Iterator[tuple[str, str, Any, int]]:
        os.lseek(self._file, 0, os.SEEK_SET)
        with open(self._file, "rb", closefd=False) as file:
            while True:
                try:
                    yield pickle.load(file)  # noqa: S301 — written by our own forks
                except EOFError:
                    return


class Actor:
    """A process's part in a duel; its methods run in the forked process.

    Args:
        process: The name in the history.
        operations: What it does.
        factory: Opens the adapter.
        location: Where.
        ledger: Where it accounts for its calls.
        opening: Whether opening the adapter is part of the race.
    """

    def __init__(
        self,
        process: str,
        operations: Iterable[Operation],
        *,
        factory: Factory,
        location: Path,
        ledger: Ledger,
        opening: bool = False,
    ) -> None:
        self.process = process
        self._operations = tuple(operations)
        self._factory = factory
        self._location = location
        self._ledger = ledger
        self._opening = opening
        self._handle: Handle | None = None

    def prepare(self) -> None:
        """Open the adapter, unless opening it is part of the race."""
        if not self._opening:
            self._handle = self._open()

    def run(self) -> None:
        """Make the calls; an error ends none of the later ones."""
        runner: PollingRunner | None = None
        for operation in self._operations:
            self._ledger.note("begin", self.process, operation, time.monotonic_ns())
            try:
                if runner is None:
                    runner = PollingRunner(self._handle or self._open())
                result = runner.run(operation)
            except NotOffered as missing:
                self._ledger.note("not offered", self.process, _reason(missing), 0)
                return
            except Exception as error:
                text = f"{type(error).__name__}: {error}"[:400]
                self._ledger.note("error", self.process, text, time.monotonic_ns())
            else:
                self._ledger.note("result", self.process, result, time.monotonic_ns())

    def prepare_and_run(self) -> None:
        """Do all of it and close the adapter, for a process that takes no part in the race."""
        self.prepare()
        self.run()
        if self._handle is not None:
            self._handle.close()

    def _open(self) -> Handle:
        return open_handle(self._factory, self._location)


def actors(duel: Duel, factory: Factory, location: Path, ledger: Ledger) -> dict[str, Actor]:
    """Return the four processes of a duel by name."""
    from pytest_eventstore.lab.freeze.duel import AFTER, BEFORE, HELD, OTHER

    parts = {
        BEFORE: (duel.before, False),
        HELD: (duel.held, duel.opening),
        OTHER: (duel.other, duel.opening),
        AFTER: (duel.after, False),
    }
    return {
        name: Actor(
            name,
            operations,
            factory=factory,
            location=location,
            ledger=ledger,
            opening=opening,
        )
        for name, (operations, opening) in parts.items()
    }


def _reason(missing: BaseException) -> str:
    return str(missing).removeprefix("not offered: ")
