"""A deposit: a store of a few numbered events and a snapshot, closed, to be damaged as it lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import ChildDiedError, ChildError, call_isolated
from pytest_eventstore.lab.faults.scenarios import DAY, KIND
from pytest_eventstore.lab.faults.staging import StageError
from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.lab.operations import Draft, SeenEvents
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.ports import Event
from pytest_eventstore.targets import Factory

STATE = b"these bytes, \x00 and no others \xff, were saved "
SNAPSHOT_AT = 3

_APPENDS: tuple[tuple[Draft, ...], ...] = (
    (Draft("n1", 1, 40), Draft("n2", 2, 200, at=60)),
    (Draft("n3", 3, 40, at=120),),
    (Draft("n4", 4, 60, at=DAY),),
    (Draft("n5", 5, 40, at=DAY + 60), Draft("n6", 6, 90, at=2 * DAY)),
    (Draft("n7", 7, 40, at=2 * DAY + 60),),
)
EVENTS: tuple[Event, ...] = tuple(d.event() for drafts in _APPENDS for d in drafts)
IDS: tuple[str, ...] = tuple(event.id for event in EVENTS)


@dataclass(frozen=True)
class Deposit:
    """What lies on the disk, and which step changed which file last.

    Args:
        image: The files.
        snapshot_files: Those that saving the snapshot changed.
        log_files: Those that appending changed.
        archive_files: Those that archiving made.
        last: For each file the first byte that the last append to change it changed,
            and the ids of the events that it appended.
        recovers: Whether the adapter offers a recovery.
    """

    image: Image
    snapshot_files: frozenset[str]
    log_files: frozenset[str]
    archive_files: frozenset[str]
    last: dict[str, tuple[int, frozenset[str]]]
    recovers: bool


def make(factory: Factory, path: Path, *, snapshot: bool, archive: bool, state: bool) -> Deposit:
    """Store the events step by step, each from a process of its own.

    Args:
        factory: Opens the store.
        path: An empty location.
        snapshot: Whether to save a snapshot after the third event.
        archive: Whether to archive what it covers.
        state: Whether the snapshot is a projection's state, or bytes of every kind.
    """
    last: dict[str, tuple[int, frozenset[str]]] = {}
    snapshot_files: set[str] = set()
    log_files: set[str] = set()
    step(factory, path, _look)
    before = Image.of(path)
    step(factory, path, _look)
    idle = before.changed_files(Image.of(path))  # what opening alone changes
    before = Image.of(path)
    for number, drafts in enumerate(_APPENDS):
        step(factory, path, partial(_append, drafts))
        after = Image.of(path)
        changed = before.changed_files(after) - idle
        log_files |= changed
        ids = frozenset(d.id for d in drafts)
        for name in changed & set(after.files):
            old, new = before.files.get(name, b""), after.files[name]
            last[name] = (_common(old, new), ids)
        before = after
        if number == 1 and snapshot:
            step(factory, path, lambda h: _save(h, state=state))
            after = Image.of(path)
            snapshot_files |= before.changed_files(after) & set(after.files) - idle
            before = after
    archive_files: frozenset[str] = frozenset()
    if archive:
        step(factory, path, lambda h: h.archive(SNAPSHOT_AT + 1))
        after = Image.of(path)
        archive_files = frozenset(set(after.files) - set(before.files) - idle)
        before = after
    recovers = bool(call_isolated(_can_recover, factory, path)) if snapshot else False
    files = frozenset(before.files)
    return Deposit(
        before,
        frozenset(snapshot_files) & files,
        frozenset(log_files) & files,
        archive_files,
        last,
        recovers,
    )


def step(factory: Factory, path: Path, act: Callable[[Handle], object]) -> None:
    """Open, act and close in a process of its own."""

    def run() -> None:
        handle = open_handle(factory, path)
        act(handle)
        handle.close()

    try:
        call_isolated(run)
    except (ChildError, ChildDiedError) as error:
        raise StageError(f"storing a few events and a snapshot fails: {error}") from error


def _append(drafts: Sequence[Draft], handle: Handle) -> None:
    handle.events.append(*(draft.event() for draft in drafts))


def _look(handle: Handle) -> None:
    handle.events.load_all()
    handle.events.load_after_seq_nr(0)


def _save(handle: Handle, *, state: bool) -> None:
    handle.snapshots.save(KIND, SNAPSHOT_AT, _state() if state else STATE)


def _state() -> bytes:
    seen = SeenEvents()
    for event in EVENTS[:SNAPSHOT_AT]:
        seen.apply(event)
    return seen.serialize()


def _can_recover(factory: Factory, path: Path) -> bool:
    handle = open_handle(factory, path)
    try:
        handle.recover(SeenEvents(), KIND)
    except NotOffered:
        return False
    except Exception:
        return True
    return True


def _common(old: bytes, new: bytes) -> int:
    """How many bytes both begin with."""
    size = min(len(old), len(new))
    return next((i for i in range(size) if old[i] != new[i]), size)
