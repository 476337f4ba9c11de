"""Rotation: events that snapshots cover move to compressed files.

For each file the archive is made durable first; only then is the active file
removed, or cut to what stays. Killed in between, the events are in both, which
the index notices: equal events count once, and the next rotation finishes.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from eventstore_reference.durable import replace_file, sync_folder, sync_folders
from eventstore_reference.index import Index, IndexedFile
from eventstore_reference.indexed_log import IndexedLog
from eventstore_reference.layout import ARCHIVE, Layout
from eventstore_reference.log_files import LogFile
from pytest_eventstore.ports import ArchiveResult, CorruptionError

_PIECE = 1 << 20
_SCRATCH = ".rotating.tmp"


@dataclass(frozen=True, slots=True)
class _Move:
    """What of one active file goes to its archive.

    Args:
        file: The active file.
        indexed: The same as the index knows it.
        end: Up to where it goes.
        stays: Whether the file is kept for what lies behind.
        without: Stretches that are archived already.
    """

    file: LogFile
    indexed: IndexedFile
    end: int
    stays: bool
    without: list[tuple[int, int]]


def rotate(layout: Layout, log: IndexedLog, through: int) -> ArchiveResult:
    """Move the events numbered up to `through`, and older ones without number, to archives.

    Only a beginning of the log goes, so that append order is kept: an event
    with a higher number holds back what was appended after it. The caller
    holds the location's lock.
    """
    index = log.tail().index
    log.forget_tail()
    count = highest = 0
    for move in _moves(log, index, through):
        here, number = index.count_before(move.indexed.id, move.end)
        base, archived = _write_archive(layout, log, move)
        kept = _shorten(layout, move)
        try:
            _note(index, move, archived, kept, base)
        except sqlite3.Error:
            log.drop_index()  # it says where lines were, not where they are
            raise
        count += here
        highest = max(highest, number)
    return ArchiveResult(archived_count=count, through_seq_nr=highest)


def _moves(log: IndexedLog, index: Index, through: int) -> list[_Move]:
    active = [file for file in index.files() if not file.archived]
    if not active:
        return []
    first = index.first_staying(through, [file.id for file in active])
    moves = []
    for indexed in active:
        file = log.files.named(indexed.name)
        if file is None:
            raise CorruptionError(f"{indexed.name} is gone")
        reached = first is not None and first.file == indexed.id
        end = first.start if first is not None and reached else file.size
        if end > 0:
            stays = reached or indexed is active[-1]
            without = index.duplicates(indexed.id, end)
            moves.append(_Move(file, indexed, end, stays, without))
        if reached:
            break
    return moves


def _write_archive(layout: Layout, log: IndexedLog, move: _Move) -> tuple[int, LogFile]:
    """Add a file's part to its archive; return how long that was before, and the archive."""
    name = f"{ARCHIVE}/{os.path.basename(move.file.name)}.gz"
    path = os.path.join(layout.location, name)
    os.makedirs(layout.archive, exist_ok=True)
    before = log.files.named(name)
    base = 0
    if before is not None:
        with log.files.open(before) as stream:
            while piece := stream.read(_PIECE):
                base += len(piece)
    pieces = _compressed(path, move) if _size(move) else _copied(path)
    replace_file(path, pieces, scratch=os.path.join(layout.archive, _SCRATCH))
    sync_folders(layout.archive, layout.location)
    after = log.files.named(name)
    assert after is not None
    return base, after


def _size(move: _Move) -> int:
    return move.end - sum(length + 1 for _, length in move.without)


def _copied(path: str) -> Iterator[bytes]:
    try:
        with open(path, "rb") as old:
            while piece := old.read(_PIECE):
                yield piece
    except FileNotFoundError:
        return


def _compressed(path: str, move: _Move) -> Iterator[bytes]:
    """Yield the archive so far and, as one more gzip member, what is added to it."""
    yield from _copied(path)
    last_byte = b"\n"
    gzip_member = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    with open(move.file.path, "rb") as stream:
        for start, end in _stretches(move):
            stream.seek(start)
            left = end - start
            while left and (piece := stream.read(min(_PIECE, left))):
                left -= len(piece)
                last_byte = piece[-1:]
                yield gzip_member.compress(piece)
    if last_byte != b"\n":
        yield gzip_member.compress(b"\n")
    yield gzip_member.flush()


def _stretches(move: _Move) -> Iterator[tuple[int, int]]:
    start = 0
    for left_out, length in move.without:
        if left_out > start:
            yield start, left_out
        start = left_out + length + 1
    if start < move.end:
        yield start, move.end


def _shorten(layout: Layout, move: _Move) -> LogFile | None:
    """Remove the active file, or cut it to what stays; return what is left of it."""
    if not move.stays:
        os.unlink(move.file.path)
        sync_folder(layout.events)
        return None
    with open(move.file.path, "rb") as stream:
        stream.seek(move.end)
        rest = iter(lambda: stream.read(_PIECE), b"")
        replace_file(move.file.path, rest, scratch=os.path.join(layout.events, _SCRATCH))
    status = os.stat(move.file.path)
    return LogFile(move.file.name, move.file.path, status.st_ino, status.st_size)


def _note(index: Index, move: _Move, archived: LogFile, kept: LogFile | None, base: int) -> None:
    """Tell the index what lies where now."""
    with index.transaction():
        known = {file.name: file for file in index.files()}
        target = known.get(archived.name)
        if target is None:
            target = index.add_file(archived.name, archived.inode)
        else:
            index.set_inode(target.id, archived.inode)
        if move.indexed.marked:
            index.mark_file(target.id)
        index.forget_duplicates(move.indexed.id, move.end)
        shift = base
        for start, end in _stretches(move):
            index.move(move.indexed.id, start, end, to=target.id, shift=shift - start)
            shift += end - start
        if kept is None:
            index.forget_file(move.indexed.id)
        else:
            rest = move.file.size + 1
            index.move(move.indexed.id, move.end, rest, to=move.indexed.id, shift=-move.end)
            index.set_inode(move.indexed.id, kept.inode)
