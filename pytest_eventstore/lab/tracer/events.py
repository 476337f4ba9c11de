"""What a tracer reports: a stop at a call, and the end of a process."""

from __future__ import annotations

import errno as errno_names
import os
import signal as signals
from dataclasses import dataclass

from pytest_eventstore.lab.tracer.syscalls import (
    CHANGES,
    LOCKS,
    OPENS,
    READS,
    SLEEPS,
    SOCKETS,
)

BEGIN = "begin"
"""The name of the stop between a tracee's preparation and its run."""

PAUSE = "pause"
"""The name of the stop that a tracee asked for by `pause`."""

INTERRUPTED = "interrupted"
"""The name of the stop of a thread that `Tracer.interrupt` made stand."""

_UNLOCKED = {"flock": 8, "fcntl": 2}  # LOCK_UN, F_UNLCK
_MAY_CHANGE = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


@dataclass(frozen=True, slots=True)
class Stop:
    """A traced process stands before a call that it has not made yet.

    Args:
        pid: The process that `Tracer.spawn` returned, also if a thread or a
            child of it makes the call.
        tid: The thread that stands.
        name: The call, such as ``"pwrite64"``.
        args: Its six arguments as they are in the registers.
        path: The file that the call acts on, absolute; ``""`` for none,
            ``"socket:[…]"`` for a connection.
        path2: The new name of a rename or link; what a copying call reads from.
        flags: The flags of an open; the kind of lock that is asked for; 0 for other calls.
        index: Which of this process's reported calls it is, from 1 on; sleeps
            do not count and have 0.
    """

    pid: int
    tid: int
    name: str
    args: tuple[int, ...]
    path: str = ""
    path2: str = ""
    flags: int = 0
    index: int = 0

    @property
    def sleeps(self) -> bool:
        """Whether the process only wants to let time pass."""
        return self.name in SLEEPS

    @property
    def changes(self) -> bool:
        """Whether the call may change what is stored or make it durable."""
        if self.name in OPENS:
            return bool(self.flags & _MAY_CHANGE)
        return self.name in CHANGES

    @property
    def unlocks(self) -> bool:
        """Whether the call gives back a lock."""
        return self.name in LOCKS and self.flags == _UNLOCKED[self.name]

    @property
    def matters(self) -> bool:
        """Whether what another process does before the call can make a difference."""
        return self.changes or self.name in READS | LOCKS | SOCKETS

    def describe(self, root: str = "") -> str:
        """Return the call for a person to read, paths relative to the root."""
        paths = [_relative(path, root) for path in (self.path, self.path2) if path]
        return f"{self.name} {' '.join(paths)}".rstrip()


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that `Tracer.spawn` returned has ended, with all its threads.

    Args:
        pid: The process.
        code: Its exit status; None if a signal ended it.
        signal: The signal that ended it, or None.
        failure: The traceback if its function raised.
    """

    pid: int
    code: int | None
    signal: int | None = None
    failure: str = ""

    @property
    def clean(self) -> bool:
        """Whether the function returned."""
        return self.code == 0

    def describe(self) -> str:
        """Return how the process ended, for a person to read."""
        if self.signal is not None:
            return f"ended by {signals.Signals(self.signal).name}"
        return f"ended with status {self.code}" + (f":\n{self.failure}" if self.failure else "")


def error_name(result: int) -> str:
    """Return the name of the errno in a call's negative result, such as ``"ENOSPC"``."""
    return errno_names.errorcode.get(-result, str(result))


def _relative(path: str, root: str) -> str:
    if root and path.startswith(root.rstrip("/") + "/"):
        return path[len(root.rstrip("/")) + 1 :]
    return path
