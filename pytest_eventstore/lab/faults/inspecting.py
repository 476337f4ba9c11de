"""What an adapter makes of a damaged deposit, and what is wrong with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.faults.deposit import EVENTS, IDS, SNAPSHOT_AT, STATE, Deposit
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import map_isolated
from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.scenarios import KIND, brief
from pytest_eventstore.lab.handles import open_handle
from pytest_eventstore.lab.operations import SeenEvents
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.ports import Event, LoadResult
from pytest_eventstore.targets import Factory

if TYPE_CHECKING:
    from pytest_eventstore.lab.faults.damage import Damage


@dataclass(frozen=True)
class Inspection:
    """What an adapter makes of a deposit; texts of errors where something raised."""

    error: str = ""
    loads: tuple[Load, ...] = ()
    snapshot: tuple[int, bytes] | None = None
    snapshot_error: str = ""
    recovered: tuple[str, ...] | None = None
    recovery_error: str = ""


@dataclass(frozen=True)
class Load:
    """What one kind of load gave."""

    name: str
    events: tuple[Event, ...] = ()
    corrupt: int = 0
    error: str = ""


def inspect(factory: Factory, path: Path, *, recover: bool) -> Inspection:
    """Open and read a deposit; to be called in a process of its own."""
    try:
        handle = open_handle(factory, path)
    except Exception as error:
        return Inspection(error=brief(error))
    loads = (
        _load("load_all", handle.events.load_all),
        _load("load_after_seq_nr", lambda: handle.events.load_after_seq_nr(0)),
        _load("load_since", lambda: handle.events.load_since(op.EPOCH.replace(year=2000))),
    )
    snapshot: tuple[int, bytes] | None = None
    snapshot_error = recovery_error = ""
    recovered: tuple[str, ...] | None = None
    try:
        found = handle.snapshots.load(KIND)
        snapshot = None if found is None else (found.seq_nr, found.state)
    except NotOffered:
        snapshot_error = "not offered"
    except Exception as error:
        snapshot_error = brief(error)
    if recover:
        seen = SeenEvents()
        try:
            handle.recover(seen, KIND)
            recovered = tuple(seen.ids)
        except Exception as error:
            recovery_error = brief(error)
    return Inspection("", loads, snapshot, snapshot_error, recovered, recovery_error)


def _load(name: str, load: Callable[[], LoadResult]) -> Load:
    try:
        result = load()
    except Exception as error:
        return Load(name, error=brief(error))
    return Load(name, tuple(result.events), result.corrupt_line_count)


def inspect_all(
    factory: Factory, path: Path, images: Sequence[Image], *, recover: bool
) -> Iterator[Inspection]:
    """Put images and read each, all in one process as long as it lives."""

    def look(image: Image) -> Inspection:
        image.put(path)
        return inspect(factory, path, recover=recover)

    for answer in map_isolated(look, images):
        if answer.kind == "returned":
            yield answer.value
        else:
            hangs = "hangs: " if answer.kind == "hung" else ""
            yield Inspection(error=f"{hangs}{answer.value}")


class Judge:
    """Says what is wrong with what was read from a damaged deposit.

    Events may be missing only if the damage was counted or raised, or if it
    struck where the last write had been: there it cannot be told from a write
    that was torn, and never acknowledged.

    Args:
        name: What was damaged; see `damage.sweep`.
        deposit: What was stored.
    """

    def __init__(self, name: str, deposit: Deposit) -> None:
        self._name = name
        self._deposit = deposit
        self.derived: frozenset[str] = frozenset()
        """Files that hold nothing which is not in others."""

    def __call__(self, found: Inspection, damage: Damage | None) -> Problem | None:
        """Return the first thing that is wrong, if anything is."""
        if found.error.startswith("hangs"):
            return Problem("opens", "reading what is damaged ends", found.error, hangs=True)
        if found.error:
            return None  # raised: nothing wrong was returned
        if self._name == "snapshot":
            return _wrong_snapshot(found)
        if self._name == "log":
            problems = (self._wrong_load(load, damage) for load in found.loads)
            return next((p for p in problems if p), None)
        return _wrong_recovery(found)

    def proves_nothing(self, undamaged: Inspection) -> bool:
        """Whether what is looked for does not even come of a deposit without damage."""
        if undamaged.error or any(load.error for load in undamaged.loads):
            return True
        if self._name == "snapshot":
            return undamaged.snapshot is None
        if self._name != "log" and undamaged.recovered is None:
            return True
        return self(undamaged, None) is not None

    def is_whole(self, found: Inspection) -> bool:
        """Whether everything was read and no damage seen."""
        return not found.error and all(
            not load.error and not load.corrupt and len(load.events) == len(IDS)
            for load in found.loads
        )

    def _wrong_load(self, load: Load, damage: Damage | None) -> Problem | None:
        if load.error:
            return None
        stored = {event.id: event for event in EVENTS}
        for event in load.events:
            if stored.get(event.id) != event:
                wanted = stored.get(event.id, "no such event")
                return Problem("kept", f"{wanted!r:.300}", f"{load.name} gives {event!r:.300}")
        if load.corrupt:
            return None
        twice = [i for i, count in Counter(e.id for e in load.events).items() if count > 1]
        if twice:
            return Problem(
                "kept",
                "events once each, or damage counted or raised",
                f"{load.name} gives {', '.join(twice)} more than once and counts no damage",
            )
        missing = set(IDS) - {event.id for event in load.events}
        if missing and not self._may_miss(missing, damage):
            return Problem(
                "kept",
                "damage counted or raised where events are missing",
                f"{load.name} lacks {', '.join(sorted(missing))} and counts no damage",
            )
        return None

    def _may_miss(self, missing: set[str], damage: Damage | None) -> bool:
        """Whether the damage may pass for a write that was torn and never acknowledged."""
        if damage is None:
            return False
        size = len(self._deposit.image.files[damage.file])
        cut = damage.kind == "cut" or (damage.kind == "blank" and damage.at + damage.size == size)
        if cut or damage.file in self.derived:
            return True
        begin, ids = self._deposit.last.get(damage.file, (0, frozenset(IDS)))
        return damage.at >= begin and missing <= ids


def _wrong_snapshot(found: Inspection) -> Problem | None:
    if found.snapshot_error or found.snapshot in (None, (SNAPSHOT_AT, STATE)):
        return None
    return Problem(
        "snapshot",
        f"load to raise, to give none, or to give {STATE!r} at {SNAPSHOT_AT}",
        f"{found.snapshot!r:.300}",
    )


def _wrong_recovery(found: Inspection) -> Problem | None:
    if found.recovered is None or found.recovered == IDS:
        return None
    noticed = any(load.error or load.corrupt for load in found.loads)
    if not noticed and found.recovered == tuple(event.id for event in found.loads[0].events):
        return None  # what the log lost without a word is another requirement's matter
    return Problem(
        "snapshot",
        f"the state of all events, or an error: {', '.join(IDS)}",
        f"the state of {', '.join(found.recovered)}",
    )
