"""The log of what a process did to its location: operations with their data, in order.

Files are known by inode, so that a rename keeps what was written under the old
name. `Mark` stands between the operations where a step of the scenario began or
ended: what was acknowledged by then must survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_eventstore.lab.faults.images import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class _Done:
    call: int = 0
    """Which of the recorded calls did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(_Done):
    """A new, empty file; an `inode` that exists gets another name: a hard link."""

    path: str
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Symlink(_Done):
    """A new symbolic link."""

    path: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDirectory(_Done):
    """A new directory."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename(_Done):
    """A file under another name, in place of what stood there; inode 0 for a directory."""

    path: str
    new: str
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange(_Done):
    """Two files under each other's names."""

    path: str
    new: str
    inode: int
    new_inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Remove(_Done):
    """A name taken away: of a file, a link or an empty directory."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Write(_Done):
    """Bytes at an offset."""

    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize(_Done):
    """A file cut, or extended with NUL bytes."""

    inode: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync(_Done):
    """A file's data made durable; if it failed, what was un-synced is in doubt for ever."""

    inode: int
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncDirectory(_Done):
    """A directory's entries made durable."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncEverything(_Done):
    """All of it made durable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark(_Done):
    """A step of the scenario began, ended, or raised; not an operation."""

    step: int
    phase: Literal["begun", "done", "raised"]


NameOp: TypeAlias = Create | Symlink | MakeDirectory | Rename | Exchange | Remove
DataOp: TypeAlias = Write | Resize
SyncOp: TypeAlias = Sync | SyncDirectory | SyncEverything
Op: TypeAlias = NameOp | DataOp | SyncOp | Mark

NAME_OPS = (Create, Symlink, MakeDirectory, Rename, Exchange, Remove)
DATA_OPS = (Write, Resize)


@dataclass(frozen=True)
class Log:
    """Everything that happened from an image on.

    Args:
        start: What lay there, all of it durable.
        inodes: The inodes of the files in `start`.
        ops: What was done, in order.
        calls: The recorded calls in words; `op.call` points here.
        doubts: Why the log may not be the whole truth; empty if it is.
    """

    start: Image
    inodes: Mapping[str, int]
    ops: tuple[Op, ...]
    calls: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
