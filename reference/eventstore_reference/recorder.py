"""The session recorder: numbers events and links each to the one before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any, Protocol, runtime_checkable

from pytest_eventstore.ports import (
    Event,
    EventStore,
    InvalidEventError,
    Ports,
    SeqAllocator,
)


@runtime_checkable
class RemembersSessions(Protocol):
    """A store that knows each session's last event without a search."""

    def last_event_id(self, session_id: str) -> str:
        """Return the id of the session's event that was appended last, or nothing."""
        ...


_STAMPED = ("session_id", "correlation_id", "causation_id", "seq_nr")
_KEPT = tuple(field.name for field in fields(Event) if field.name not in _STAMPED)


class SessionRecorder:
    """Records one session's events: numbered, stamped, each naming its predecessor.

    Looking up the predecessor, allocating the number and appending the event
    are one critical section under `lock`, so no reader is given a number while
    a lower one may still appear. Works over the ports of any adapter.

    Args:
        session_id: Stamped on every event, as the correlation id too.
        event_store: Where events go.
        seq_allocator: Where numbers come from; without one they stay 0.
        lock: Excludes all other recorders on the location. Without one, only
            the threads that share this recorder exclude each other.
        after: Called with each event once it is stored, outside the lock; see
            `Snapshotter`.
    """

    def __init__(
        self,
        session_id: str,
        *,
        event_store: EventStore,
        seq_allocator: SeqAllocator | None = None,
        lock: AbstractContextManager[Any] | None = None,
        after: Sequence[Callable[[Event], None]] = (),
    ) -> None:
        if not isinstance(session_id, str) or not session_id:
            raise InvalidEventError(f"a session id must not be empty, got {session_id!r}")
        self._session_id = session_id
        self._store = event_store
        self._allocator = seq_allocator
        self._lock = lock if lock is not None else threading.RLock()
        self._after = tuple(after)
        if isinstance(event_store, RemembersSessions):
            self._chain: _Chain = _StoredChain(event_store, session_id)
        else:
            self._chain = _FollowedChain(
                event_store, session_id, numbered=seq_allocator is not None
            )

    @classmethod
    def over(cls, ports: Ports, session_id: str) -> SessionRecorder:
        """Return a recorder that runs over an adapter's store, allocator and lock."""
        return cls(
            session_id,
            event_store=ports.event_store,
            seq_allocator=ports.seq_allocator,
            lock=ports.lock,
        )

    def record(self, event: Event) -> Event:
        """Store the event and return it as stored; see `Recorder.record`."""
        with self._lock:
            stored = _stamped(
                event,
                session_id=self._session_id,
                causation_id=event.causation_id or self._chain.last_event_id(),
                seq_nr=self._next_number(),
            )
            self._store.append(stored)
            self._chain.went_on(stored)
        for call in self._after:
            call(stored)
        return stored

    def _next_number(self) -> int:
        if self._allocator is None:
            return 0
        number = self._allocator.alloc_seq_nr()
        latest = self._store.latest_seq_nr()
        if number <= latest:  # the counter was lost, or events were appended past it
            self._allocator.initialize_at(latest)
            number = self._allocator.alloc_seq_nr()
        return number


def _stamped(event: Event, *, session_id: str, causation_id: str, seq_nr: int) -> Event:
    """Return the event with what the recorder stamps; the store validates it."""
    stamped = object.__new__(Event)
    for name in _KEPT:
        object.__setattr__(stamped, name, getattr(event, name))
    object.__setattr__(stamped, "session_id", session_id)
    object.__setattr__(stamped, "correlation_id", session_id)
    object.__setattr__(stamped, "causation_id", causation_id)
    object.__setattr__(stamped, "seq_nr", seq_nr)
    return stamped


class _Chain(Protocol):
    def last_event_id(self) -> str: ...

    def went_on(self, stored: Event) -> None: ...


class _StoredChain:
    """The chain of a store that remembers sessions: nothing is kept here."""

    def __init__(self, store: RemembersSessions, session_id: str) -> None:
        self._store = store
        self._session_id = session_id

    def last_event_id(self) -> str:
        return self._store.last_event_id(self._session_id)

    def went_on(self, stored: Event) -> None:
        pass


class _FollowedChain:
    """The chain over a plain store: one full load, then only what others added."""

    def __init__(self, store: EventStore, session_id: str, *, numbered: bool) -> None:
        self._store = store
        self._session_id = session_id
        self._numbered = numbered
        self._last_id: str | None = None
        self._seen_number = 0

    def last_event_id(self) -> str:
        if self._last_id is None:
            self._read_all()
        elif self._numbered:
            for event in self._store.load_after_seq_nr(self._seen_number).events:
                self._see(event)
        assert self._last_id is not None
        return self._last_id

    def went_on(self, stored: Event) -> None:
        self._see(stored)

    def _read_all(self) -> None:
        self._last_id = ""
        mine = [e for e in self._store.load_all().events if e.session_id == self._session_id]
        for event in mine:
            self._last_id = event.id
        if self._numbered:
            for event in self._store.load_after_seq_nr(0).events:
                self._see(event)

    def _see(self, event: Event) -> None:
        self._seen_number = max(self._seen_number, event.seq_nr)
        if event.session_id == self._session_id:
            self._last_id = event.id
