"""A projection whose state shows which events went into it, how often and in what order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pytest_eventstore.ports import SYSTEM_CUTOVER, Event


class Ledger:
    """Keeps an entry for each event applied, but for that of the cutover.

    Its bytes name the version that wrote them, and another one refuses them.

    Args:
        version: Of the projection.
        events: Applied at once.
    """

    def __init__(self, version: int = 1, events: Iterable[Event] = ()) -> None:
        self.version = version
        self.entries: list[list[object]] = []
        for event in events:
            self.apply(event)

    def apply(self, event: Event) -> None:
        """Add an entry."""
        if event.type != SYSTEM_CUTOVER:
            self.entries.append([event.id, event.seq_nr])

    def serialize(self) -> bytes:
        """Return version and entries as JSON."""
        return json.dumps({"version": self.version, "entries": self.entries}).encode()

    def deserialize(self, state: bytes) -> None:
        """Take the entries, if this version wrote them."""
        found = json.loads(state)
        if found["version"] != self.version:
            raise ValueError(f"written by version {found['version']}, not {self.version}")
        self.entries = [list(entry) for entry in found["entries"]]


def difference(expected: Sequence[Sequence[object]], seen: Sequence[Sequence[object]]) -> str:
    """Return in what a ledger's entries are not those of a full replay, in words."""
    wanted, got = [str(e[0]) for e in expected], [str(e[0]) for e in seen]
    missing = [name for name in wanted if name not in got]
    doubled = sorted({name for name in got if got.count(name) > 1})
    strange = [name for name in got if name not in wanted]
    said = [
        f"{what} {', '.join(names[:8])}"
        for what, names in (("without", missing), ("twice:", doubled), ("with", strange))
        if names
    ]
    return "; ".join(said) or "in another order"
