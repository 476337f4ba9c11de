"""A recorded log builds the very disk that the program left, whatever calls it made."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.oplog import Log, Sync, Write
from pytest_eventstore.lab.tracer import shared_helper, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}")

PROGRAMS = (
    *("appended", "truncated", "vectored", "duplicated", "allocated", "copied", "named"),
    *("exchanged", "nameless", "brought_in", "synced_as_written", "locked"),
)


def recorded(name: str, location: Path) -> tuple[Log, Image, Image]:
    location = location / "location"
    location.mkdir()
    found: tuple[Log, Image, Image] = shared_helper().call(
        "lab.recording_jobs:record", name, str(location)
    )
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_log_builds_what_the_program_left(program: str, tmp_path: Path) -> None:
    log, left, built = recorded(program, tmp_path)

    assert log.doubts == ()
    assert log.ops
    assert left != log.start
    assert (built.files, built.directories, built.symlinks) == (
        left.files,
        left.directories,
        left.symlinks,
    )


def test_a_descriptor_that_syncs_is_believed(tmp_path: Path) -> None:
    log, _, _ = recorded("synced_as_written", tmp_path)
    (write,) = (op for op in log.ops if isinstance(op, Write))

    assert [op.inode for op in log.ops if isinstance(op, Sync)] == [write.inode]


def test_a_writable_mapping_of_data_is_a_doubt(tmp_path: Path) -> None:
    log, _, _ = recorded("mapped", tmp_path)

    assert log.doubts == (
        "old is mapped shared and writable: what is written there cannot be seen",
    )


def test_the_index_of_a_wal_is_none(tmp_path: Path) -> None:
    log, _, _ = recorded("mapped_index", tmp_path)

    assert log.doubts == ()
