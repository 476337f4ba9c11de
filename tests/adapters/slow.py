"""A correct adapter that is slow in odd places: the reference with sleeps around every step.

It sleeps before and after each write and read, inside and outside of the lock,
for times that differ from call to call. Whoever concludes from a delay that
something is wrong is shown wrong by it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import eventstore_reference
from pytest_eventstore.ports import (
    AppendResult,
    Event,
    EventStore,
    LoadResult,
    Ports,
    SeqAllocator,
    Snapshot,
    SnapshotStore,
)

T = TypeVar("T")

_USUAL, _SOMETIMES = 0.001, 0.02


def open_ports(location: Path) -> Ports:
    """Open the reference behind sleeps; recorder and cutover run over the slow ports."""
    ports = eventstore_reference.open_ports(location)
    assert ports.snapshot_store is not None
    assert ports.seq_allocator is not None
    return Ports(
        event_store=SlowEventStore(ports.event_store),
        snapshot_store=SlowSnapshotStore(ports.snapshot_store),
        seq_allocator=SlowSeqAllocator(ports.seq_allocator),
        lock=SlowLock(ports.lock),
        capabilities=ports.capabilities,
    )


def linger() -> None:
    """Sleep a little, now and then a little longer."""
    time.sleep(random.uniform(0, _USUAL if random.random() < 0.95 else _SOMETIMES))


def slowly(call: Callable[[], T]) -> T:
    """Sleep, call, sleep."""
    linger()
    result = call()
    linger()
    return result


class Slow:
    """Closes what it wraps."""

    def __init__(self, inner: Any) -> None:
        self.close: Callable[[], None] = inner.close


class SlowEventStore(Slow):
    """The log, with sleeps."""

    def __init__(self, inner: EventStore) -> None:
        super().__init__(inner)
        self._inner = inner

    def append(self, *events: Event) -> AppendResult:
        return slowly(lambda: self._inner.append(*events))

    def load_all(self) -> LoadResult:
        return slowly(self._inner.load_all)

    def load_since(self, after: datetime) -> LoadResult:
        return slowly(lambda: self._inner.load_since(after))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        return slowly(lambda: self._inner.load_after_seq_nr(after_seq_nr))

    def latest_seq_nr(self) -> int:
        return slowly(self._inner.latest_seq_nr)


class SlowSnapshotStore(Slow):
    """The snapshots, with sleeps."""

    def __init__(self, inner: SnapshotStore) -> None:
        super().__init__(inner)
        self._inner = inner

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        slowly(lambda: self._inner.save(aggregate_type, seq_nr, state))

    def load(self, aggregate_type: str) -> Snapshot | None:
        return slowly(lambda: self._inner.load(aggregate_type))


class SlowSeqAllocator(Slow):
    """The counter, with sleeps."""

    def __init__(self, inner: SeqAllocator) -> None:
        super().__init__(inner)
        self._inner = inner

    def alloc_seq_nr(self) -> int:
        return slowly(self._inner.alloc_seq_nr)

    def latest_seq_nr(self) -> int:
        return slowly(self._inner.latest_seq_nr)

    def initialize_at(self, start_at: int) -> None:
        slowly(lambda: self._inner.initialize_at(start_at))


class SlowLock:
    """The lock, kept a little longer than it is needed."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __enter__(self) -> object:
        linger()
        entered = self._inner.__enter__()
        linger()
        return entered

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        linger()
        self._inner.__exit__(kind, error, trace)
        linger()
