"""Rotation: what goes, what stays, and kills at every step of it."""

from __future__ import annotations

import gzip
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from eventstore_reference import archive, open_memory, open_ports
from pytest_eventstore.lab.examples import EPOCH, make_event
from pytest_eventstore.ports import ArchiveResult, InvalidEventError, Ports
from reference.killing import killed_at_each_call

KIND = "amadeus.state"
DAY = timedelta(days=1)
NOTHING = ArchiveResult(archived_count=0)


@contextmanager
def opened(location: Path) -> Iterator[Ports]:
    ports = open_ports(location)
    try:
        yield ports
    finally:
        ports.close()


def fill(location: Path) -> None:
    """Two days of legacy events, a cutover, ten numbered ones, a snapshot at 6."""
    folder = location / "events"
    folder.mkdir(parents=True)
    for day in range(2):
        lines = [
            make_event(n, timestamp=EPOCH + day * DAY, seq_nr=n % 4).to_json_line()
            for n in range(5 * day, 5 * day + 5)
        ]
        (folder / f"2026-01-0{1 + day}.jsonl").write_text("\n".join(lines))
    with opened(location) as ports:
        assert ports.cutover is not None
        assert ports.recorder is not None
        assert ports.snapshot_store is not None
        ports.cutover(KIND)
        recorder = ports.recorder("s")
        for n in range(20, 30):
            recorder.record(make_event(n, timestamp=EPOCH + 2 * DAY))
        ports.snapshot_store.save(KIND, 6, b"{}")


def check_whole(location: Path) -> None:
    with opened(location) as ports:
        result = ports.event_store.load_all()
        assert result.corrupt_line_count == 0
        ids = [event.id for event in result.events if event.type != "system.cutover"]
        assert ids == [f"e{n}" for n in (*range(10), *range(20, 30))]
        for after in (0, 3, 6, 9, 11):
            numbers = [e.seq_nr for e in ports.event_store.load_after_seq_nr(after).events]
            assert numbers == list(range(after + 1, 12))
        assert ports.event_store.latest_seq_nr() == 11


def forget_index(location: Path) -> None:
    for path in (location / ".run").glob("index.db*"):
        path.unlink()


def test_without_a_snapshot_nothing_goes(tmp_path: Path) -> None:
    with opened(tmp_path) as ports:
        ports.event_store.append(make_event(1, seq_nr=1))
        assert archive(ports, 100) == NOTHING
    assert not (tmp_path / "archive").exists()


def test_the_sentinel_covers_nothing_and_neither_does_one_ahead_of_the_log(tmp_path: Path) -> None:
    with opened(tmp_path) as ports:
        assert ports.snapshot_store is not None
        ports.event_store.append(make_event(1, seq_nr=1))
        ports.snapshot_store.save(KIND, 0, b"null")
        assert archive(ports, 100) == NOTHING
        ports.snapshot_store.save(KIND, 9, b"{}")
        assert archive(ports, 100) == NOTHING


@pytest.mark.parametrize(
    ("before", "through", "count"), [(0, 0, 0), (1, 0, 0), (3, 2, 12), (99, 6, 16)]
)
def test_what_is_covered_and_below_goes_with_the_legacy_events(
    tmp_path: Path, before: int, through: int, count: int
) -> None:
    fill(tmp_path)
    with opened(tmp_path) as ports:
        result = archive(ports, before)
        assert result == ArchiveResult(archived_count=count, through_seq_nr=through)
        check_whole(tmp_path)
        assert archive(ports, before) == NOTHING
    check_whole(tmp_path)
    forget_index(tmp_path)
    check_whole(tmp_path)
    if count:
        assert sorted(os.listdir(tmp_path / "archive"))[:2] == [
            "2026-01-01.jsonl.gz",
            "2026-01-02.jsonl.gz",
        ]
        assert len(os.listdir(tmp_path / "events")) == 1


def test_every_kind_with_a_snapshot_must_be_covered(tmp_path: Path) -> None:
    fill(tmp_path)
    with opened(tmp_path) as ports:
        assert ports.snapshot_store is not None
        ports.snapshot_store.save("other", 3, b"{}")
        assert archive(ports, 99).through_seq_nr == 3


def test_archived_bytes_are_the_bytes_that_were_active(tmp_path: Path) -> None:
    fill(tmp_path)
    old = (tmp_path / "events" / "2026-01-01.jsonl").read_bytes()
    with opened(tmp_path) as ports:
        archive(ports, 99)
    with gzip.open(tmp_path / "archive" / "2026-01-01.jsonl.gz") as stream:
        assert stream.read() == old + b"\n"


def test_later_rotations_add_to_the_same_archive(tmp_path: Path) -> None:
    fill(tmp_path)
    with opened(tmp_path) as ports, opened(tmp_path) as other:
        assert ports.snapshot_store is not None
        for number in (2, 3, 6, 8, 11):
            ports.snapshot_store.save(KIND, number, b"{}")
            assert archive(ports, number + 1).through_seq_nr == number
            check_whole(tmp_path)
            assert len(other.event_store.load_all().events) == 21
        assert ports.recorder is not None
        stored = other.recorder("s").record(make_event(50)) if other.recorder else None
        assert stored is not None
        assert (stored.seq_nr, stored.causation_id) == (12, "e29")
        assert ports.event_store.load_after_seq_nr(11).events == [stored]
    forget_index(tmp_path)
    with opened(tmp_path) as ports:
        assert ports.event_store.load_after_seq_nr(11).events == [stored]


def test_a_kill_at_any_call_loses_and_doubles_nothing(tmp_path: Path) -> None:
    def rotate(location: Path) -> None:
        with opened(location) as ports:
            archive(ports, 5)

    for location in killed_at_each_call(tmp_path, fill, rotate):
        check_whole(location)
        with opened(location) as ports:
            assert archive(ports, 5).through_seq_nr in (0, 4)
            check_whole(location)
            assert ports.recorder is not None
            assert ports.recorder("s").record(make_event(40)).seq_nr == 12
        with gzip.open(location / "archive" / "2026-01-01.jsonl.gz") as stream:
            assert len(stream.read().splitlines()) == 5
        active = b"".join(p.read_bytes() for p in (location / "events").iterdir())
        assert active.count(b"\n") == 12 - 4
        assert not list(location.rglob("*.tmp"))


def test_a_damaged_archive_is_counted(tmp_path: Path) -> None:
    fill(tmp_path)
    with opened(tmp_path) as ports:
        archive(ports, 99)
    path = tmp_path / "archive" / "2026-01-02.jsonl.gz"
    whole = path.read_bytes()
    for place in range(10, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        for _ in range(2):  # with the index, then without
            with opened(tmp_path) as ports:
                result = ports.event_store.load_all()
                assert result.corrupt_line_count or len(result.events) == 21, place
                after = ports.event_store.load_after_seq_nr(6)
                assert [e.seq_nr for e in after.events] == [7, 8, 9, 10, 11]
                assert ports.event_store.latest_seq_nr() == 11
            forget_index(tmp_path)


def test_readers_and_recorders_go_on_meanwhile(tmp_path: Path) -> None:
    fill(tmp_path)
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        with opened(tmp_path) as ports:
            while not stop.is_set():
                seen.append(len(ports.event_store.load_all().events))
                numbers = [e.seq_nr for e in ports.event_store.load_after_seq_nr(0).events]
                assert numbers == list(range(1, len(numbers) + 1))

    errors: list[BaseException] = []

    def guarded() -> None:
        try:
            read()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    with opened(tmp_path) as ports:
        assert ports.recorder is not None
        assert ports.snapshot_store is not None
        recorder = ports.recorder("s")
        for n in range(100, 120):
            number = recorder.record(make_event(n)).seq_nr
            ports.snapshot_store.save(KIND, number, b"{}")
            assert archive(ports, number).through_seq_nr == number - 1
    stop.set()
    thread.join()
    assert not errors
    assert seen == sorted(seen)


def test_bad_numbers_and_other_adapters_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as ports, pytest.raises(InvalidEventError):
        archive(ports, -1)
    with pytest.raises(ValueError, match="file store"):
        archive(open_memory(tmp_path), 1)
