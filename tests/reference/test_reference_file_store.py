"""The file store: files, repairs, damage, the index as a cache, failing writes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eventstore_reference import FileEventStore
from eventstore_reference.lines import frame
from pytest_eventstore.lab.examples import EPOCH, make_event
from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    ClosedError,
    DuplicateEventError,
    Event,
    LoadResult,
)

DAY = timedelta(days=1)
GO_LOG = Path(__file__).parents[1] / "data" / "go-log"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[FileEventStore]:
    with closing(FileEventStore(tmp_path)) as store:
        yield store


@pytest.fixture
def again(tmp_path: Path) -> Iterator[Callable[[], FileEventStore]]:
    """Open another handle; all are closed at the end."""
    opened: list[FileEventStore] = []

    def open_another() -> FileEventStore:
        opened.append(FileEventStore(tmp_path))
        return opened[-1]

    yield open_another
    for one in opened:
        one.close()


def ids(result: LoadResult) -> list[str]:
    return [event.id for event in result.events]


def log_file(location: Path) -> Path:
    (path,) = (location / "events").iterdir()
    return path


def forget_index(location: Path) -> None:
    for path in (location / ".run").glob("index.db*"):
        path.unlink()


# Files


def test_nothing_is_made_before_the_first_append(tmp_path: Path, store: FileEventStore) -> None:
    assert store.load_all().events == []
    assert store.load_after_seq_nr(0).events == []
    assert store.latest_seq_nr() == 0
    assert store.append().bytes_written == 0
    assert list(tmp_path.iterdir()) == []


def test_events_go_to_the_file_of_their_day(tmp_path: Path, store: FileEventStore) -> None:
    store.append(make_event(0))
    store.append(make_event(1, timestamp=EPOCH + 2 * DAY))
    assert sorted(os.listdir(tmp_path / "events")) == ["2026-01-01.jsonl", "2026-01-03.jsonl"]


def test_an_old_event_goes_behind_the_newest_file(tmp_path: Path, store: FileEventStore) -> None:
    store.append(make_event(0, timestamp=EPOCH))
    store.append(make_event(1, timestamp=EPOCH - 30 * DAY))
    assert log_file(tmp_path).name == "2026-01-01.jsonl"
    assert ids(store.load_all()) == ["e1", "e0"]


def test_an_event_of_the_future_goes_to_the_file_of_today(tmp_path: Path) -> None:
    with closing(FileEventStore(tmp_path, now=lambda: EPOCH)) as store:
        store.append(make_event(0, timestamp=datetime(9999, 12, 31, 23, 59, tzinfo=UTC)))
    assert log_file(tmp_path).name == "2026-01-01.jsonl"


def test_a_batch_over_several_days_is_one_write(tmp_path: Path, store: FileEventStore) -> None:
    batch = [make_event(n, timestamp=EPOCH + n * DAY) for n in range(4)]
    result = store.append(*batch)
    assert log_file(tmp_path).stat().st_size == result.bytes_written
    assert store.load_all().events == batch


def test_files_of_any_name_in_append_order(tmp_path: Path, store: FileEventStore) -> None:
    folder = tmp_path / "events"
    folder.mkdir()
    (folder / "zoo.jsonl").write_text(make_event(0, seq_nr=3).to_json_line() + "\n")
    (folder / "notes.txt").write_text("not a log")
    store.append(make_event(1, seq_nr=4))
    assert sorted(os.listdir(folder)) == ["notes.txt", "zoo.jsonl"]
    assert ids(store.load_after_seq_nr(0)) == ["e0", "e1"]


def test_the_log_of_the_go_tools_loads(tmp_path: Path, store: FileEventStore) -> None:
    shutil.copytree(GO_LOG / "events", tmp_path / "events")
    before = {p.name: p.read_bytes() for p in (tmp_path / "events").iterdir()}
    result = store.load_all()
    assert result.corrupt_line_count == 0
    assert result.file_count == len(before) == 3
    assert ids(result) == [f"go-{n}" for n in range(1, 10)]
    first = result.events[0]
    assert first.timestamp == datetime(2025, 11, 3, 8, 15, 30, 123456, tzinfo=UTC)
    assert [e.seq_nr for e in result.events] == [0, 0, 1, 2, 3, 0, 7, 7, 2**40]
    assert result.events[3].timestamp.utcoffset() == timedelta(hours=9)
    assert result.events[5].data == {"text": "naïve \U0001f40d \u2028", "n": 9007199254740993}
    store.append(make_event(0, type=SYSTEM_CUTOVER, seq_nr=1), make_event(1, seq_nr=2))
    assert [e.seq_nr for e in store.load_after_seq_nr(0).events] == [1, 2]
    for name, content in before.items():
        assert (tmp_path / "events" / name).read_bytes() == content


# What a killed writer leaves


@pytest.mark.parametrize("size", [1, 2])
def test_an_unfinished_write_is_gone_with_the_next_append(
    tmp_path: Path, store: FileEventStore, again: Callable[[], FileEventStore], size: int
) -> None:
    store.append(make_event(0, seq_nr=1))
    path = log_file(tmp_path)
    whole = path.read_bytes()
    unfinished = b"".join(frame([make_event(5 + n).to_json_line() for n in range(size)]))
    for cut in (1, 2, *range(3, len(unfinished) - 2, 17), len(unfinished) - 2):
        forget_index(tmp_path)
        path.write_bytes(whole + unfinished[:cut])
        other = again()
        assert ids(other.load_all()) == ["e0"]
        assert other.load_all().corrupt_line_count == 0
        other.append(make_event(1, seq_nr=2))
        assert ids(store.load_all()) == ["e0", "e1"], cut
        assert store.load_all().corrupt_line_count == 0
        forget_index(tmp_path)
        assert ids(other.load_all()) == ["e0", "e1"], cut
        other.close()


def test_a_line_that_lacks_only_its_line_feed_is_kept(
    tmp_path: Path, store: FileEventStore
) -> None:
    store.append(make_event(0, seq_nr=1))
    path = log_file(tmp_path)
    path.write_bytes(path.read_bytes() + frame([make_event(1, seq_nr=2).to_json_line()])[0][:-1])
    assert ids(store.load_after_seq_nr(0)) == ["e0", "e1"]
    store.append(make_event(2, seq_nr=3))
    forget_index(tmp_path)
    assert ids(store.load_after_seq_nr(0)) == ["e0", "e1", "e2"]
    assert path.read_bytes().count(b"\n") == 3


def test_a_doubled_tail_counts_once(tmp_path: Path, store: FileEventStore) -> None:
    store.append(make_event(0, seq_nr=1))
    store.append(make_event(1, seq_nr=2), make_event(2, seq_nr=3))
    path = log_file(tmp_path)
    path.write_bytes(path.read_bytes() * 2)
    assert ids(store.load_all()) == ["e0", "e1", "e2"]
    store.append(make_event(3, seq_nr=4))
    forget_index(tmp_path)
    assert ids(store.load_after_seq_nr(0)) == ["e0", "e1", "e2", "e3"]
    assert store.load_all().corrupt_line_count == 0


# Damage


@pytest.mark.parametrize("indexed", [True, False])
def test_a_flipped_byte_anywhere_is_counted_or_harmless(tmp_path: Path, indexed: bool) -> None:
    events = [make_event(n, seq_nr=n + 1) for n in range(3)]
    with closing(FileEventStore(tmp_path)) as store:
        store.append(events[0])
        store.append(*events[1:])
    path = log_file(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        if not indexed:
            forget_index(tmp_path)
        damaged = bytearray(whole)
        damaged[place] ^= 0x04
        inode = path.stat().st_ino
        path.write_bytes(damaged)
        assert path.stat().st_ino == inode
        with closing(FileEventStore(tmp_path)) as store:
            for result in (store.load_all(), store.load_after_seq_nr(0)):
                assert all(event in events for event in result.events)
                assert len(result.events) == 3 or result.corrupt_line_count > 0, place
                assert len(result.events) >= 2, place


def test_the_number_of_a_damaged_line_is_not_given_again(
    tmp_path: Path, store: FileEventStore
) -> None:
    store.append(make_event(0, seq_nr=1))
    store.append(make_event(1, seq_nr=2))
    path = log_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-30] + b"x" * 29 + b"\n")
    forget_index(tmp_path)
    assert ids(store.load_all()) == ["e0"]
    assert store.load_all().corrupt_line_count == 1
    assert store.highest_used_seq_nr() >= 2


def test_damage_before_a_number_does_not_count_for_reads_after_it(
    tmp_path: Path, store: FileEventStore
) -> None:
    for n in range(4):
        store.append(make_event(n, seq_nr=n + 1))
    path = log_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"e1"', b'"x1"'))
    forget_index(tmp_path)
    assert store.load_after_seq_nr(0).corrupt_line_count == 1
    assert store.load_after_seq_nr(1).corrupt_line_count == 1
    assert store.load_after_seq_nr(3).corrupt_line_count == 0
    assert store.load_after_seq_nr(4).corrupt_line_count == 0


def test_a_log_that_lost_published_bytes_says_so(tmp_path: Path, store: FileEventStore) -> None:
    store.append(make_event(0, seq_nr=1))
    store.append(make_event(1, seq_nr=2))
    os.truncate(log_file(tmp_path), log_file(tmp_path).stat().st_size - 20)
    for _ in range(2):
        result = store.load_all()
        assert (ids(result), result.corrupt_line_count) == (["e0"], 1)


# The index is a cache


def test_the_index_may_be_deleted_at_any_time(tmp_path: Path, store: FileEventStore) -> None:
    for n in range(5):
        store.append(make_event(n, seq_nr=n + 1))
        forget_index(tmp_path)
    assert ids(store.load_all()) == [f"e{n}" for n in range(5)]
    with pytest.raises(DuplicateEventError):
        store.append(make_event(3, data="other"))


@pytest.mark.parametrize("garbage", [b"", b"not a database" * 1000])
def test_a_damaged_index_is_made_anew(
    tmp_path: Path, again: Callable[[], FileEventStore], garbage: bytes
) -> None:
    with closing(again()) as store:
        store.append(make_event(0, seq_nr=1))
    (tmp_path / ".run" / "index.db").write_bytes(garbage)
    store = again()
    assert ids(store.load_all()) == ["e0"]
    store.append(make_event(1, seq_nr=2))
    assert ids(again().load_after_seq_nr(0)) == ["e0", "e1"]


def test_an_index_of_another_version_is_made_anew(
    tmp_path: Path, again: Callable[[], FileEventStore]
) -> None:
    with closing(again()) as store:
        store.append(make_event(0, seq_nr=1))
    with closing(sqlite3.connect(tmp_path / ".run" / "index.db")) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert ids(again().load_all()) == ["e0"]


def test_an_index_of_another_log_is_made_anew(
    tmp_path: Path, again: Callable[[], FileEventStore]
) -> None:
    with closing(again()) as store:
        store.append(make_event(0, seq_nr=1), make_event(1, seq_nr=2))
    path = log_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"seq_nr":2', b'"seq_nr":3'))  # breaks the mark
    text = make_event(7, seq_nr=9).to_json_line() + "\n"
    path.unlink()
    path.write_text(text)
    assert ids(again().load_all()) == ["e7"]
    assert again().latest_seq_nr() == 9


def test_a_file_that_appears_before_others_is_found(
    tmp_path: Path, store: FileEventStore, again: Callable[[], FileEventStore]
) -> None:
    store.append(make_event(5))
    (tmp_path / "events" / "2020-01-01.jsonl").write_text(make_event(1).to_json_line() + "\n")
    assert ids(again().load_all()) == ["e1", "e5"]


def test_a_stale_index_of_before_a_power_cut_is_not_believed(
    tmp_path: Path, again: Callable[[], FileEventStore]
) -> None:
    with closing(again()) as store:
        store.append(make_event(0, seq_nr=1))
    index = tmp_path / ".run" / "index.db"
    old = index.read_bytes()
    with closing(again()) as store:
        store.append(make_event(1, seq_nr=2))
    forget_index(tmp_path)
    index.write_bytes(old)
    assert ids(again().load_after_seq_nr(0)) == ["e0", "e1"]


def test_a_reader_beside_a_writer_serves_what_is_published(
    tmp_path: Path, store: FileEventStore, again: Callable[[], FileEventStore]
) -> None:
    store.append(make_event(0, seq_nr=1))
    hold = """
import sys
from eventstore_reference.locking import LocationLock
with LocationLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path / ".run" / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with open(log_file(tmp_path), "ab") as log:
            log.write(frame([make_event(1, seq_nr=2).to_json_line()])[0])
        assert ids(again().load_after_seq_nr(0)) == ["e0"]
    finally:
        holder.communicate(b"")
    assert ids(again().load_after_seq_nr(0)) == ["e0", "e1"]


# Failing writes


class Failing:
    """Makes one function of `os` fail at its n-th call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, name: str, at: int, *, short: bool) -> None:
        self.calls = 0
        real = getattr(os, name)

        def call(*args: object) -> object:
            self.calls += 1
            if self.calls == at:
                if short:
                    real(args[0], bytes(args[1])[:10])  # type: ignore[call-overload]
                raise OSError(28, "no space left")
            return real(*args)

        monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize(("name", "short"), [("write", False), ("write", True), ("fsync", False)])
def test_a_failing_write_stores_nothing_and_the_next_goes_well(
    tmp_path: Path,
    store: FileEventStore,
    again: Callable[[], FileEventStore],
    name: str,
    short: bool,
) -> None:
    store.append(make_event(0, seq_nr=1))
    size = log_file(tmp_path).stat().st_size
    with pytest.MonkeyPatch.context() as patch:
        failing = Failing(patch, name, 1, short=short)
        with pytest.raises(OSError, match="no space"):
            store.append(make_event(1, seq_nr=2), make_event(2, seq_nr=3))
        assert failing.calls
    assert log_file(tmp_path).stat().st_size == size
    for handle in (store, again()):
        assert ids(handle.load_all()) == ["e0"]
    store.append(make_event(3, seq_nr=2))
    assert ids(again().load_after_seq_nr(0)) == ["e0", "e3"]


def test_short_writes_are_carried_on(tmp_path: Path, store: FileEventStore) -> None:
    real = os.write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:7]))
        store.append(make_event(0, seq_nr=1), make_event(1, seq_nr=2))
    assert ids(store.load_all()) == ["e0", "e1"]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_new_files_name_is_durable_or_the_append_fails(
    tmp_path: Path, store: FileEventStore, again: Callable[[], FileEventStore], at: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        Failing(patch, "fsync", at, short=False)
        with pytest.raises(OSError, match="no space"):
            store.append(make_event(0, seq_nr=1))
    assert store.load_all().events == []
    store.append(make_event(1, seq_nr=1))
    assert ids(again().load_all()) == ["e1"]


def test_an_index_that_cannot_be_written_costs_no_event(
    tmp_path: Path, store: FileEventStore, again: Callable[[], FileEventStore]
) -> None:
    store.append(make_event(0, seq_nr=1))
    with pytest.MonkeyPatch.context() as patch:

        def refuse(*args: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        patch.setattr("eventstore_reference.index.Index.add_line", refuse)
        store.append(make_event(1, seq_nr=2))
    assert ids(again().load_after_seq_nr(0)) == ["e0", "e1"]
    assert ids(store.load_after_seq_nr(0)) == ["e0", "e1"]


def test_without_any_index_file_everything_still_works(
    tmp_path: Path, again: Callable[[], FileEventStore]
) -> None:
    (tmp_path / ".run" / "index.db").mkdir(parents=True)
    (tmp_path / ".run" / "index.db" / "in-the-way").touch()
    store = again()
    for n in range(3):
        store.append(make_event(n, seq_nr=n + 1))
    assert ids(store.load_after_seq_nr(1)) == ["e1", "e2"]
    assert ids(again().load_all()) == ["e0", "e1", "e2"]


def test_a_location_that_cannot_be_locked_is_read_all_the_same(
    tmp_path: Path, again: Callable[[], FileEventStore]
) -> None:
    again().append(make_event(0, seq_nr=1), make_event(1, seq_nr=2))
    shutil.rmtree(tmp_path / ".run")
    (tmp_path / ".run").touch()  # in the way of the folder, for root too
    reader = again()
    assert ids(reader.load_after_seq_nr(1)) == ["e1"]
    assert ids(reader.load_all()) == ["e0", "e1"]
    assert reader.latest_seq_nr() == 2
    with pytest.raises(OSError, match=r"\.run"):
        reader.append(make_event(2))


# Closing


def test_a_closed_store_refuses(store: FileEventStore) -> None:
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.append(make_event(0)),
        store.append,
        store.load_all,
        lambda: store.load_since(EPOCH),
        lambda: store.load_after_seq_nr(0),
        store.latest_seq_nr,
        store.holds_cutover,
        lambda: store.last_event_id("s"),
    ]
    for call in calls:
        with pytest.raises(ClosedError):
            call()


def test_lone_surrogates_are_kept(store: FileEventStore) -> None:
    odd = Event(id="\ud800", type="t", timestamp=EPOCH, data="\udfff", session_id="\ud801")
    store.append(odd)
    assert store.load_all().events == [odd]
    assert store.last_event_id("\ud801") == "\ud800"
