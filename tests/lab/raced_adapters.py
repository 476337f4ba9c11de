"""Adapters whose counters behave in ways that the freeze sweep must tell apart.

Each is the SQLite adapter of the tests with another allocator. None has a
fault but those that say so.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from adapters import sqlite_tables
from pytest_eventstore.ports import Ports


class Allocator:
    """Hands out what the function gives."""

    def __init__(self, alloc: Callable[[], int]) -> None:
        self._alloc = alloc

    def alloc_seq_nr(self) -> int:
        return self._alloc()

    def latest_seq_nr(self) -> int:
        return 0

    def initialize_at(self, start_at: int) -> None:
        raise NotImplementedError


def _with(location: Path, alloc: Callable[[], int]) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.seq_allocator = Allocator(alloc)
    return ports


def _move(path: Path) -> int:
    number = int(path.read_text() or 0) + 1 if path.exists() else 1
    path.write_text(str(number))
    return number


@contextmanager
def _flocked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def waits_in_the_kernel(location: Path) -> Ports:
    def alloc() -> int:
        with _flocked(location / "lock"):
            return _move(location / "number")

    return _with(location, alloc)


def waits_by_sleeping(location: Path) -> Ports:
    lock = location / "exists"

    def alloc() -> int:
        while True:
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                break
            except FileExistsError:
                time.sleep(3600)
        try:
            return _move(location / "number")
        finally:
            lock.unlink()

    return _with(location, alloc)


def _sleeping(location: Path, times: int) -> Ports:
    def alloc() -> int:
        time.sleep(3600)
        with _flocked(location / "lock"):
            for _ in range(times):
                time.sleep(3600)
            number = _move(location / "number")
            time.sleep(3600)
        return number

    return _with(location, alloc)


def sleeps_in_odd_places(location: Path) -> Ports:
    return _sleeping(location, 2)


def sleeps_again_and_again(location: Path) -> Ports:
    return _sleeping(location, 20)


def writes_in_another_thread(location: Path) -> Ports:
    pool = ThreadPoolExecutor(1)

    def alloc() -> int:
        with _flocked(location / "lock"):
            return pool.submit(_move, location / "number").result()

    return _with(location, alloc)


def writes_in_another_thread_without_a_lock(location: Path) -> Ports:
    """Has a fault."""
    pool = ThreadPoolExecutor(1)
    return _with(location, lambda: pool.submit(_move, location / "number").result())


def touches_nothing(location: Path) -> Ports:
    return _with(location, time.monotonic_ns)


def takes_another_way_each_time(location: Path) -> Ports:
    def alloc() -> int:
        with _flocked(location / "lock"):
            for byte in os.urandom(40):
                if byte % 2:
                    os.close(os.open(location / "padding", os.O_WRONLY | os.O_CREAT))
                else:
                    os.mkdir(location / os.urandom(8).hex())
            return _move(location / "number")

    return _with(location, alloc)


def fails(location: Path) -> Ports:
    def alloc() -> int:
        (location / "number").touch()
        raise OSError("no luck today")

    return _with(location, alloc)


def dies(location: Path) -> Ports:
    def alloc() -> int:
        os.kill(os.getpid(), signal.SIGABRT)
        return 0

    return _with(location, alloc)


def waits_for_ever(location: Path) -> Ports:
    def alloc() -> int:
        while not (location / "never").exists():
            time.sleep(0.01)
        return 0

    return _with(location, alloc)


def lacks_a_counter(location: Path) -> Ports:
    ports = sqlite_tables.open_ports(location)
    ports.seq_allocator = None
    return ports


SERVER_PORT = "EVENTSTORE_TEST_COUNTER_PORT"


def _ask(location: Path, words: str) -> int:
    with socket.create_connection(("127.0.0.1", int(os.environ[SERVER_PORT]))) as connection:
        connection.sendall(f"{location.name} {words}\n".encode())
        return int(connection.makefile().readline())


def asks_a_server(location: Path) -> Ports:
    return _with(location, lambda: _ask(location, "incr"))


def asks_a_server_then_tells_it(location: Path) -> Ports:
    """Has a fault."""

    def alloc() -> int:
        number = _ask(location, "get") + 1
        return _ask(location, f"set {number}")

    return _with(location, alloc)
