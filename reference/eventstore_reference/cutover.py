"""The one-time move from local sequence numbers to global ones."""

from __future__ import annotations

import uuid
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable

from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    CorruptionError,
    CutoverResult,
    Event,
    EventStore,
    InvalidEventError,
    Ports,
    SnapshotStore,
)

CUTOVER_SEQ_NR = 1
"""The number of the cutover's event: the first of the global numbering."""


@runtime_checkable
class RemembersCutover(Protocol):
    """A store that knows whether the cutover's event is stored without a search."""

    def holds_cutover(self) -> bool:
        """Return whether the cutover's event is stored."""
        ...


def run_cutover(ports: Ports, aggregate_type: str) -> CutoverResult:
    """Run the cutover unless the log says it was run; safe to race, kill and repeat.

    The event in the log is what decides: it comes last, after the sentinel
    snapshot, so a run that was killed halfway is simply run again.
    """
    if not isinstance(aggregate_type, str) or not aggregate_type:
        raise InvalidEventError(f"an aggregate type must not be empty, got {aggregate_type!r}")
    with ports.lock if ports.lock is not None else nullcontext():
        already_done = _holds_cutover(ports.event_store)
        count = 0
        if not already_done:
            count = len(ports.event_store.load_all().events)
            if ports.snapshot_store is not None:
                _save_sentinel(ports.snapshot_store, aggregate_type)
            ports.event_store.append(_cutover_event(aggregate_type, count))
        if ports.seq_allocator is not None:
            ports.seq_allocator.initialize_at(CUTOVER_SEQ_NR)
    if already_done:
        return CutoverResult(already_done=True)
    return CutoverResult(already_done=False, event_count=count, cutover_seq_nr=CUTOVER_SEQ_NR)


def _holds_cutover(store: EventStore) -> bool:
    if isinstance(store, RemembersCutover):
        return store.holds_cutover()
    return any(event.type == SYSTEM_CUTOVER for event in store.load_all().events)


def _save_sentinel(snapshots: SnapshotStore, aggregate_type: str) -> None:
    try:
        stored = snapshots.load(aggregate_type)
    except CorruptionError:
        return  # whatever it was, it was a real one: recovery will say so
    if stored is None:
        snapshots.save(aggregate_type, 0, b"null")


def _cutover_event(aggregate_type: str, count: int) -> Event:
    return Event(
        id=str(uuid.uuid4()),
        type=SYSTEM_CUTOVER,
        timestamp=datetime.now(UTC),
        data={"pre_cutover_event_count": count, "aggregate_type": aggregate_type},
        seq_nr=CUTOVER_SEQ_NR,
    )
