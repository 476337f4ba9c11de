"""The lock of a location: among threads, processes, forks, and with filelock."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from eventstore_reference.locking import LocationLock
from pytest_eventstore.ports import LockTimeoutError

HOLD = """
import sys
from eventstore_reference.locking import LocationLock
with LocationLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".run" / "lock"


@contextmanager
def held_elsewhere(path: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.communicate(b"")


def test_it_is_re_entrant_in_a_thread_and_among_its_instances(path: Path) -> None:
    one, other = LocationLock(path), LocationLock(path, timeout=0)
    with one, one, other:
        hold = one.hold
        assert hold
        assert other.hold == hold
    assert one.hold == 0
    with other:
        assert other.hold not in (0, hold)


def test_it_makes_nothing_before_it_is_taken(path: Path) -> None:
    LocationLock(path)
    assert not path.parent.exists()


def test_another_thread_waits(path: Path) -> None:
    lock, impatient = LocationLock(path), LocationLock(path, timeout=0.01)
    refused: list[BaseException] = []

    def try_it() -> None:
        assert impatient.hold == 0
        try:
            with impatient:
                pass
        except LockTimeoutError as error:
            refused.append(error)

    with lock:
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()
    assert len(refused) == 1
    thread = threading.Thread(target=try_it)
    thread.start()
    thread.join()
    assert len(refused) == 1


def test_another_process_waits_and_a_killed_one_lets_go(path: Path) -> None:
    with held_elsewhere(path) as process:
        assert not LocationLock(path).try_acquire()
        with (
            pytest.raises(LockTimeoutError, match="held by another"),
            LocationLock(path, timeout=0.01),
        ):
            pass
        process.kill()
        process.wait()
        with LocationLock(path, timeout=10):
            pass


def test_filelock_excludes_it_and_is_excluded(path: Path) -> None:
    theirs = filelock.FileLock(path, timeout=0)
    with held_elsewhere(path), pytest.raises(filelock.Timeout):
        theirs.acquire()
    with theirs:
        assert not LocationLock(path).try_acquire()
    lock = LocationLock(path)
    assert lock.try_acquire()
    lock.release()


def test_a_forked_child_does_not_hold_its_parents_lock(path: Path) -> None:
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    lock = LocationLock(path)
    with lock:
        child = os.fork()
        if child == 0:
            held = lock.hold or lock.try_acquire()
            os._exit(1 if held else 0)
        assert os.waitpid(child, 0)[1] == 0
        assert lock.hold
        assert not filelock_can_take(path)
    assert filelock_can_take(path)


def filelock_can_take(path: Path) -> bool:
    try:
        with filelock.FileLock(path, timeout=0):
            return True
    except filelock.Timeout:
        return False


def test_no_descriptor_is_left_behind(path: Path) -> None:
    fds = Path("/proc/self/fd")
    if not fds.exists():
        pytest.skip("this system does not list descriptors")
    before = len(os.listdir(fds))
    for _ in range(100):
        with LocationLock(path):
            pass
    with LocationLock(path):
        LocationLock(path).try_acquire()
        LocationLock(path).release()
    assert len(os.listdir(fds)) == before
