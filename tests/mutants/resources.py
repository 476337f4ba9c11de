"""Adapters that leak, share or ignore: mostly over the in-memory adapter."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import eventstore_reference
from eventstore_reference import memory
from mutants.registry import mutant
from mutants.snapshots import Snapshots
from mutants.stores import Store, with_store
from pytest_eventstore.ports import AppendResult, ClosedError, Event, LoadResult, Ports, Snapshot


@mutant(fails="RES-01", message="append after close raises")
def close_does_nothing(location: Path) -> Ports:
    class Everlasting(Store):
        def close(self) -> None:
            pass

    return with_store(Everlasting, location)


@mutant(fails="RES-01", message="ClosedError")
def closing_again_raises(location: Path) -> Ports:
    class Once(Store):
        closed = False

        def close(self) -> None:
            if self.closed:
                raise ClosedError("closed already")
            self.closed = True
            super().close()

    return with_store(Once, location)


@mutant(fails="RES-01", companions=("APP-01", "BAD", "FID"), message="the connection was closed")
def closing_closes_every_handle(location: Path) -> Ports:
    class Singleton(Store):
        def __init__(self, inner: Any, location: Path) -> None:
            super().__init__(inner, location)
            self.closed = self.shared.setdefault("connection", [])
            if self.closed:  # whoever opens next makes a new connection
                self.closed = self.shared["connection"] = []

        def close(self) -> None:
            self.closed.append(True)
            super().close()

        def load_all(self) -> LoadResult:
            if self.closed:
                raise ClosedError("the connection was closed")
            return super().load_all()

    return with_store(Singleton, location)


_leaked: list[int] = []
_stop = threading.Event()


def _drop_leaks(location: Path) -> None:
    while _leaked:
        os.close(_leaked.pop())
    _stop.set()
    memory.open_ports.discard(location)  # type: ignore[attr-defined]


def _leaking(factory: Callable[[Path], Ports]) -> Callable[[Path], Ports]:
    factory.discard = _drop_leaks  # type: ignore[attr-defined]
    return factory


@mutant(fails="RES-02", message="as many descriptors in use")
@_leaking
def opening_leaks_a_descriptor(location: Path) -> Ports:
    _leaked.append(os.open(os.devnull, os.O_RDONLY))
    return memory.open_ports(location)


@mutant(fails="RES-02", message="as many threads in use")
@_leaking
def opening_leaks_a_thread(location: Path) -> Ports:
    _stop.clear()
    threading.Thread(target=_stop.wait, daemon=True).start()
    return memory.open_ports(location)


@mutant(fails="RES-02", message="finds no lock held")
def closing_leaves_a_lock(location: Path) -> Ports:
    class Locking(Store):
        held = False

        def append(self, *events: Event) -> AppendResult:
            lock = self.shared.setdefault("lock", threading.Lock())
            owner = self.shared.setdefault("owner", threading.get_ident())
            # One thread gets through with a lock that it left behind; another does not.
            while owner != threading.get_ident() and not lock.acquire(timeout=1):
                raise TimeoutError("the lock is held")
            lock.acquire(blocking=False)
            return super().append(*events)

    return with_store(Locking, location)


@mutant(fails="RES-03", message="the snapshot is b'0'")
def snapshots_are_kept_by_module(location: Path) -> Ports:
    kept = _kept

    class Global(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, seq_nr, state)
            found = self.inner.load(aggregate_type)
            if found is not None and aggregate_type == "kind":
                kept[:] = [found]

        def load(self, aggregate_type: str) -> Snapshot | None:
            found = self.inner.load(aggregate_type)
            return kept[0] if found is not None and kept and aggregate_type == "kind" else found

    ports = memory.open_ports(location)
    ports.snapshot_store = Global(ports.snapshot_store)
    return ports


_kept: list[Snapshot] = []
_ids: dict[str, Path] = {}


@mutant(fails="RES-03", companions=("AFT-04",), message="KeyError")
def ids_are_unique_over_all_locations(location: Path) -> Ports:
    class Registering(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                owner = _ids.setdefault(event.id, self.location)
                if owner != self.location and owner.exists():
                    raise KeyError(f"{event.id} is taken")
                _ids[event.id] = self.location
            return super().append(*events)

    return with_store(Registering, location)


_one_lock = threading.RLock()


@mutant(fails="RES-03", message="an append to another location succeeds meanwhile")
def all_locations_have_one_lock(location: Path) -> Ports:
    class Locked(Store):
        def append(self, *events: Event) -> AppendResult:
            with _one_lock:
                return super().append(*events)

    ports = with_store(Locked, location)
    ports.lock = _one_lock
    return ports


class Swallowing:
    """The reference's store, but that an append which the system refuses is dropped."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def append(self, *events: Event) -> AppendResult:
        try:
            return self.inner.append(*events)  # type: ignore[no-any-return]
        except Exception as error:
            if isinstance(error, OSError) or isinstance(error.__cause__, OSError):
                return AppendResult(bytes_written=0)
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


def _nothing_to_discard(location: Path) -> None:
    pass


def _on_files(factory: Callable[[Path], Ports]) -> Callable[[Path], Ports]:
    factory.discard = _nothing_to_discard  # type: ignore[attr-defined]
    return factory


@mutant(fails="RES-04", companions=("LAT-03",), message="append raises")
@_on_files
def a_refused_write_is_dropped(location: Path) -> Ports:
    ports = eventstore_reference.open_ports(location)
    ports.event_store = Swallowing(ports.event_store)
    return ports


@mutant(fails="RES-04", message="opening and loading work")
@_on_files
def opening_needs_to_write(location: Path) -> Ports:
    with open(location / "opened", "a", encoding="utf-8"):
        return eventstore_reference.open_ports(location)
