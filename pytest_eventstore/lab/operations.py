"""One call on an adapter as data, so that any process can make it and report what came back.

Every event and every state that an operation writes certifies itself: it can
be derived again from its id. Whoever reads it back tells whole from torn
without having seen it written.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_eventstore.ports import SYSTEM_CUTOVER, Event, LoadResult, Recorder

if TYPE_CHECKING:
    from pytest_eventstore.lab.handles import Handle

EPOCH = datetime(2024, 2, 28, 12, tzinfo=UTC)
"""The timestamp of a draft whose `at` is 0."""

TORN = "torn"
"""The label of a snapshot state that no one operation wrote."""

SENTINEL = "sentinel"
"""The label of the state a cutover writes, JSON ``null``."""


class Draft(NamedTuple):
    """An event to be written, small enough to be quoted: content follows from the fields.

    Args:
        id: The event's id.
        seq_nr: The number to append it with; a recorder overwrites it.
        size: How many characters of filling the data carries.
        at: Seconds after `EPOCH`.
    """

    id: str
    seq_nr: int = 0
    size: int = 0
    at: int = 0

    def event(self) -> Event:
        """Return the event; equal drafts give equal events in every process."""
        return Event(
            id=self.id,
            type="lab.noted",
            timestamp=EPOCH + timedelta(seconds=self.at),
            data={"of": self.id, "at": self.at, "fill": filling(self.id, self.size)},
            seq_nr=self.seq_nr,
        )


class Seen(NamedTuple):
    """An event as a reader saw it; `fault` says what is wrong with its content, or nothing."""

    seq_nr: int
    id: str
    type: str = "lab.noted"
    session_id: str = ""
    causation_id: str = ""
    fault: str = ""


class SeenSnapshot(NamedTuple):
    """A snapshot as a reader saw it; `label` names the save, `SENTINEL`, or `TORN`."""

    seq_nr: int
    label: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One call on a handle, by name; JSON-able and picklable.

    The functions `append`, `record` and so on below build them.
    """

    name: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(_short, self.args))})"

    def as_json(self) -> list[Any]:
        """Return what `from_json` takes."""
        return [self.name, [list(a) if isinstance(a, tuple) else a for a in self.args]]

    @classmethod
    def from_json(cls, value: Any) -> Operation:
        """Return the operation that `as_json` described."""
        name, args = value
        return cls(name, tuple(Draft(*a) if isinstance(a, list) else a for a in args))


def append(draft: Draft) -> Operation:
    """Append one event; gives the bytes written."""
    return Operation("append", (draft,))


def append_batch(drafts: Iterable[Draft]) -> Operation:
    """Append several events in one call; gives the bytes written."""
    return Operation("append_batch", tuple(drafts))


def record(session_id: str, draft: Draft) -> Operation:
    """Record an event; gives it as `Seen`."""
    return Operation("record", (session_id, draft))


def record_batch(drafts: Iterable[Draft]) -> Operation:
    """Allocate numbers and append the events under the adapter's lock; gives them as `Seen`."""
    return Operation("record_batch", tuple(drafts))


def allocate() -> Operation:
    """Allocate a number; gives it."""
    return Operation("allocate")


def initialize_at(start_at: int) -> Operation:
    """Move the counter; gives None."""
    return Operation("initialize_at", (start_at,))


def save(aggregate_type: str, seq_nr: int, label: str, size: int = 0) -> Operation:
    """Save a snapshot whose state certifies itself; gives None."""
    return Operation("save", (aggregate_type, seq_nr, label, size))


def load_snapshot(aggregate_type: str) -> Operation:
    """Load a snapshot; gives `SeenSnapshot` or None."""
    return Operation("load_snapshot", (aggregate_type,))


def cutover(aggregate_type: str) -> Operation:
    """Run the cutover; gives ``[already_done, event_count, cutover_seq_nr]``."""
    return Operation("cutover", (aggregate_type,))


def load_all() -> Operation:
    """Load every event; gives a list of `Seen`."""
    return Operation("load_all")


def load_after(seq_nr: int) -> Operation:
    """Load the events above a number; gives a list of `Seen`."""
    return Operation("load_after", (seq_nr,))


def latest() -> Operation:
    """Ask for the highest number; gives it."""
    return Operation("latest")


def archive(before_seq_nr: int) -> Operation:
    """Move the events below a number to the archive; gives ``[count, through]``."""
    return Operation("archive", (before_seq_nr,))


def recover(aggregate_type: str) -> Operation:
    """Recover the list of events seen; gives ``[seq_nr, snapshot_seq_nr, replayed, ids]``."""
    return Operation("recover", (aggregate_type,))


def take_snapshot(aggregate_type: str) -> Operation:
    """Recover the list of events seen and save it as a snapshot; gives what `recover` does."""
    return Operation("take_snapshot", (aggregate_type,))


class Runner:
    """Runs operations on one handle; a session keeps one recorder for all its calls and threads."""

    def __init__(self, handle: Handle) -> None:
        self.handle = handle
        self._recorders: dict[str, Recorder] = {}
        self._guard = threading.Lock()

    def run(self, operation: Operation) -> Any:
        """Make the call and return a JSON-able account of its result; errors pass through."""
        return _RUN[operation.name](self, *operation.args)

    def recorder(self, session_id: str) -> Recorder:
        """Return the session's recorder, made at the first call."""
        with self._guard:
            if session_id not in self._recorders:
                self._recorders[session_id] = self.handle.recorder(session_id)
            return self._recorders[session_id]

    def _append(self, *drafts: Draft) -> int:
        return self.handle.events.append(*(Draft(*d).event() for d in drafts)).bytes_written

    def _record(self, session_id: str, draft: Draft) -> Seen:
        return see(self.recorder(session_id).record(Draft(*draft).event()))

    def _record_batch(self, *drafts: Draft) -> list[Seen]:
        with self.handle.lock:
            events = [
                Draft(*d)._replace(seq_nr=self.handle.allocator.alloc_seq_nr()).event()
                for d in drafts
            ]
            self.handle.events.append(*events)
        return [see(event) for event in events]

    def _allocate(self) -> int:
        return self.handle.allocator.alloc_seq_nr()

    def _initialize_at(self, start_at: int) -> None:
        self.handle.allocator.initialize_at(start_at)

    def _save(self, aggregate_type: str, seq_nr: int, label: str, size: int) -> None:
        self.handle.snapshots.save(aggregate_type, seq_nr, state_of(seq_nr, label, size))

    def _load_snapshot(self, aggregate_type: str) -> SeenSnapshot | None:
        snapshot = self.handle.snapshots.load(aggregate_type)
        if snapshot is None:
            return None
        return SeenSnapshot(snapshot.seq_nr, label_of(snapshot.seq_nr, snapshot.state))

    def _cutover(self, aggregate_type: str) -> list[Any]:
        result = self.handle.cutover(aggregate_type)
        return [result.already_done, result.event_count, result.cutover_seq_nr]

    def _load_all(self) -> list[Seen]:
        return see_all(self.handle.events.load_all())

    def _load_after(self, seq_nr: int) -> list[Seen]:
        return see_all(self.handle.events.load_after_seq_nr(seq_nr))

    def _latest(self) -> int:
        return self.handle.events.latest_seq_nr()

    def _archive(self, before_seq_nr: int) -> list[int]:
        result = self.handle.archive(before_seq_nr)
        return [result.archived_count, result.through_seq_nr]

    def _recover(self, aggregate_type: str) -> list[Any]:
        seen = SeenEvents()
        result = self.handle.recover(seen, aggregate_type)
        return [result.seq_nr, result.snapshot_seq_nr, result.replayed, seen.ids]

    def _take_snapshot(self, aggregate_type: str) -> list[Any]:
        seen = SeenEvents()
        result = self.handle.recover(seen, aggregate_type)
        self.handle.snapshots.save(aggregate_type, result.seq_nr, seen.serialize())
        return [result.seq_nr, result.snapshot_seq_nr, result.replayed, seen.ids]


_RUN: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "append": Runner._append,
        "append_batch": Runner._append,
        "record": Runner._record,
        "record_batch": Runner._record_batch,
        "allocate": Runner._allocate,
        "initialize_at": Runner._initialize_at,
        "save": Runner._save,
        "load_snapshot": Runner._load_snapshot,
        "cutover": Runner._cutover,
        "load_all": Runner._load_all,
        "load_after": Runner._load_after,
        "latest": Runner._latest,
        "archive": Runner._archive,
        "recover": Runner._recover,
        "take_snapshot": Runner._take_snapshot,
    }
)


def run_operation(handle: Handle, operation: Operation) -> Any:
    """Make one call and return a JSON-able account of its result; errors pass through.

    A `record` makes a recorder of its own; use a `Runner` to keep one.
    """
    return Runner(handle).run(operation)


class SeenEvents:
    """A projection whose state is the ids of the events applied, in order."""

    version = 1

    def __init__(self) -> None:
        self.ids: list[str] = []

    def apply(self, event: Event) -> None:
        """Take the event's id."""
        self.ids.append(event.id)

    def serialize(self) -> bytes:
        """Return the ids as JSON."""
        return json.dumps(self.ids).encode()

    def deserialize(self, state: bytes) -> None:
        """Take the ids back."""
        ids = json.loads(state)
        if not isinstance(ids, list):
            raise TypeError("the state is not a list of ids")
        self.ids = ids


def filling(seed: str, size: int) -> str:
    """Return `size` characters that belong to the seed alone, so that a mix of two is seen."""
    block = hashlib.sha256(seed.encode()).hexdigest()
    return (block * (size // len(block) + 1))[:size]


def see(event: Event) -> Seen:
    """Return the account of an event that was read."""
    return Seen(
        event.seq_nr,
        event.id,
        event.type,
        event.session_id,
        event.causation_id,
        _fault(event),
    )


def see_all(result: LoadResult) -> list[Seen]:
    """Return the accounts of all events that a load gave."""
    return [see(event) for event in result.events]


def seen_events(result: Any) -> list[Seen]:
    """Return a load's result as `Seen`, also after a journey through JSON."""
    if not result or isinstance(result[0], Seen):
        seen: list[Seen] = result
        return seen
    return [item if isinstance(item, Seen) else Seen(*item) for item in result]


def _fault(event: Event) -> str:
    if event.type == SYSTEM_CUTOVER:
        return ""
    data = event.data
    if not isinstance(data, dict) or not isinstance(fill := data.get("fill"), str):
        return "its data is not what was written"
    if data.get("of") != event.id:
        return f"it carries the data of {data.get('of')!r}"
    if fill != filling(event.id, len(fill)):
        return "its data is mixed with another's"
    at = data.get("at")
    if type(at) is not int or event.timestamp != EPOCH + timedelta(seconds=at):
        return "its timestamp is not its own"
    return ""


def state_of(seq_nr: int, label: str, size: int) -> bytes:
    """Return a state that names its save and proves it whole."""
    text = f"{seq_nr}|{label}|{size}|{filling(f'{seq_nr}|{label}', size)}"
    return f"{text}|{hashlib.sha256(text.encode()).hexdigest()}".encode()


def label_of(seq_nr: int, state: bytes) -> str:
    """Return the label of the save that wrote the state under this number, or `TORN`."""
    if state.strip() == b"null" and seq_nr == 0:
        return SENTINEL
    number, _, rest = state.partition(b"|")
    label, _, rest = rest.partition(b"|")
    size, _, _ = rest.partition(b"|")
    if number == b"%d" % seq_nr and size.isdigit() and len(size) < 12:
        name = label.decode(errors="replace")
        if state == state_of(seq_nr, name, int(size)):
            return name
    return TORN


def _short(argument: object) -> str:
    if isinstance(argument, (Draft, list)):
        draft = Draft(*argument)
        return "".join(_draft_words(draft))
    return str(argument)


def _draft_words(draft: Draft) -> Iterator[str]:
    yield draft.id
    if draft.seq_nr:
        yield f" #{draft.seq_nr}"
    if draft.size:
        yield f" +{draft.size} B"
