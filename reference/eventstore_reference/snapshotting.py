"""Snapshots that are taken by themselves, every so many events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from eventstore_reference.recovery import pack_state, recover
from pytest_eventstore.ports import CorruptionError, Event, Ports, Projection

_log = logging.getLogger("eventstore_reference")


@dataclass(frozen=True, slots=True)
class SnapshotPolicy:
    """When to take a snapshot.

    Args:
        every: After how many numbers past the last snapshot.
    """

    every: int = 500

    def __post_init__(self) -> None:
        if type(self.every) is not int or self.every < 1:
            raise ValueError(f"a snapshot every {self.every!r} events makes no sense")

    def is_due(self, seq_nr: int, snapshot_seq_nr: int) -> bool:
        """Return whether an event of this number calls for a snapshot after that one."""
        return seq_nr - snapshot_seq_nr >= self.every


class Snapshotter:
    """Keeps the snapshot of one projection kind at most `policy.every` numbers behind.

    The recorder calls it after each event. The snapshot is at the number that
    its recovery ended with, and numbers become visible in order, so nothing can
    appear below it later. A failure is logged and not raised: the event is
    stored, and the next one tries again.

    Args:
        projection: Gives a fresh projection.
        ports: Where events and snapshots are.
        aggregate_type: The projection kind.
        policy: When to take a snapshot.
    """

    def __init__(
        self,
        projection: Callable[[], Projection],
        ports: Ports,
        aggregate_type: str,
        policy: SnapshotPolicy | None = None,
    ) -> None:
        self._projection = projection
        self._ports = ports
        self._aggregate_type = aggregate_type
        self._policy = policy if policy is not None else SnapshotPolicy()
        self._last: int | None = None

    def after(self, event: Event) -> None:
        """Take a snapshot if the event makes one due."""
        if self._last is not None and not self._policy.is_due(event.seq_nr, self._last):
            return
        try:
            self._last = self._stored_seq_nr()  # another process may have taken one
            if self._policy.is_due(event.seq_nr, self._last):
                self.take()
        except Exception:
            _log.warning("no snapshot of %s was taken", self._aggregate_type, exc_info=True)

    def take(self) -> int:
        """Take a snapshot now and return its number."""
        store = self._ports.snapshot_store
        if store is None:
            raise ValueError("the adapter keeps no snapshots")
        projection = self._projection()
        recovery = recover(projection, self._ports, self._aggregate_type)
        store.save(self._aggregate_type, recovery.seq_nr, pack_state(projection))
        self._last = recovery.seq_nr
        return recovery.seq_nr

    def _stored_seq_nr(self) -> int:
        store = self._ports.snapshot_store
        try:
            snapshot = None if store is None else store.load(self._aggregate_type)
        except CorruptionError:
            return 0
        return 0 if snapshot is None else snapshot.seq_nr
