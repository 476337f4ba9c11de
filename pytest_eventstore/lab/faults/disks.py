"""Every disk that a crash may leave, built from a log of operations.

Three models say what may be lost at a point of the log::

    kill      nothing: the process died, the system lives, its cache is kept
    journal   names persist in the order in which they were made, and any sync commits all
              earlier ones; a file's data only by its own sync
    posix     a name persists only by a sync of its directory, in any combination with others;
              a file's data only by its own sync, and a file may have grown with its data lost

What is not yet durable is there, or gone, or partly there: data op by op, file by
file, cut within a write, or with its first block missing. States are numbered from 0 at
each point, in an order that depends on the log alone.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.oplog import (
    DATA_OPS,
    NAME_OPS,
    Create,
    DataOp,
    Exchange,
    Log,
    MakeDirectory,
    Mark,
    NameOp,
    Op,
    Remove,
    Rename,
    Resize,
    Symlink,
    Sync,
    SyncDirectory,
    SyncEverything,
    Write,
)

Model = Literal["kill", "journal", "posix"]
MODELS: tuple[Model, ...] = ("kill", "journal", "posix")

SECTOR, BLOCK = 512, 4096


@dataclass(frozen=True, slots=True)
class Part:
    """What of one write is there: the bytes from `start` to `stop`; NUL bytes elsewhere.

    Beyond `stop` nothing is written, unless `grown`: then the file has its new size.
    """

    op: int
    start: int
    stop: int
    grown: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """One disk that the crash at a point may leave.

    Args:
        point: How many operations of the log had been done.
        model: What the file system promises.
        number: Which state of this point and model.
        kept: The operations that are on the disk, by index.
        part: A write that is there in part only.
        loses_data: Whether data, and not only names, is missing.
        extreme: All or nothing of the data, and a prefix of the names.
    """

    point: int
    model: Model
    number: int
    kept: tuple[int, ...]
    part: Part | None = None
    loses_data: bool = False
    extreme: bool = True


def states_at(log: Log, point: int, model: Model) -> Iterator[State]:
    """Yield every state of one point, numbered; some may hold the same files."""
    done = [i for i in range(point) if isinstance(log.ops[i], (*NAME_OPS, *DATA_OPS))]
    if model == "kill":
        yield State(point, model, 0, tuple(done))
        return
    durable = _durable(log.ops[:point], done, model)
    names = [i for i in done if i not in durable and isinstance(log.ops[i], NAME_OPS)]
    data = [i for i in done if i not in durable and isinstance(log.ops[i], DATA_OPS)]
    number = 0
    for kept_names, in_order in _name_choices(names, model):
        for kept_data, part, whole in _data_choices(log.ops, data, model, finely=in_order):
            kept = tuple(sorted((*durable, *kept_names, *kept_data)))
            yield State(
                point,
                model,
                number,
                kept,
                part,
                loses_data=part is not None or len(kept_data) < len(data),
                extreme=in_order and whole,
            )
            number += 1


def state(log: Log, point: int, model: Model, number: int) -> State:
    """Return one state by its number; raises `LookupError` if there is none."""
    for found in states_at(log, point, model):
        if found.number == number:
            return found
    raise LookupError(f"no state {number} after operation {point} in the model {model}")


def _durable(ops: Sequence[Op], done: Iterable[int], model: Model) -> set[int]:
    """The operations that the syncs after them have made sure of."""
    durable = set()
    for i in done:
        op, later = ops[i], ops[i + 1 :]
        if isinstance(op, (Write, Resize)):
            if _data_is_durable(op, later):
                durable.add(i)
        elif model == "journal":
            # The journal commits in order, so whatever is synced takes all earlier names along.
            if any(isinstance(o, (SyncDirectory, SyncEverything)) or _synced(o) for o in later):
                durable.add(i)
        elif all(_entry_is_durable(d, later) for d in directories_of(op)):
            durable.add(i)
    return durable


def _synced(op: Op) -> bool:
    return isinstance(op, Sync) and not op.failed


def _data_is_durable(op: DataOp, later: Sequence[Op]) -> bool:
    for other in later:
        if isinstance(other, SyncEverything):
            return True
        if isinstance(other, Sync) and other.inode == op.inode:
            # After a failed sync the kernel takes the pages for clean: a later one skips them.
            return not other.failed
    return False


def _entry_is_durable(directory: str, later: Sequence[Op]) -> bool:
    return any(
        isinstance(o, SyncEverything) or (isinstance(o, SyncDirectory) and o.path == directory)
        for o in later
    )


def directories_of(op: Op) -> set[str]:
    """Return the directories whose entries an operation changes; "" is the location."""
    if isinstance(op, (Rename, Exchange)):
        return {os.path.dirname(op.path), os.path.dirname(op.new)}
    if isinstance(op, (Create, Symlink, MakeDirectory, Remove)):
        return {os.path.dirname(op.path)}
    return set()


def _name_choices(names: list[int], model: Model) -> Iterator[tuple[list[int], bool]]:
    """Subsets of the names, and whether each is a prefix in the order of making."""
    for count in range(len(names) + 1):
        yield names[:count], True
    if model == "posix" and len(names) > 1:
        for i in names[:-1]:
            yield [j for j in names if j != i], False
        for i in names[1:]:
            yield [i], False


def _data_choices(
    ops: Sequence[Op], data: list[int], model: Model, *, finely: bool
) -> Iterator[tuple[list[int], Part | None, bool]]:
    """Subsets of the data, a write that is there in part, and whether it is all or nothing."""
    yield data, None, True
    if not data:
        return
    yield [], None, True
    inodes = list(dict.fromkeys(_inode(ops[i]) for i in data))
    if len(inodes) > 1:
        for inode in inodes:
            yield [i for i in data if _inode(ops[i]) != inode], None, False
            yield [i for i in data if _inode(ops[i]) == inode], None, False
    if not finely:
        return
    if len(data) > 1:
        for i in data:
            yield [j for j in data if j != i], None, False
    last = {_inode(ops[i]): i for i in data}
    for i in last.values():
        for part in _parts(ops[i], i, model):
            yield data, part, False


def _parts(op: Op, index: int, model: Model) -> Iterator[Part]:
    if not isinstance(op, Write) or not op.data:
        return
    size = len(op.data)
    if size > 1:
        half = size // 2
        yield Part(index, 0, half // SECTOR * SECTOR if half >= SECTOR else half)
    first_block = BLOCK - op.offset % BLOCK
    if first_block < size:
        yield Part(index, first_block, size)
    if model == "posix":
        yield Part(index, 0, 0, grown=True)


def _inode(op: Op) -> int:
    assert isinstance(op, (Write, Resize))
    return op.inode


def build(log: Log, state: State) -> Image:
    """Return the files that a state holds."""
    return _Builder(log).build(state)


class _Builder:
    def __init__(self, log: Log) -> None:
        self._log = log
        self._names = dict(log.inodes)
        self._data: dict[int, bytearray] = {}
        self._directories = set(log.start.directories)
        self._symlinks = dict(log.start.symlinks)
        self._original = {inode: log.start.files[name] for name, inode in log.inodes.items()}

    def build(self, state: State) -> Image:
        for i in state.kept:
            op = self._log.ops[i]
            if isinstance(op, Write):
                part = state.part if state.part is not None and state.part.op == i else None
                self._write(op, part)
            elif isinstance(op, Resize):
                self._resize(op)
            elif not isinstance(op, (Sync, SyncDirectory, SyncEverything, Mark)):
                self._name(op)
        # What lies in a directory that was lost is lost with it.
        inside = [d for d in self._directories if self._reachable(os.path.dirname(d))]
        return Image(
            {
                name: self._content(inode)
                for name, inode in self._names.items()
                if self._reachable(os.path.dirname(name))
            },
            frozenset(inside),
            {n: t for n, t in self._symlinks.items() if self._reachable(os.path.dirname(n))},
        )

    def _reachable(self, directory: str) -> bool:
        while directory:
            if directory not in self._directories:
                return False
            directory = os.path.dirname(directory)
        return True

    def _content(self, inode: int) -> bytes:
        if inode in self._data:
            return bytes(self._data[inode])
        return self._original.get(inode, b"")

    def _buffer(self, inode: int) -> bytearray:
        if inode not in self._data:
            self._data[inode] = bytearray(self._original.get(inode, b""))
        return self._data[inode]

    def _write(self, op: Write, part: Part | None) -> None:
        buffer, data, offset = self._buffer(op.inode), op.data, op.offset
        if part is not None:
            if part.grown:
                buffer.extend(bytes(max(0, offset + len(data) - len(buffer))))
            offset, data = offset + part.start, data[part.start : part.stop]
            if not data:
                return
        if len(buffer) < offset:
            buffer.extend(bytes(offset - len(buffer)))
        buffer[offset : offset + len(data)] = data

    def _resize(self, op: Resize) -> None:
        buffer = self._buffer(op.inode)
        if len(buffer) > op.size:
            del buffer[op.size :]
        else:
            buffer.extend(bytes(op.size - len(buffer)))

    def _name(self, op: NameOp) -> None:
        if isinstance(op, Create):
            self._names[op.path] = op.inode
        elif isinstance(op, Symlink):
            self._symlinks[op.path] = op.target
        elif isinstance(op, MakeDirectory):
            self._directories.add(op.path)
        elif isinstance(op, Remove):
            self._names.pop(op.path, None)
            self._symlinks.pop(op.path, None)
            self._directories.discard(op.path)
        elif isinstance(op, Exchange):
            self._names[op.path], self._names[op.new] = op.new_inode, op.inode
        elif op.inode:
            # The entry is what persists: it names the inode even if the old name never did.
            if self._names.get(op.path) == op.inode:
                del self._names[op.path]
            self._names[op.new] = op.inode
        else:
            self._rename_directory(op.path, op.new)

    def _rename_directory(self, old: str, new: str) -> None:
        def moved(path: str) -> str:
            inside = path == old or path.startswith(f"{old}/")
            return new + path[len(old) :] if inside else path

        self._directories = {moved(d) for d in self._directories}
        self._names = {moved(n): i for n, i in self._names.items()}
        self._symlinks = {moved(n): t for n, t in self._symlinks.items()}
