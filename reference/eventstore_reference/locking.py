"""One lock per location, for all threads and processes.

The file is locked the way `filelock.FileLock` locks it, so the two exclude each
other; taking it directly costs a fortieth of the time, which a recorder feels.
Where `fcntl` is missing, `filelock` itself does the work.
"""

from __future__ import annotations

import os
import random
import threading
import time
import weakref
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from eventstore_reference.forks import tell_forks
from pytest_eventstore.ports import LockTimeoutError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

DEFAULT_TIMEOUT = 180.0
"""Seconds to wait for a lock before giving up: long, so that a rebuild may finish."""

_SHORTEST_WAIT, _LONGEST_WAIT = 0.0002, 0.005


class LocationLock:
    """Excludes every other thread and process on one lock file; re-entrant in a thread.

    A holder that is killed releases it. All instances on one path within a
    process share their state, so the ports of several handles nest freely.

    Args:
        path: The lock file; it and its folder are made when first needed.
        timeout: How long to wait for another holder, in seconds.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._timeout = timeout
        self._shared = _states.of(os.path.realpath(path))

    def __enter__(self) -> Self:
        if not self._shared.acquire(self._timeout):
            raise LockTimeoutError(
                f"{self._shared.path} was held by another for {self._timeout:g} s"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._shared.release()

    def try_acquire(self) -> bool:
        """Take the lock if nobody holds it, without waiting; `release` gives it back."""
        return self._shared.acquire(0.0)

    def release(self) -> None:
        """Give back what `try_acquire` took."""
        self._shared.release()

    @property
    def hold(self) -> int:
        """A number that stands for the time this thread has held the lock; 0 if it does not."""
        shared = self._shared
        return shared.holds if shared.owner == threading.get_ident() else 0

    def stamp(self) -> tuple[int, int]:
        """Return what changes when a holder calls `change_stamp`, in whatever process."""
        try:
            status = os.stat(self._shared.stamp_path)
        except OSError:
            return 0, 0
        return status.st_ino, status.st_size

    def change_stamp(self) -> None:
        """Tell others that what they know of the location's files is old; under the lock."""
        with open(self._shared.stamp_path, "ab") as file:
            file.write(b".")


class _SharedState:
    """What the instances on one path in one process have in common."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.stamp_path = path + ".stamp"
        self.holds = 0
        self._forget_holder()
        tell_forks(self)

    def _forget_holder(self) -> None:
        self._threads = threading.RLock()
        self._depth = 0
        self.owner = 0
        self._file: _FlockedFile | _FileLocked | None = None

    def acquire(self, timeout: float) -> bool:
        started = time.monotonic()
        if not self._threads.acquire(timeout=timeout):
            return False
        try:
            if self._depth == 0:
                if self._file is None:
                    self._file = _FlockedFile(self.path) if fcntl else _FileLocked(self.path)
                left = timeout - (time.monotonic() - started)
                if not self._file.acquire(max(left, 0.0)):
                    self._threads.release()
                    return False
                self.holds += 1
                self.owner = threading.get_ident()
            self._depth += 1
        except BaseException:
            self._threads.release()
            raise
        return True

    def release(self) -> None:
        if self._depth == 0:
            return  # a fork took the lock away from this side of it
        self._depth -= 1
        if self._depth == 0 and self._file is not None:
            self.owner = 0
            self._file.release()
        self._threads.release()

    def after_fork(self) -> None:
        """In a forked child: the lock is the parent's, and its descriptor must not linger."""
        if isinstance(self._file, _FlockedFile):
            self._file.close()
        self._forget_holder()


class _FlockedFile:
    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def acquire(self, timeout: float) -> bool:
        fd = self._open()
        deadline = time.monotonic() + timeout
        wait = _SHORTEST_WAIT
        try:
            while not _try_flock(fd):
                if time.monotonic() >= deadline:
                    os.close(fd)
                    return False
                time.sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311 - spreads waiters only
                wait = min(wait * 1.5, _LONGEST_WAIT)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd
        return True

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            return os.open(self._path, flags, 0o644)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            return os.open(self._path, flags, 0o644)

    def release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            # Unlocking first: a child forked meanwhile may still hold a copy of fd.
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


def _try_flock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


class _FileLocked:
    def __init__(self, path: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        self._lock = FileLock(path, thread_local=False)

    def acquire(self, timeout: float) -> bool:
        try:
            self._lock.acquire(timeout=timeout, poll_interval=_LONGEST_WAIT)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        self._lock.release()


class _States:
    """The shared states of this process, by path."""

    def __init__(self) -> None:
        self._by_path: weakref.WeakValueDictionary[str, _SharedState] = (
            weakref.WeakValueDictionary()
        )
        self.after_fork()
        tell_forks(self)

    def after_fork(self) -> None:
        self._guard = threading.Lock()

    def of(self, path: str) -> _SharedState:
        with self._guard:
            state = self._by_path.get(path)
            if state is None:
                state = self._by_path[path] = _SharedState(path)
            return state


_states = _States()
