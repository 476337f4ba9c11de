"""The counter in a SQLite file: alone, above a log, lost, damaged, exhausted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from eventstore_reference import SqliteSeqCounter
from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    ClosedError,
    CorruptionError,
    InvalidEventError,
    SeqNrExhaustedError,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "seq.db"


@pytest.fixture
def counter(path: Path) -> Iterator[SqliteSeqCounter]:
    with closing(SqliteSeqCounter(path)) as counter:
        yield counter


def test_reading_makes_no_file(path: Path, counter: SqliteSeqCounter) -> None:
    assert counter.latest_seq_nr() == 0
    assert not path.exists()


def test_numbers_go_on_over_reopening_and_between_handles(
    path: Path, counter: SqliteSeqCounter
) -> None:
    assert [counter.alloc_seq_nr() for _ in range(3)] == [1, 2, 3]
    with closing(SqliteSeqCounter(path)) as other:
        assert other.latest_seq_nr() == 3
        assert other.alloc_seq_nr() == 4
    assert counter.alloc_seq_nr() == 5


def test_every_number_is_synced_before_it_is_returned(counter: SqliteSeqCounter) -> None:
    counter.alloc_seq_nr()
    connection = counter._file.open(create=False)
    assert connection is not None
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_initializing_never_moves_back(counter: SqliteSeqCounter) -> None:
    counter.initialize_at(10)
    assert counter.latest_seq_nr() == 10
    counter.initialize_at(3)
    assert counter.alloc_seq_nr() == 11


def test_numbers_end_and_do_not_wrap(counter: SqliteSeqCounter) -> None:
    counter.initialize_at(MAX_SEQ_NR - 1)
    assert counter.alloc_seq_nr() == MAX_SEQ_NR
    for _ in range(2):
        with pytest.raises(SeqNrExhaustedError):
            counter.alloc_seq_nr()
    assert counter.latest_seq_nr() == MAX_SEQ_NR


@pytest.mark.parametrize("value", [-1, 2**63, 1.5, True, "7", None])
def test_a_start_that_is_no_number_is_refused(counter: SqliteSeqCounter, value: int) -> None:
    with pytest.raises(InvalidEventError):
        counter.initialize_at(value)
    assert counter.latest_seq_nr() == 0


def test_the_next_number_is_above_the_floor(path: Path) -> None:
    floor = 7
    with closing(SqliteSeqCounter(path, floor=lambda: floor)) as counter:
        assert counter.latest_seq_nr() == 7
        assert counter.alloc_seq_nr() == 8
        floor = 3
        assert counter.alloc_seq_nr() == 9


@pytest.mark.parametrize("loss", ["deleted", "emptied", "garbage", "deleted alone"])
def test_a_lost_file_starts_above_the_floor(path: Path, loss: str) -> None:
    with closing(SqliteSeqCounter(path, floor=lambda: 41)) as counter:
        assert counter.alloc_seq_nr() == 42
        if loss == "deleted":
            for file in path.parent.iterdir():
                file.unlink()
        elif loss == "deleted alone":
            path.unlink()
        if loss.startswith("deleted"):
            assert counter.alloc_seq_nr() == 42
    if loss in ("emptied", "garbage"):
        path.write_bytes(b"" if loss == "emptied" else b"not a database" * 500)
    with closing(SqliteSeqCounter(path, floor=lambda: 43)) as other:
        assert other.latest_seq_nr() in (42, 43)
        assert other.alloc_seq_nr() == 44


def test_without_a_log_to_go_by_a_damaged_file_is_an_error(
    path: Path, counter: SqliteSeqCounter
) -> None:
    counter.alloc_seq_nr()
    counter.close()
    path.write_bytes(b"not a database" * 500)
    with closing(SqliteSeqCounter(path)) as other:
        with pytest.raises(CorruptionError):
            other.alloc_seq_nr()
        with pytest.raises(CorruptionError):
            other.latest_seq_nr()


def test_a_handle_inherited_through_fork_works(counter: SqliteSeqCounter) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    assert counter.alloc_seq_nr() == 1
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, b"%d" % counter.alloc_seq_nr())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reader, 10) == b"2"
    os.close(reader)
    os.close(writer)
    assert counter.alloc_seq_nr() == 3


def test_a_failing_commit_hands_out_nothing(path: Path, counter: SqliteSeqCounter) -> None:
    counter.alloc_seq_nr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("eventstore_reference.sqlite_counter._NEXT", "SELECT no_such_column")
        with pytest.raises(sqlite3.OperationalError):
            counter.alloc_seq_nr()
    assert counter.alloc_seq_nr() == 2


def test_a_closed_counter_refuses(counter: SqliteSeqCounter) -> None:
    counter.alloc_seq_nr()
    counter.close()
    counter.close()
    for call in (counter.alloc_seq_nr, counter.latest_seq_nr, lambda: counter.initialize_at(1)):
        with pytest.raises(ClosedError):
            call()
