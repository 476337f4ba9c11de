"""One process of a race: opens the adapter, makes its calls, and leaves an account of them.

The account is kept in an anonymous file that the parent shares, a piece for
each beginning and each end, so that it is there up to the last moment of a
process that was killed.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pytest_eventstore.lab.freeze.duel import AFTER, BEFORE, HELD, OTHER, Duel
from pytest_eventstore.lab.freeze.poller import PollingRunner
from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Operation
from pytest_eventstore.lab.tracer.child import pause
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
            if kind == "imported":
                continue
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

    def imported(self) -> list[str]:
        """Return the modules that the processes had to import."""
        found = (value for kind, _, value, _ in self._pieces() if kind == "imported")
        return sorted(set().union(*found))

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
        then: What it does after that, with the same handle, by `run_then`.
        factory: Opens the adapter.
        location: Where.
        ledger: Where it accounts for its calls.
        opening: Whether opening the adapter is part of the race.
    """

    def __init__(
        self,
        process: str,
        operations: Iterable[Operation],
        then: Iterable[Operation] = (),
        *,
        factory: Factory,
        location: Path,
        ledger: Ledger,
        opening: bool = False,
    ) -> None:
        self.process = process
        self._operations = tuple(operations)
        self._then = tuple(then)
        self._runner: PollingRunner | None = None
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
        for operation in self._operations:
            self._call(operation)

    def run_then(self) -> None:
        """Make the calls that come last."""
        for operation in self._then:
            self._call(operation)

    def prepare_and_run(self) -> None:
        """Do all of it and close the adapter, for a process that takes no part in the race."""
        if not self._operations:
            return
        self.prepare()
        self.run()
        self.close()

    def close(self) -> None:
        """Close the adapter, if it was opened."""
        if self._handle is not None:
            self._handle.close()

    def note_imports(self, known: frozenset[str]) -> None:
        """Tell which modules this process imported; each later one would do so again."""
        if new := set(sys.modules) - known:
            self._ledger.note("imported", self.process, new, 0)

    def _call(self, operation: Operation) -> None:
        self._ledger.note("begin", self.process, operation, time.monotonic_ns())
        try:
            if self._runner is None:
                self._handle = self._handle or self._open()
                self._runner = PollingRunner(self._handle)
            result = self._runner.run(operation)
        except NotOffered as missing:
            self._ledger.note("not offered", self.process, _reason(missing), 0)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".replace(f"{self._location}/", "")[:400]
            self._ledger.note("error", self.process, text, time.monotonic_ns())
        else:
            self._ledger.note("result", self.process, result, time.monotonic_ns())

    def _open(self) -> Handle:
        return open_handle(self._factory, self._location)


class Cast:
    """The four actors of a duel; B's process is also the one that looks at the end."""

    def __init__(self, duel: Duel, factory: Factory, location: Path, ledger: Ledger) -> None:
        def actor(
            process: str,
            operations: Iterable[Operation],
            then: Iterable[Operation] = (),
            *,
            opening: bool = False,
        ) -> Actor:
            return Actor(
                process,
                operations,
                then,
                factory=factory,
                location=location,
                ledger=ledger,
                opening=opening,
            )

        self._modules = frozenset(sys.modules)
        self.before = actor(BEFORE, duel.before)
        self.held = actor(HELD, duel.held, duel.then, opening=duel.opening)
        self.other = actor(OTHER, duel.other, opening=duel.opening)
        self.after = actor(AFTER, duel.after)

    def prepare_held(self) -> None:
        """Let the location be prepared, and A open it."""
        self.before.prepare_and_run()
        self.held.prepare()

    def run_held(self) -> None:
        """Make A's calls, and when woken after B is done too, those that come last."""
        self.held.run()
        pause()
        self.held.run_then()
        self.after.note_imports(self._modules)

    def run_other(self) -> None:
        """Make B's calls; when woken after all is over, look with a handle of its own."""
        self.other.run()
        pause()
        self.other.close()
        self.after.prepare_and_run()
        self.after.note_imports(self._modules)


def _reason(missing: BaseException) -> str:
    return str(missing).removeprefix("not offered: ")
