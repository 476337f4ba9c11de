"""Every verb of the tracer is seen to work, and seen to matter."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import tracing_jobs as jobs
from pytest_eventstore.lab.tracer import Exit, Stop, TracerHelper, availability, why_not

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture(scope="module")
def helper() -> Iterator[TracerHelper]:
    helper = TracerHelper()
    yield helper
    helper.close()


@pytest.fixture
def location(tmp_path: Path) -> Path:
    path = tmp_path / "location"
    path.mkdir()
    return path


def job(helper: TracerHelper, name: str, *args: Any) -> Any:
    return helper.call(f"lab.tracing_jobs:{name}", *args)


def relative(stops: list[Stop], location: Path) -> list[str]:
    return [stop.describe(str(location)) for stop in stops]


def test_every_call_is_seen_in_order(helper: TracerHelper, location: Path) -> None:
    stops, end = job(helper, "watch", "every_call", str(location))
    # Which of the two pwritev calls it is depends on how Python was built.
    names = tuple("pwritev2" if stop.name == "pwritev" else stop.name for stop in stops)
    assert names == jobs.EVERY_CALL
    assert [stop.index for stop in stops] == list(range(1, len(stops) + 1))
    assert end.clean, end.describe()


def test_paths_and_flags_are_seen(helper: TracerHelper, location: Path) -> None:
    stops, _ = job(helper, "watch", "every_call", str(location))
    seen = {stop.name: stop for stop in stops}
    assert seen["rename"].path == f"{location}/d/g"
    assert seen["rename"].path2 == f"{location}/d/h"
    assert seen["symlink"].path == f"{location}/d/j"
    assert seen["copy_file_range"].path == f"{location}/d/g"
    assert seen["copy_file_range"].path2 == f"{location}/d/f"
    assert seen["openat"].flags & os.O_CREAT
    assert seen["openat"].changes
    assert seen["flock"].flags == fcntl.LOCK_EX
    assert seen["fcntl"].flags == fcntl.F_WRLCK
    assert not seen["fcntl"].unlocks


def test_unlocking_is_told_from_locking(helper: TracerHelper, location: Path) -> None:
    stops, _ = job(helper, "watch", "locks_and_unlocks", str(location))
    locks = [(stop.name, stop.unlocks) for stop in stops if stop.name != "openat"]
    assert locks == [("flock", False), ("flock", True), ("fcntl", False), ("fcntl", True)]


def test_files_are_known_by_their_real_names(helper: TracerHelper, location: Path) -> None:
    stops, end = job(helper, "watch", "by_other_names", str(location))
    assert end.clean, end.describe()
    assert relative(stops, location) == [
        "mkdir real",
        "symlink link",
        "openat real",
        "openat real/a",
        "openat real/b",
        "openat real/c",
        "renameat real/a real/d",
    ]


def test_calls_elsewhere_are_not_reported(helper: TracerHelper, location: Path) -> None:
    stops, _ = job(helper, "watch", "outside_and_inside", str(location))
    assert relative(stops, location) == ["mkdir inside"]
    assert (location.parent / "outside").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("index", "left"),
    [
        (1, {"old": b"old"}),
        (2, {"old": b"old", "new": b""}),
        (3, {"old": b"old", "new": b"0123456789"}),
        (4, {"old": b"old", "new": b"0123456789"}),
        (5, {"old": b"old", "name": b"0123456789"}),
    ],
)
def test_kill_comes_before_the_call(
    helper: TracerHelper, location: Path, index: int, left: dict[str, bytes]
) -> None:
    (location / "old").write_bytes(b"old")
    end = job(helper, "kill_at", "write_then_rename", str(location), index)
    assert end.signal == signal.SIGKILL
    assert {path.name: path.read_bytes() for path in location.iterdir()} == left


def test_kill_that_never_comes_is_no_kill(helper: TracerHelper, location: Path) -> None:
    (location / "old").touch()
    end = job(helper, "kill_at", "write_then_rename", str(location), 6)
    assert end == Exit(end.pid, 0)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EMFILE])
@pytest.mark.parametrize("index", [1, 2, 3, 4, 5])
def test_refused_call_is_not_made_and_raises(
    helper: TracerHelper, location: Path, index: int, error: int
) -> None:
    (location / "old").touch()
    end = job(helper, "refuse_at", "writes_until_full", str(location), index, error)
    assert end.code == error
    made = {1: {"old"}, 2: {"old", "new"}, 3: {"old", "new"}, 4: {"old", "new"}}
    assert {path.name for path in location.iterdir()} == made.get(index, {"old", "name"})
    if index == 2:
        assert (location / "new").read_bytes() == b""


def test_shortened_writes_write_less_and_say_so(helper: TracerHelper, location: Path) -> None:
    results, data, end = job(helper, "shorten_all", "write_every_way", str(location), 4)
    assert results == [4, 4, 4]
    assert data == [b"0123456789"] * 4
    content = (location / "file").read_bytes()
    assert content[:100] == b"0123" + b"\0" * 96
    assert content[100:200] == b"0123" + b"\0" * 96
    # The last write shares the buffers of the shortened one, and is whole.
    assert content[200:] == b"0123" + b"0123456789"
    assert end.code == 4 + 4 + 4 + 10


def test_finish_tells_results_and_errors(helper: TracerHelper, location: Path) -> None:
    results = job(helper, "results_of", "write_then_rename", str(location))
    assert [name for name, _ in results] == ["openat", "write", "fsync", "rename", "unlink"]
    assert results[1] == ("write", 10)
    assert jobs.error_of(results[4][1]) == "ENOENT"


def test_finish_gives_up_on_a_call_that_blocks(helper: TracerHelper, location: Path) -> None:
    assert "flock" in job(helper, "finish_blocked", str(location))


def test_threads_are_followed(helper: TracerHelper, location: Path) -> None:
    stops, end = job(helper, "watch", "in_a_thread", str(location))
    assert relative(stops, location) == ["mkdir by-thread"]
    assert stops[0].tid != stops[0].pid == end.pid
    assert end.clean


def test_children_and_programs_are_followed(helper: TracerHelper, location: Path) -> None:
    stops, end = job(helper, "watch", "in_a_child", str(location))
    assert relative(stops, location) == ["mkdir by-child", "mkdir by-program"]
    assert {stop.pid for stop in stops} == {end.pid}
    assert end.clean, end.describe()


def test_sleeps_can_be_passed_over(helper: TracerHelper, location: Path) -> None:
    stops, end = job(helper, "watch", "sleeps_long", str(location))
    assert [stop.sleeps for stop in stops] == [True, False]
    assert [stop.index for stop in stops] == [0, 1]
    assert end.clean


def test_io_uring_cannot_slip_past(helper: TracerHelper, location: Path) -> None:
    _, end = job(helper, "watch", "uses_io_uring", str(location))
    assert end.code == errno.ENOSYS


@pytest.mark.parametrize(
    ("name", "call"), [("locks_the_file", "flock"), ("record_locks_the_file", "fcntl")]
)
def test_process_in_a_lock_is_seen_to_wait(
    helper: TracerHelper, location: Path, name: str, call: str
) -> None:
    before, after, went_on = job(helper, "waits_for_lock", name, str(location))
    assert before == call
    assert after is None
    assert went_on


def test_interrupted_process_is_not_given_its_lock(helper: TracerHelper, location: Path) -> None:
    assert job(helper, "interrupt_in_lock", str(location)) == ["interrupted", "third", "second"]


def test_busy_process_is_not_taken_to_wait(helper: TracerHelper, location: Path) -> None:
    assert set(job(helper, "waiting_of_busy", str(location))) == {None}


def test_preparation_is_not_traced(helper: TracerHelper, location: Path) -> None:
    assert job(helper, "prepared", str(location)) == ["write"]


def test_failed_preparation_is_told_apart(helper: TracerHelper, location: Path) -> None:
    assert "nothing there" in job(helper, "badly_prepared", str(location), "raises")
    assert "in time" in job(helper, "badly_prepared", str(location), "runs_forever")


def test_failure_of_a_tracee_is_told(helper: TracerHelper, location: Path) -> None:
    _, end = job(helper, "watch", "raises", str(location))
    assert not end.clean
    assert "LookupError: nothing there" in end.failure


def test_closing_leaves_no_process_and_no_zombie(helper: TracerHelper, location: Path) -> None:
    pids, left = job(helper, "left_behind", str(location))
    assert len(pids) == 4
    assert left == []


def test_works_without_root(helper: TracerHelper) -> None:
    assert job(helper, "selftest_as_nobody") == "True ''"


def test_other_platforms_are_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    untried = availability.why_not.__wrapped__
    with monkeypatch.context() as patch:
        patch.setattr("platform.machine", lambda: "riscv64")
        assert "riscv64" in str(untried())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "darwin" in str(untried())
