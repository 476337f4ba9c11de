"""Handles: what one call of an adapter's factory returned, and the locations they are on."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from pytest_eventstore.outcomes import not_offered
from pytest_eventstore.ports import (
    ArchiveResult,
    CutoverResult,
    EventStore,
    Ports,
    Projection,
    Recorder,
    Recovery,
    SeqAllocator,
    SnapshotStore,
)
from pytest_eventstore.targets import Factory

T = TypeVar("T")


class Handle:
    """The ports of one opening; a port that is missing ends the test as *not offered*.

    Where an adapter brings no recorder, cutover or recovery of its own, the
    reference's runs over the adapter's ports.
    """

    def __init__(self, ports: Ports, stack: ExitStack) -> None:
        self.ports = ports
        self._stack = stack

    @property
    def events(self) -> EventStore:
        """The event store."""
        return self.ports.event_store

    @property
    def snapshots(self) -> SnapshotStore:
        """The snapshot store."""
        return _offered(self.ports.snapshot_store, "snapshot_store")

    @property
    def allocator(self) -> SeqAllocator:
        """The sequence allocator."""
        return _offered(self.ports.seq_allocator, "seq_allocator")

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The lock shared by all handles on the location."""
        return _offered(self.ports.lock, "lock")

    def recorder(self, session_id: str) -> Recorder:
        """Return the recorder of a session."""
        if self.ports.recorder is not None:
            return self.ports.recorder(session_id)
        if self.ports.lock is None or self.ports.seq_allocator is None:
            not_offered("no recorder, and no lock with a seq_allocator to run the reference's on")
        from eventstore_reference import SessionRecorder

        return SessionRecorder.over(self.ports, session_id)

    def cutover(self, aggregate_type: str) -> CutoverResult:
        """Run the cutover."""
        if self.ports.cutover is not None:
            return self.ports.cutover(aggregate_type)
        if None in (self.ports.lock, self.ports.seq_allocator, self.ports.snapshot_store):
            not_offered(
                "no cutover, and no lock, seq_allocator and snapshot_store "
                "to run the reference's on"
            )
        from eventstore_reference import run_cutover

        return run_cutover(self.ports, aggregate_type)

    def recover(self, projection: Projection, aggregate_type: str) -> Recovery:
        """Bring a projection up to date from the snapshot and the events after it."""
        if self.ports.recover is not None:
            return self.ports.recover(projection, aggregate_type)
        _offered(self.ports.snapshot_store, "snapshot_store")
        from eventstore_reference import recover

        return recover(projection, self.ports, aggregate_type)

    def archive(self, before_seq_nr: int) -> ArchiveResult:
        """Archive the events numbered below `before_seq_nr`."""
        return _offered(self.ports.archive, "archive")(before_seq_nr)

    def close(self) -> None:
        """Close the ports; a second call does nothing."""
        self._stack.close()


def open_handle(factory: Factory, path: Path) -> Handle:
    """Open an adapter on a location, whichever of the two forms its factory has."""
    stack = ExitStack()
    opened = factory(path)
    if isinstance(opened, Ports):
        stack.callback(opened.close)
        return Handle(opened, stack)
    return Handle(stack.enter_context(opened), stack)


class Location:
    """A fresh place for one adapter's data, and the handles open on it."""

    def __init__(self, factory: Factory, path: Path) -> None:
        self.path = path
        self._factory = factory
        self._handles: list[Handle] = []

    def open(self) -> Handle:
        """Call the factory once more and return the new handle."""
        handle = open_handle(self._factory, self.path)
        self._handles.append(handle)
        return handle

    def reopen(self) -> Handle:
        """Close every handle of this location and return a new one."""
        self.close()
        return self.open()

    def close(self) -> None:
        """Close every handle that `open` returned."""
        while self._handles:
            self._handles.pop().close()


@contextmanager
def fresh_location(factory: Factory, *, base: Path | None = None) -> Iterator[Location]:
    """Give a new, empty, uniquely named location; discard it and its data at the end."""
    root = Path(tempfile.mkdtemp(prefix="eventstore-", dir=base))
    path = root / f"loc_{root.name[-8:].lower()}"
    path.mkdir()
    location = Location(factory, path)
    try:
        yield location
    finally:
        try:
            location.close()
        finally:
            discard(factory, path)
            shutil.rmtree(root, ignore_errors=True)


def discard(factory: Factory, path: Path) -> None:
    """Tell the factory, if it wants to know, that a location is no longer needed."""
    hook = getattr(factory, "discard", None)
    if hook is not None:
        hook(path)


def _offered(port: T | None, name: str) -> T:
    if port is None:
        not_offered(f"the adapter's Ports has no {name}")
    return port
