"""A reader as production has it: goes on from the last number it saw, and takes snapshots there."""

from __future__ import annotations

import json
from typing import Any

from pytest_eventstore.lab.handles import Handle
from pytest_eventstore.lab.operations import Operation, Runner, Seen, see_all

READER = "lab.reader"
"""The aggregate type of the reader's snapshots."""


def poll() -> Operation:
    """Read from the last number seen, and save all that was read as a snapshot there.

    Gives a list of `Seen`: what was new.
    """
    return Operation("poll")


def replay() -> Operation:
    """Recover from the reader's snapshot, and by full replay.

    Gives ``[snapshot number, ids recovered, ids of the full replay]``.
    """
    return Operation("replay")


class PollingRunner(Runner):
    """Runs operations on one handle, the reader's included."""

    def __init__(self, handle: Handle) -> None:
        super().__init__(handle)
        self._last = 0
        self._ids: list[str] = []

    def run(self, operation: Operation) -> Any:
        """Make the call and return a JSON-able account of its result; errors pass through."""
        if operation.name == "poll":
            return self._poll()
        if operation.name == "replay":
            return self._replay()
        return super().run(operation)

    def _poll(self) -> list[Seen]:
        new = see_all(self.handle.events.load_after_seq_nr(self._last))
        if new:
            self._last = new[-1].seq_nr
            self._ids += [event.id for event in new]
            if self.handle.ports.snapshot_store is not None:
                state = json.dumps(self._ids).encode()
                self.handle.snapshots.save(READER, self._last, state)
        return new

    def _replay(self) -> list[Any] | None:
        if self.handle.ports.snapshot_store is None:
            return None
        snapshot = self.handle.snapshots.load(READER)
        number, ids = (snapshot.seq_nr, json.loads(snapshot.state)) if snapshot else (0, [])
        ids += [event.id for event in see_all(self.handle.events.load_after_seq_nr(number))]
        full = [event.id for event in see_all(self.handle.events.load_after_seq_nr(0))]
        return [number, ids, full]
