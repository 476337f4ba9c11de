"""The ports an event store offers, and the values that cross them.

An adapter implements the protocols below and hands them over in a `Ports`.
Everything in this module is a promise that the conformance suite holds an
adapter to; `pytest --eventstore-list` prints the numbered requirements.

The module imports only the standard library, so that an adapter may depend on
it at run time without pulling in a test framework.

Errors, one tree::

    EventStoreError
    ├── InvalidEventError      also ValueError: the caller's value is not storable
    ├── DuplicateEventError    an id is stored already with other content
    ├── CorruptionError        what is stored cannot be trusted
    ├── SeqNrExhaustedError    no number above 2**63 - 1
    ├── ClosedError            the port was closed
    └── LockTimeoutError       another process kept the lock for too long
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"

SYSTEM_CUTOVER = "system.cutover"
"""The type of the one event that marks the move to global sequence numbers."""

SCHEMA_VERSION = 1
"""The newest event schema this version of the ports knows."""

MAX_SEQ_NR = 2**63 - 1
"""The highest sequence number; a store never wraps past it."""

MAX_DATA_DEPTH = 256
"""How deep event data may nest; deeper data is refused, never half stored."""

_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")

_MAX_INT_BITS = 14_000  # CPython converts at most 4300 decimal digits


class EventStoreError(Exception):
    """Base of every error that a port raises on purpose."""


class InvalidEventError(EventStoreError, ValueError):
    """A value that no event store may accept; nothing of it was stored."""


class DuplicateEventError(EventStoreError):
    """An event's id is already stored with other content; nothing was stored."""


class CorruptionError(EventStoreError):
    """Stored data is damaged; no wrong value was returned in its place."""


class SeqNrExhaustedError(EventStoreError):
    """The next sequence number would exceed `MAX_SEQ_NR`."""


class ClosedError(EventStoreError):
    """The port was used after `close`."""


class LockTimeoutError(EventStoreError):
    """Another process held the lock for longer than this one may wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One fact, valid from construction on.

    Args:
        id: Unique over the whole store; not empty.
        type: What happened, such as ``"order.placed"``; not empty.
        timestamp: When, to the microsecond; must carry a time zone.
        data: Any JSON value. Lists and dicts stay mutable: a store copies them.
        session_id: The run that recorded the event.
        correlation_id: The conversation the event belongs to.
        causation_id: The id of the event that led to this one.
        aggregate_id: The entity the event is about.
        aggregate_type: The kind of that entity.
        seq_nr: Global sequence number; 0 where none was given.
        schema_version: From 1 to `SCHEMA_VERSION`.

    Raises:
        InvalidEventError: a field is of the wrong type or out of range.
    """

    id: str
    type: str
    timestamp: datetime
    data: JSON
    session_id: str = ""
    correlation_id: str = ""
    causation_id: str = ""
    aggregate_id: str = ""
    aggregate_type: str = ""
    seq_nr: int = 0
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        self.validate()

    def validate(self) -> None:
        """Raise `InvalidEventError` unless every field may be stored.

        A store calls this on `append`: data may have been changed since
        construction, and unpickling does not construct.
        """
        for name in _TEXT_FIELDS:
            value = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidEventError(f"event {name} must be a string, not {value!r}")
            _check_text(value, name)
        for name in ("id", "type"):
            if not getattr(self, name):
                raise InvalidEventError(f"event {name} must not be empty")
        if not isinstance(self.timestamp, datetime):
            raise InvalidEventError(f"event timestamp must be a datetime, not {self.timestamp!r}")
        check_aware(self.timestamp, "event timestamp")
        check_seq_nr(self.seq_nr, "event seq_nr")
        version = self.schema_version
        if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
            raise InvalidEventError(
                f"event schema_version must be from 1 to {SCHEMA_VERSION}, not {version!r}"
            )
        _check_json(self.data)

    def to_json_line(self) -> str:
        """Return the event as one line of the on-disk format, without the line feed.

        Empty strings and a sequence number of 0 are left out. Reading the line
        back with `from_json_line` gives an equal event.
        """
        return json.dumps(
            self.to_json_object(), ensure_ascii=True, allow_nan=False, separators=(",", ":")
        )

    def to_json_object(self) -> dict[str, JSON]:
        """Return the event as the object that `to_json_line` writes."""
        line: dict[str, JSON] = {
            "schema_version": self.schema_version,
            "id": self.id,
            "type": self.type,
            "timestamp": format_timestamp(self.timestamp),
            "data": self.data,
        }
        for name in _OPTIONAL_FIELDS:
            if value := getattr(self, name):
                line[name] = value
        return line

    @classmethod
    def from_json_line(cls, line: str | bytes) -> Event:
        """Return the event that a line of the on-disk format holds.

        Keys that are not an event's are passed over. Nanoseconds, which logs
        of the Go tools carry, are cut to microseconds.

        Raises:
            InvalidEventError: the line is not JSON, or not a valid event.
        """
        try:
            value = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidEventError(f"not a JSON line: {error}") from error
        return cls.from_json_object(value)

    @classmethod
    def from_json_object(cls, value: object) -> Event:
        """Return the event that a decoded line holds; see `from_json_line`."""
        if not isinstance(value, dict):
            raise InvalidEventError(f"an event line must be a JSON object, not {value!r:.80}")
        known: dict[str, Any] = {k: v for k, v in value.items() if k in _ALL_FIELDS}
        missing = [name for name in ("id", "type", "timestamp") if name not in known]
        if missing:
            raise InvalidEventError(f"the event line lacks {', '.join(missing)}")
        known["timestamp"] = parse_timestamp(known["timestamp"])
        known.setdefault("data", None)
        if known.get("schema_version", 0) == 0:  # logs older than the key
            known["schema_version"] = 1
        return cls(**known)


_ALL_FIELDS = tuple(f.name for f in fields(Event))
_OPTIONAL_FIELDS = (
    "session_id",
    "correlation_id",
    "causation_id",
    "aggregate_id",
    "aggregate_type",
    "seq_nr",
)
_TEXT_FIELDS = ("id", "type", *_OPTIONAL_FIELDS[:-1])

_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def format_timestamp(moment: datetime) -> str:
    """Return RFC 3339 text for an aware datetime, its offset and microseconds kept."""
    check_aware(moment, "timestamp")
    offset = moment.utcoffset()
    assert offset is not None
    if offset % timedelta(minutes=1):  # RFC 3339 has no seconds in an offset
        try:
            moment = moment.astimezone(UTC)
        except OverflowError as error:
            raise InvalidEventError(f"timestamp {moment} has no RFC 3339 form") from error
    text = moment.replace(tzinfo=None).isoformat()
    offset = moment.utcoffset()
    assert offset is not None
    if not offset:
        return text + "Z"
    sign, size = ("-", -offset) if offset < timedelta() else ("+", offset)
    hours, minutes = divmod(size // timedelta(minutes=1), 60)
    return f"{text}{sign}{hours:02}:{minutes:02}"


def parse_timestamp(text: object) -> datetime:
    """Return the aware datetime that RFC 3339 text names, cut to microseconds."""
    match = _TIMESTAMP.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise InvalidEventError(f"timestamp must be RFC 3339 with an offset, not {text!r:.80}")
    *parts, fraction, zulu, sign, hours, minutes = match.groups()
    zone: timezone = UTC
    if not zulu and (hours, minutes) != ("00", "00"):
        size = timedelta(hours=int(hours), minutes=int(minutes))
        if size >= timedelta(hours=24):
            raise InvalidEventError(f"timestamp {text!r} has an offset of a day or more")
        zone = timezone(-size if sign == "-" else size)
    micros = int((fraction or "")[:6].ljust(6, "0"))
    try:
        return datetime(*map(int, parts), micros, tzinfo=zone)  # type: ignore[misc, arg-type]
    except ValueError as error:
        raise InvalidEventError(f"timestamp {text!r}: {error}") from error


def check_aware(moment: datetime, what: str) -> None:
    """Raise `InvalidEventError` unless the datetime carries a time zone."""
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise InvalidEventError(f"{what} must be a datetime with a time zone, not {moment!r}")


def check_seq_nr(value: object, what: str) -> None:
    """Raise `InvalidEventError` unless the value is an int from 0 to `MAX_SEQ_NR`."""
    if type(value) is not int or not 0 <= value <= MAX_SEQ_NR:
        raise InvalidEventError(f"{what} must be an int from 0 to 2**63 - 1, not {value!r}")


_YEAR_1 = datetime(1, 1, 1)  # noqa: DTZ001  # naive on purpose: offsets are taken off by hand


def instant(moment: datetime) -> timedelta:
    """Return the time since year 1, UTC: a sort key that cannot overflow."""
    offset = moment.utcoffset()
    assert offset is not None
    return moment.replace(tzinfo=None) - _YEAR_1 - offset


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _check_text(text: str, where: str) -> None:
    # Two escapes in JSON that form a pair are one character, so such text cannot come back.
    if not text.isascii() and _SURROGATE_PAIR.search(text):
        raise InvalidEventError(f"event {where} holds a surrogate pair, which is not JSON text")


def _check_json(data: object, depth: int = 0) -> None:
    if data is None or isinstance(data, bool):
        return
    if isinstance(data, str):
        _check_text(data, "data")
    elif isinstance(data, (int, float)):
        _check_number(data)
    elif depth >= MAX_DATA_DEPTH:
        raise InvalidEventError(f"event data nests deeper than {MAX_DATA_DEPTH} levels")
    elif isinstance(data, list):
        for item in data:
            _check_json(item, depth + 1)
    elif isinstance(data, dict):
        for key, item in data.items():
            if not isinstance(key, str):
                raise InvalidEventError(f"event data has the key {key!r}, which is not a string")
            _check_text(key, "data")
            _check_json(item, depth + 1)
    else:
        raise InvalidEventError(f"event data holds {data!r:.80}, which is not JSON")


def _check_number(data: float) -> None:
    if isinstance(data, int):
        if data.bit_length() > _MAX_INT_BITS:
            raise InvalidEventError("event data holds an integer of more than 4000 digits")
    elif not math.isfinite(data):
        raise InvalidEventError(f"event data holds {data!r}, which is not JSON")


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendResult:
    """What an append did: `bytes_written` is 0 if it stored nothing new."""

    bytes_written: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadResult:
    """What a load found, and how many damaged lines or records it had to pass over."""

    events: Sequence[Event]
    file_count: int = 0
    corrupt_line_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of one projection kind after all events up to `seq_nr`."""

    aggregate_type: str
    seq_nr: int
    state: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CutoverResult:
    """What a cutover did; of an `already_done` result only that flag means anything."""

    already_done: bool
    event_count: int = 0
    cutover_seq_nr: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveResult:
    """How many events one call moved, and the highest number among them."""

    archived_count: int
    through_seq_nr: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a state came back.

    Args:
        seq_nr: The number of the last event in the recovered state.
        snapshot_seq_nr: The snapshot that was used; None after a full replay.
        replayed: How many events were applied.
        fell_back: Why the stored snapshot was not used; empty if it was, or
            if there was none to use.
    """

    seq_nr: int
    snapshot_seq_nr: int | None
    replayed: int
    fell_back: str = ""


@runtime_checkable
class EventStore(Protocol):
    """An append-only log of events, read by time or by sequence number."""

    def append(self, *events: Event) -> AppendResult:
        """Store all the events or none; once it returns, any new handle reads them.

        An event that is stored already, equal in all fields, is not stored
        again. No events: nothing happens.

        Raises:
            InvalidEventError: one of the events fails `Event.validate`.
            DuplicateEventError: an id is stored with other content.
        """
        ...

    def load_all(self) -> LoadResult:
        """Return every event, by timestamp; equal timestamps in append order."""
        ...

    def load_since(self, after: datetime) -> LoadResult:
        """Return the events whose timestamp is later than `after`, never equal to it."""
        ...

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        """Return the events numbered above `after_seq_nr`, ascending.

        Events of number 0 never come back from here, nor do those appended
        before the cutover, whatever number they carry.

        Raises:
            InvalidEventError: the number is not an int from 0 to 2**63 - 1.
        """
        ...

    def latest_seq_nr(self) -> int:
        """Return the highest number that `load_after_seq_nr` can return, or 0."""
        ...


@runtime_checkable
class SnapshotStore(Protocol):
    """One snapshot for each projection kind, replaced whole."""

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        """Replace the snapshot atomically, unless the stored one has a higher number."""
        ...

    def load(self, aggregate_type: str) -> Snapshot | None:
        """Return the snapshot, byte for byte, or None; damage raises or gives None."""
        ...


@runtime_checkable
class SeqAllocator(Protocol):
    """Hands out sequence numbers, each once, ascending in real time."""

    def alloc_seq_nr(self) -> int:
        """Return a number above every one handed out before, by whatever process.

        Raises:
            SeqNrExhaustedError: there is no number left.
        """
        ...

    def latest_seq_nr(self) -> int:
        """Return the number handed out last, or 0; allocates nothing."""
        ...

    def initialize_at(self, start_at: int) -> None:
        """Make the next number at least `start_at + 1`; never moves back."""
        ...


@runtime_checkable
class Recorder(Protocol):
    """Appends one session's events, numbered and linked to each other."""

    def record(self, event: Event) -> Event:
        """Store the event with its session, cause and number; return it as stored.

        The number is allocated and the event appended in one critical section:
        no event with a lower number appears after a reader was given a higher.
        """
        ...


@runtime_checkable
class Projection(Protocol):
    """A state that is a function of the events applied, and can be put into bytes."""

    version: int

    def apply(self, event: Event) -> None:
        """Take one event into the state."""
        ...

    def serialize(self) -> bytes:
        """Return bytes from which `deserialize` restores the same state."""
        ...

    def deserialize(self, state: bytes) -> None:
        """Replace the state by the one in the bytes, or raise."""
        ...


Durability: TypeAlias = Literal["none", "process", "power"]
Sharing: TypeAlias = Literal["thread", "process"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an adapter claims, and is then held to.

    Args:
        durability: What an acknowledged write survives: ``"none"``, the end of
            the ``"process"``, or a loss of ``"power"``.
        sharing: Who may have one location open at once: ``"thread"`` (of one
            process) or ``"process"``.
    """

    durability: Durability = "power"
    sharing: Sharing = "process"

    def __post_init__(self) -> None:
        if self.durability not in ("none", "process", "power"):
            raise ValueError(
                f'durability must be "none", "process" or "power", not {self.durability!r}'
            )
        if self.sharing not in ("thread", "process"):
            raise ValueError(f'sharing must be "thread" or "process", not {self.sharing!r}')


@dataclass(kw_only=True)
class Ports:
    """Everything one adapter offers on one location; None is *not offered*.

    Args:
        event_store: The log.
        snapshot_store: Where snapshots are kept.
        seq_allocator: Where sequence numbers come from.
        recorder: Gives the recorder of a session id.
        cutover: Runs the one-time cutover for an aggregate type.
        lock: Mutual exclusion among all handles on the location, re-entrant.
        recover: Brings a projection up to date, for an aggregate type.
        archive: Moves the events numbered below a given number out of the active log.
        capabilities: What the adapter claims.
    """

    event_store: EventStore
    snapshot_store: SnapshotStore | None = None
    seq_allocator: SeqAllocator | None = None
    recorder: Callable[[str], Recorder] | None = None
    cutover: Callable[[str], CutoverResult] | None = None
    lock: AbstractContextManager[Any] | None = None
    recover: Callable[[Projection, str], Recovery] | None = None
    archive: Callable[[int], ArchiveResult] | None = None
    capabilities: Capabilities = Capabilities()

    def close(self) -> None:
        """Close every port that has a `close`, each once, even if one of them fails."""
        errors: list[Exception] = []
        for port in self._each_once():
            close = getattr(port, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:
                    errors.append(error)
        if errors:
            raise errors[0] if len(errors) == 1 else ExceptionGroup("closing the ports", errors)

    def _each_once(self) -> Iterator[object]:
        seen: list[object] = []
        for f in fields(self):
            port = getattr(self, f.name)
            if port is not None and not any(port is other for other in seen):
                seen.append(port)
                yield port
