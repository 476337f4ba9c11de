"""Bringing a state back: from its snapshot and the events after it, or from all events."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from pytest_eventstore.ports import (
    ClosedError,
    CorruptionError,
    Event,
    EventStore,
    LoadResult,
    Ports,
    Projection,
    Recovery,
    Snapshot,
)

_VERSION_LINE = b'{"projection_version":%s}\n'


def pack_state(projection: Projection) -> bytes:
    """Return the projection's state with its version, as `recover` understands it."""
    return _VERSION_LINE % json.dumps(projection.version).encode("ascii") + projection.serialize()


def recover(projection: Projection, ports: Ports, aggregate_type: str) -> Recovery:
    """Bring a fresh projection up to date and say how; never from a partial state.

    A snapshot that is missing, the sentinel, damaged, of another version, or
    ahead of the log is not used: then every event is replayed, archived ones
    included. Works over the ports of any adapter.

    Raises:
        CorruptionError: an event that is needed is damaged.
    """
    snapshot, why_not = _load_snapshot(ports, aggregate_type)
    if snapshot is not None:
        why_not = _why_not_usable(snapshot, projection, ports.event_store)
        why_not = why_not or _deserialize(projection, snapshot)
    if snapshot is None or why_not:
        return _replay_all(projection, ports.event_store, why_not)
    events = _whole(ports.event_store.load_after_seq_nr(snapshot.seq_nr))
    _apply(projection, events)
    return Recovery(
        seq_nr=max((event.seq_nr for event in events), default=snapshot.seq_nr),
        snapshot_seq_nr=snapshot.seq_nr,
        replayed=len(events),
    )


def rebuild(projection: Projection, ports: Ports, aggregate_type: str) -> Recovery:
    """Replay every event into a fresh projection and save its snapshot.

    A stored snapshot that is ahead of the log is removed first, where the
    snapshot store can; elsewhere `fell_back` of the result says that it stays.
    """
    recovery = _replay_all(projection, ports.event_store, "")
    store = ports.snapshot_store
    if store is None:
        return recovery
    stored, _ = _load_snapshot(ports, aggregate_type)
    if stored is not None and stored.seq_nr > ports.event_store.latest_seq_nr():
        remove = getattr(store, "remove", None)
        if remove is None:
            why = f"a snapshot at {stored.seq_nr} is ahead of the log and stays"
            return replace(recovery, fell_back=why)
        remove(aggregate_type)
    store.save(aggregate_type, recovery.seq_nr, pack_state(projection))
    return recovery


def _load_snapshot(ports: Ports, aggregate_type: str) -> tuple[Snapshot | None, str]:
    if ports.snapshot_store is None:
        return None, ""
    try:
        snapshot = ports.snapshot_store.load(aggregate_type)
    except ClosedError:
        raise
    except Exception as error:  # adapters tell damage by errors of their own
        return None, f"the snapshot cannot be read: {error}"
    if snapshot is not None and snapshot.seq_nr == 0 and snapshot.state == b"null":
        return None, ""  # the sentinel of the cutover
    return snapshot, ""


def _why_not_usable(snapshot: Snapshot, projection: Projection, store: EventStore) -> str:
    latest = store.latest_seq_nr()
    if snapshot.seq_nr > latest:
        return f"the snapshot at {snapshot.seq_nr} is ahead of the log, which ends at {latest}"
    version, _ = _unpack(snapshot.state)
    if version is not None and version != projection.version:
        return f"the snapshot is of version {version}, the projection of {projection.version}"
    return ""


def _deserialize(projection: Projection, snapshot: Snapshot) -> str:
    fresh = projection.serialize()
    try:
        projection.deserialize(_unpack(snapshot.state)[1])
    except Exception as error:
        projection.deserialize(fresh)
        return f"the snapshot's state is not accepted: {error}"
    return ""


def _unpack(state: bytes) -> tuple[int | None, bytes]:
    """Return the version, None where the state was saved without, and the bare state."""
    head, _, rest = state.partition(b"\n")
    if head.startswith(b'{"projection_version":'):
        try:
            return json.loads(head)["projection_version"], rest
        except ValueError:
            pass
    return None, state


def _replay_all(projection: Projection, store: EventStore, fell_back: str) -> Recovery:
    # In this order: an event that is appended between the two loads is numbered,
    # and would be taken for an unnumbered one if it came out of the second only.
    everything = _whole(store.load_all())
    numbered = _whole(store.load_after_seq_nr(0))
    ids = {event.id for event in numbered}
    before = [event for event in everything if event.id not in ids]
    _apply(projection, before)
    _apply(projection, numbered)
    return Recovery(
        seq_nr=max((event.seq_nr for event in numbered), default=0),
        snapshot_seq_nr=None,
        replayed=len(before) + len(numbered),
        fell_back=fell_back,
    )


def _whole(result: LoadResult) -> Sequence[Event]:
    if result.corrupt_line_count:
        raise CorruptionError(
            f"{result.corrupt_line_count} lines of the log are damaged; no state can be told"
        )
    return result.events


def _apply(projection: Projection, events: Sequence[Event]) -> None:
    for event in events:
        projection.apply(event)
