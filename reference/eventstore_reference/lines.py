"""Lines of the log: how they are framed, checked and salvaged.

A line that this package writes ends in marks, which readers of the plain
format pass over as unknown keys::

    {"schema_version":1, … ,"_batch":"2/3","_crc":"9ae0daaf"}

`_crc` is the CRC-32 of the line without that mark. `_batch` stands in events
that were appended together: which one of how many. Lines without marks, written
by other tools, are events all the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from pytest_eventstore.ports import Event, InvalidEventError

_CRC = re.compile(rb',"_crc":"([0-9a-f]{8})"\}\Z')
_CRC_SIZE = len(',"_crc":"00000000"}')
_CRC_ANYWHERE = re.compile(rb',"_crc":"([0-9a-f]{8})"\}')
_BATCH = re.compile(rb',"_batch":"([1-9][0-9]*)/([1-9][0-9]*)"\Z')
_BATCH_SIZE_MAX = 64
_START = re.compile(rb'\{"schema_version":')
_SALVAGE_TRIES = 200

_KNOWN_KEYS = frozenset(
    (
        "schema_version",
        "id",
        "type",
        "timestamp",
        "data",
        "session_id",
        "correlation_id",
        "causation_id",
        "aggregate_id",
        "aggregate_type",
        "seq_nr",
    )
)


_encode = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode


def encode(event: Event) -> str:
    """Return `event.to_json_line()`, without making an encoder each time."""
    return _encode(event.to_json_object())


def frame(texts: list[str]) -> list[bytes]:
    """Return the lines, marks and line feeds included, of events appended together."""
    count = len(texts)
    framed = []
    for number, text in enumerate(texts, 1):
        body = text.encode("ascii")[:-1]
        if count > 1:
            body += b',"_batch":"%d/%d"' % (number, count)
        framed.append(b'%b,"_crc":"%08x"}\n' % (body, crc32(body)))
    return framed


@dataclass(frozen=True, slots=True)
class Line:
    """A line that holds an event.

    Args:
        event: The event.
        start: Where the line begins within the bytes it was found in.
        length: Its length without the line feed.
        crc: The CRC-32 of those bytes.
        marked: Whether it carries marks.
        batch: Which one of how many events appended together; (1, 1) if alone.
    """

    event: Event
    start: int
    length: int
    crc: int
    marked: bool
    batch: tuple[int, int] = (1, 1)


def read_line(text: bytes, *, after_marked: bool, start: int = 0) -> Line | None:
    """Return what a line holds, or None if it is damaged.

    Args:
        text: The line without its line feed.
        after_marked: Whether a marked line came before it in the same file. Then
            a line without marks must look like one of another tool, and not like
            one of ours whose marks were damaged.
        start: Taken over into the result.
    """
    match = _CRC.search(text[-_CRC_SIZE:])
    batch = (1, 1)
    if match is not None:
        body = text[:-_CRC_SIZE]
        if crc32(body) != int(match[1], 16):
            return None
        if mark := _BATCH.search(body[-_BATCH_SIZE_MAX:]):
            batch = (int(mark[1]), int(mark[2]))
    try:
        value = json.loads(text)
        if match is None and after_marked and not _KNOWN_KEYS.issuperset(value):
            return None
        event = Event.from_json_object(value)
    except (InvalidEventError, ValueError, RecursionError, TypeError):
        return None
    return Line(event, start, len(text), crc32(text), match is not None, batch)


def salvage(text: bytes) -> Iterator[Line]:
    """Yield the marked lines that lie whole within a damaged one.

    A damaged line feed joins two lines, and a hole of NULs joins its
    neighbours: the checksum tells where a whole one begins and ends.
    """
    tries = 0
    done = 0
    for mark in _CRC_ANYWHERE.finditer(text):
        for begin in _START.finditer(text, done, mark.start()):
            tries += 1
            if tries > _SALVAGE_TRIES:
                return
            if crc32(text[begin.start() : mark.start()]) != int(mark[1], 16):
                continue
            line = read_line(
                text[begin.start() : mark.end()], after_marked=True, start=begin.start()
            )
            if line is not None:
                yield line
                done = mark.end()
                break


def looks_unwritten(text: bytes) -> bool:
    """Return whether a line has a hole of NULs, as a loss of power leaves behind."""
    return b"\0\0\0\0\0\0\0\0" in text
