"""The crash models: what may be lost, what may not, and that every state has its number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_eventstore.lab.faults.disks import Model, build, state, states_at
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.oplog import (
    Create,
    Log,
    MakeDirectory,
    Op,
    Remove,
    Rename,
    Resize,
    Sync,
    SyncDirectory,
    Write,
)

Files = dict[str, bytes]


def disks(model: Model, *ops: Op, start: Files | None = None, point: int = -1) -> list[Files]:
    log = logged(ops, start)
    found = states_at(log, len(ops) if point < 0 else point, model)
    unique: dict[bytes, Files] = {}
    for candidate in found:
        image = build(log, candidate)
        unique[image.digest] = dict(image.files)
    return list(unique.values())


def logged(ops: Sequence[Op], start: Files | None = None) -> Log:
    files = start or {}
    return Log(Image(files), {name: n for n, name in enumerate(files, 100)}, tuple(ops))


NEW = (Create(path="f", inode=1), Write(inode=1, offset=0, data=b"data"))


def test_a_kill_loses_nothing() -> None:
    assert disks("kill", *NEW) == [{"f": b"data"}]


def test_without_a_sync_all_of_it_may_be_lost_or_there() -> None:
    found = disks("posix", *NEW)

    assert {} in found
    assert {"f": b""} in found
    assert {"f": b"da"} in found, "torn"
    assert {"f": bytes(4)} in found, "grown, its data lost"
    assert {"f": b"data"} in found


def test_a_synced_file_may_still_lose_its_name_in_posix_only() -> None:
    synced = (*NEW, Sync(inode=1))

    assert disks("posix", *synced) == [{}, {"f": b"data"}]
    assert disks("journal", *synced) == [{"f": b"data"}]


def test_a_synced_directory_keeps_the_name_and_not_the_data() -> None:
    found = disks("posix", *NEW, SyncDirectory(path=""))

    assert {} not in found
    assert {"f": b""} in found


def test_both_synced_leaves_one_disk() -> None:
    done = (*NEW, Sync(inode=1), SyncDirectory(path=""))

    for model in ("journal", "posix"):
        assert disks(model, *done) == [{"f": b"data"}]


def test_a_rename_is_undone_or_done_and_never_half() -> None:
    ops = (
        Create(path="t", inode=1),
        Write(inode=1, offset=0, data=b"new"),
        Sync(inode=1),
        Rename(path="t", new="f", inode=1),
    )
    found = disks("posix", *ops, start={"f": b"old"})

    assert sorted(map(sorted, (d.items() for d in found))) == [
        [("f", b"new")],
        [("f", b"old")],
        [("f", b"old"), ("t", b"new")],
    ]


def test_a_removed_file_comes_back_until_its_directory_is_synced() -> None:
    gone = (Remove(path="f"),)

    assert {"f": b"old"} in disks("journal", *gone, start={"f": b"old"})
    assert disks("journal", *gone, SyncDirectory(path=""), start={"f": b"old"}) == [{}]


def test_what_lies_in_a_lost_directory_is_lost() -> None:
    ops = (
        MakeDirectory(path="d"),
        Create(path="d/f", inode=1),
        Write(inode=1, offset=0, data=b"x"),
        Sync(inode=1),
        SyncDirectory(path="d"),
    )

    assert {} in disks("posix", *ops)
    assert disks("posix", *ops, SyncDirectory(path="")) == [{"d/f": b"x"}]


def test_a_sync_that_failed_leaves_its_data_in_doubt_for_ever() -> None:
    ops = (
        Write(inode=100, offset=3, data=b"+"),
        Sync(inode=100, failed=True),
        Sync(inode=100),
    )
    found = disks("posix", *ops, start={"f": b"old"})

    assert {"f": b"old"} in found
    again = (*ops, Write(inode=100, offset=3, data=b"+"), Sync(inode=100))
    assert disks("posix", *again, start={"f": b"old"}) == [{"f": b"old+"}]


def test_a_large_write_may_lack_its_first_block() -> None:
    found = disks("journal", Write(inode=100, offset=0, data=b"y" * 8192), start={"f": b""})

    assert {"f": bytes(4096) + b"y" * 4096} in found
    assert {"f": b"y" * 4096} in found


def test_a_lost_resize_leaves_the_old_length() -> None:
    found = disks("journal", Resize(inode=100, size=1), start={"f": b"old"})

    assert found == [{"f": b"o"}, {"f": b"old"}]


def test_a_later_name_may_persist_without_an_earlier_one_in_posix_only() -> None:
    ops = (Create(path="a", inode=1), Create(path="b", inode=2))

    assert {"b": b""} in disks("posix", *ops)
    assert {"b": b""} not in disks("journal", *ops)


def test_a_number_names_the_same_state_each_time() -> None:
    log = logged(NEW)
    for found in states_at(log, 2, "posix"):
        assert state(log, 2, "posix", found.number) == found


def test_an_image_comes_back_as_it_was(tmp_path: Path) -> None:
    image = Image({"d/f": b"x" * 5000, "g": b""}, frozenset({"d", "e"}), {"l": "g"})
    image.put(tmp_path)
    inode = (tmp_path / "g").stat().st_ino
    (tmp_path / "stray").write_bytes(b"?")
    (tmp_path / "g").write_bytes(b"changed")
    image.put(tmp_path)

    assert Image.of(tmp_path) == image
    assert (tmp_path / "g").stat().st_ino == inode, "overwritten, and not replaced"
