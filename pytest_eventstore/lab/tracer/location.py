"""One location and the calls on it: what a call acts on, and whether it counts."""

from __future__ import annotations

import contextlib
import os
import sys

from pytest_eventstore.lab.tracer.events import Stop
from pytest_eventstore.lab.tracer.syscalls import SIGNATURES, Signature
from pytest_eventstore.lab.tracer.tracee import Tracee

_Arguments = tuple[int, ...]


class TracedLocation:
    """The calls on a folder and all below it, and on sockets if they are wanted."""

    def __init__(self, root: str, *, sockets: bool) -> None:
        self._root = root
        self._below = root.rstrip("/") + "/"
        self._sockets = sockets

    def stop_at(self, tracee: Tracee, name: str, args: _Arguments, index: int) -> Stop | None:
        """Return the stop before a call on the location; None for a call on anything else."""
        signature = SIGNATURES[name]
        path, path2 = self._paths(tracee, name, signature, args)
        if not (
            self._is_inside(path)
            or self._is_inside(path2)
            or (self._sockets and _is_socket(tracee, signature, args, path))
        ):
            return None
        flags = _flags(tracee, name, args)
        return Stop(tracee.pid, tracee.tid, name, args, path, path2, flags, index)

    def _paths(
        self, tracee: Tracee, name: str, signature: Signature, args: _Arguments
    ) -> tuple[str, str]:
        path = self._root if name == "sync" else ""
        path2 = ""
        with contextlib.suppress(OSError):
            if signature.path is not None:
                path = _named(tracee, args, signature.path, signature.dirfd)
            elif signature.fd is not None:
                path = tracee.descriptor(args[signature.fd])
            if signature.path2 is not None:
                path2 = _named(tracee, args, signature.path2, signature.dirfd2)
            elif signature.fd2 is not None:
                path2 = tracee.descriptor(args[signature.fd2])
        return path, path2

    def _is_inside(self, path: str) -> bool:
        return path == self._root or path.startswith(self._below)


def _named(tracee: Tracee, args: _Arguments, path: int, directory: int | None) -> str:
    return tracee.resolve(tracee.text(args[path]), None if directory is None else args[directory])


def _is_socket(tracee: Tracee, signature: Signature, args: _Arguments, path: str) -> bool:
    if signature.fd is None or not path.startswith("socket:"):
        return False
    return tracee.is_socket(args[signature.fd])


def _flags(tracee: Tracee, name: str, args: _Arguments) -> int:
    """Return how a file is opened, or which lock is asked for."""
    if name == "creat":
        return os.O_CREAT | os.O_WRONLY | os.O_TRUNC
    with contextlib.suppress(OSError):
        if name == "openat2":
            return int.from_bytes(tracee.read(args[2], 8), sys.byteorder)
        if name == "fcntl":  # struct flock begins with the kind of lock
            return int.from_bytes(tracee.read(args[2], 2), sys.byteorder)
    position = SIGNATURES[name].flags
    return 0 if position is None else args[position] & 0xFFFFFFFF
