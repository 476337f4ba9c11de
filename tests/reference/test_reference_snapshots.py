"""Snapshots as files: names, exact bytes, damage, killed and racing savers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from eventstore_reference import FileSnapshotStore
from eventstore_reference.filenames import file_stem
from pytest_eventstore.ports import ClosedError, CorruptionError, InvalidEventError, Snapshot

KIND = "amadeus.state"


@pytest.fixture
def store(tmp_path: Path) -> FileSnapshotStore:
    return FileSnapshotStore(tmp_path)


def path_of(location: Path, kind: str = KIND) -> Path:
    return location / "snapshots" / f"{file_stem(kind)}.json"


# Names


def test_plain_names_stay_readable() -> None:
    assert file_stem("amadeus.state") == "amadeus.state"
    assert file_stem("a-b_c.9") == "a-b_c.9"


def test_no_two_names_collide_where_case_and_dots_do_not_count() -> None:
    kinds = [
        *("a", "A", "a.", "a ", " a", ".a", "..a", ".", "..", "a/b", "a\\b", "%61", "a%2fb"),
        *("é", "e\u0301", "ﬁ", "fi", "\0", "\ud800", "con", "con.x", "CON", "nul", "%63on"),
        *("a" * 180, "a" * 181, "a" * 300, "a" * 299 + "b", "A" * 60, "A" * 61, "a:b", "a*", "~"),
    ]
    stems = [file_stem(kind) for kind in kinds]
    assert len({f"{stem}.json".lower() for stem in stems}) == len(kinds)
    for stem in stems:
        assert len(stem) <= 200
        assert "/" not in stem
        assert not stem.startswith(".")
        assert stem.isascii()
        assert stem.isprintable()
        assert stem.split(".")[0] not in ("con", "nul")


@pytest.mark.parametrize("kind", ["", None, 7, b"bytes"])
def test_what_is_no_name_is_refused(store: FileSnapshotStore, kind: str) -> None:
    with pytest.raises(InvalidEventError):
        store.save(kind, 1, b"x")
    with pytest.raises(InvalidEventError):
        store.load(kind)


# Contents


@pytest.mark.parametrize(
    "state", [b"", b"\n", b"{}", b' {"a" : 1}\r\n', bytes(range(256)), b"null"]
)
def test_the_state_is_kept_byte_for_byte(
    tmp_path: Path, store: FileSnapshotStore, state: bytes
) -> None:
    store.save(KIND, 2**63 - 1, state)
    expected = Snapshot(aggregate_type=KIND, seq_nr=2**63 - 1, state=state)
    assert FileSnapshotStore(tmp_path).load(KIND) == expected
    header, _, rest = path_of(tmp_path).read_bytes().partition(b"\n")
    assert json.loads(header)["seq_nr"] == 2**63 - 1
    assert rest == state


def test_every_damage_is_noticed(tmp_path: Path, store: FileSnapshotStore) -> None:
    store.save(KIND, 7, b'{"balance":12}')
    path = path_of(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        for damaged in (
            whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
            whole[:place],
            whole[:place] + whole[place + 1 :],
        ):
            path.write_bytes(damaged)
            with pytest.raises(CorruptionError):
                store.load(KIND)
    path.write_bytes(whole + b"x")
    with pytest.raises(CorruptionError):
        store.load(KIND)


def test_a_snapshot_under_another_name_is_not_taken(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    store.save(KIND, 7, b"x")
    os.rename(path_of(tmp_path), path_of(tmp_path, "other"))
    with pytest.raises(CorruptionError, match=KIND):
        store.load("other")


# Which one wins


def test_a_higher_or_equal_number_replaces_and_a_lower_does_not(store: FileSnapshotStore) -> None:
    for number, state in [
        (5, b"five"),
        (4, b"four"),
        (5, b"five again"),
        (6, b"six"),
        (0, b"null"),
    ]:
        store.save(KIND, number, state)
    assert store.load(KIND) == Snapshot(aggregate_type=KIND, seq_nr=6, state=b"six")


def test_a_damaged_snapshot_does_not_stand_in_the_way(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    store.save(KIND, 9, b"nine")
    path = path_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    store.save(KIND, 3, b"three")
    assert store.load(KIND) == Snapshot(aggregate_type=KIND, seq_nr=3, state=b"three")


def test_a_removed_snapshot_makes_way_for_a_lower_number(store: FileSnapshotStore) -> None:
    store.remove(KIND)
    store.save(KIND, 9, b"nine")
    store.remove(KIND)
    assert store.load(KIND) is None
    store.save(KIND, 1, b"one")
    assert list(store.aggregate_types()) == [KIND]


# Failing and killed savers


@pytest.mark.parametrize("name", ["write", "fsync", "replace"])
def test_a_failing_save_leaves_the_old_one_and_no_debris(
    tmp_path: Path, store: FileSnapshotStore, name: str
) -> None:
    store.save(KIND, 1, b"one")
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*args: object) -> None:
            raise OSError(28, "no space left")

        patch.setattr(os, name, refuse)
        with pytest.raises(OSError, match="no space"):
            store.save(KIND, 2, b"two")
    assert store.load(KIND) == Snapshot(aggregate_type=KIND, seq_nr=1, state=b"one")
    assert os.listdir(tmp_path / "snapshots") == [f"{KIND}.json"]
    store.save(KIND, 2, b"two")


def test_what_killed_savers_leave_is_one_file_that_is_not_loaded(
    tmp_path: Path, store: FileSnapshotStore
) -> None:
    store.save(KIND, 1, b"one")
    with pytest.MonkeyPatch.context() as patch:

        class KilledError(BaseException):
            pass

        def kill(*args: object) -> None:
            raise KilledError

        patch.setattr(os, "replace", kill)
        patch.setattr(os, "unlink", kill)
        for number in range(2, 6):
            with pytest.raises(KilledError):
                store.save(f"kind-{number}", number, b"never")
    assert len(os.listdir(tmp_path / "snapshots")) == 2
    assert list(store.aggregate_types()) == [KIND]
    assert store.load("kind-3") is None
    store.save("kind-3", 3, b"at last")
    assert sorted(os.listdir(tmp_path / "snapshots")) == [f"{KIND}.json", "kind-3.json"]


def test_a_closed_store_refuses(store: FileSnapshotStore) -> None:
    store.close()
    store.close()
    with pytest.raises(ClosedError):
        store.load(KIND)
    with pytest.raises(ClosedError):
        store.save(KIND, 1, b"x")


@pytest.mark.parametrize("number", [-1, 1.0, True, "1", 2**63, None])
def test_a_number_that_is_none_is_refused(store: FileSnapshotStore, number: int) -> None:
    with pytest.raises(InvalidEventError):
        store.save(KIND, number, b"x")
    with pytest.raises(InvalidEventError):
        store.save(KIND, 1, "text")  # type: ignore[arg-type]
    assert store.load(KIND) is None
