"""A correct adapter that leaves gaps: a number whose append fails is not used again.

Every third number that a recorder draws meets a store that refuses, as a full
disk would; the recorder draws the next one, within the same critical section.
"""

from __future__ import annotations

from pathlib import Path

import eventstore_reference
from eventstore_reference import SessionRecorder
from pytest_eventstore.ports import Event, Ports, Recorder, SeqAllocator


def open_ports(location: Path) -> Ports:
    """Open the reference with recorders that lose a third of their numbers."""
    ports = eventstore_reference.open_ports(location)

    def recorder(session_id: str) -> Recorder:
        return RetryingRecorder(ports, session_id)

    ports.recorder = recorder
    return ports


class RetryingRecorder:
    """Records over ports of which every third number is lost."""

    def __init__(self, ports: Ports, session_id: str) -> None:
        assert ports.seq_allocator is not None
        self._inner = SessionRecorder(
            session_id,
            event_store=ports.event_store,
            seq_allocator=Losing(ports.seq_allocator),
            lock=ports.lock,
        )

    def record(self, event: Event) -> Event:
        return self._inner.record(event)


class Losing:
    """Draws again when it drew a multiple of three."""

    def __init__(self, inner: SeqAllocator) -> None:
        self._inner = inner
        self.latest_seq_nr = inner.latest_seq_nr
        self.initialize_at = inner.initialize_at

    def alloc_seq_nr(self) -> int:
        number = self._inner.alloc_seq_nr()
        return number if number % 3 else self._inner.alloc_seq_nr()
