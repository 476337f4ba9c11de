"""Snapshots as files, one for each aggregate type, replaced whole.

A file is a header line, which is JSON, and after it the state, byte for byte::

    {"snapshot":1,"aggregate_type":"amadeus.state","seq_nr":7,"size":2,"blake2b":"…","_crc":"…"}
    {}

The header's own checksum tells whether its number may be believed without
reading the state.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO
from zlib import crc32

from eventstore_reference.durable import replace_file, sync_folder, sync_folders
from eventstore_reference.filenames import file_stem
from eventstore_reference.layout import Layout
from eventstore_reference.locking import LocationLock
from pytest_eventstore.ports import (
    ClosedError,
    CorruptionError,
    InvalidEventError,
    Snapshot,
    check_seq_nr,
)

_HEADER = re.compile(rb'(\{"snapshot":1,.*),"_crc":"([0-9a-f]{8})"\}\n', re.DOTALL)
_LONGEST_HEADER = 1 << 20
_SCRATCH = ".saving.tmp"


@dataclass(frozen=True, slots=True)
class _Header:
    aggregate_type: str
    seq_nr: int
    size: int
    blake2b: str


class FileSnapshotStore:
    """Keeps snapshots as files: a reader sees an old or a new one whole, or an error.

    Args:
        location: The folder under which ``snapshots/`` lies.
        lock: The lock of the location, if the caller has one already.
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        lock: AbstractContextManager[Any] | None = None,
    ) -> None:
        self._layout = Layout.of(location)
        self._lock = lock if lock is not None else LocationLock(self._layout.lock)
        self._closed = False

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        """Replace the snapshot durably, unless the stored one has a higher number."""
        self._check_open()
        path = self._path(aggregate_type)
        check_seq_nr(seq_nr, "snapshot seq_nr")
        if not isinstance(state, (bytes, bytearray, memoryview)):
            raise InvalidEventError(f"a snapshot's state must be bytes, not {state!r:.80}")
        state = bytes(state)
        with self._lock:
            if self._stored_is_newer(path, aggregate_type, seq_nr):
                # Its saver may have been killed before this; now we vouch for it.
                sync_folder(self._layout.snapshots)
                return
            if not os.path.isdir(self._layout.snapshots):
                os.makedirs(self._layout.snapshots, exist_ok=True)
            header = _encode_header(aggregate_type, seq_nr, state)
            scratch = os.path.join(self._layout.snapshots, _SCRATCH)
            replace_file(path, [header, state], scratch=scratch)
            sync_folders(self._layout.snapshots, self._layout.location)

    def load(self, aggregate_type: str) -> Snapshot | None:
        """Return the snapshot, or None if there is none.

        Raises:
            CorruptionError: the file is damaged, or another type's.
        """
        self._check_open()
        path = self._path(aggregate_type)
        try:
            snapshot = self.load_file(path)
        except FileNotFoundError:
            return None
        if snapshot.aggregate_type != aggregate_type:
            raise CorruptionError(f"{path} holds a snapshot of {snapshot.aggregate_type!r}")
        return snapshot

    def load_file(self, path: str) -> Snapshot:
        """Return the snapshot in a file, whatever the file's name.

        Raises:
            CorruptionError: the file is damaged.
        """
        with open(path, "rb") as file:
            header = _read_header(file, path)
            state = file.read()
        if len(state) != header.size or _digest(state) != header.blake2b:
            raise CorruptionError(f"{path}: the state is damaged")
        return Snapshot(aggregate_type=header.aggregate_type, seq_nr=header.seq_nr, state=state)

    @property
    def folder(self) -> str:
        """The folder the snapshots lie in."""
        return self._layout.snapshots

    def aggregate_types(self) -> Iterator[str]:
        """Yield the aggregate types that have a snapshot with a readable header."""
        for path in self.paths():
            try:
                with open(path, "rb") as file:
                    yield _read_header(file, path).aggregate_type
            except (CorruptionError, FileNotFoundError):
                continue

    def paths(self) -> list[str]:
        """Return the files of all snapshots."""
        self._check_open()
        try:
            names = sorted(os.listdir(self._layout.snapshots))
        except FileNotFoundError:
            return []
        return [os.path.join(self._layout.snapshots, n) for n in names if n.endswith(".json")]

    def remove(self, aggregate_type: str) -> None:
        """Remove the snapshot durably, so that a lower number may be saved."""
        self._check_open()
        path = self._path(aggregate_type)
        with self._lock:
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
            sync_folder(self._layout.snapshots)

    def close(self) -> None:
        """Refuse every later call; closing again does nothing."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("the snapshot store is closed")

    def _path(self, aggregate_type: str) -> str:
        return os.path.join(self._layout.snapshots, file_stem(aggregate_type) + ".json")

    def _stored_is_newer(self, path: str, aggregate_type: str, seq_nr: int) -> bool:
        try:
            with open(path, "rb") as file:
                if _read_header(file, path).seq_nr <= seq_nr:
                    return False
            self.load(aggregate_type)
        except (CorruptionError, FileNotFoundError):
            return False  # what cannot be loaded does not stand in the way
        return True


def _digest(state: bytes) -> str:
    return hashlib.blake2b(state, digest_size=16).hexdigest()


def _encode_header(aggregate_type: str, seq_nr: int, state: bytes) -> bytes:
    fields = {
        "snapshot": 1,
        "aggregate_type": aggregate_type,
        "seq_nr": seq_nr,
        "size": len(state),
        "blake2b": _digest(state),
    }
    body = json.dumps(fields, separators=(",", ":")).encode("ascii")[:-1]
    return b'%b,"_crc":"%08x"}\n' % (body, crc32(body))


def _read_header(file: BinaryIO, path: str) -> _Header:
    line = file.readline(_LONGEST_HEADER)
    match = _HEADER.fullmatch(line)
    if match is None or crc32(match[1]) != int(match[2], 16):
        raise CorruptionError(f"{path}: the header is damaged")
    fields = json.loads(line)
    return _Header(fields["aggregate_type"], fields["seq_nr"], fields["size"], fields["blake2b"])
