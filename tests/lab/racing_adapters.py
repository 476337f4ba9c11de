"""Adapters that misbehave in a worker process, each in one way."""

from __future__ import annotations

import os
import time
from pathlib import Path

from eventstore_reference import memory, open_ports
from pytest_eventstore.ports import Ports


class _Allocator:
    def __init__(self, path: Path) -> None:
        self.path = path

    def alloc_seq_nr(self) -> int:
        raise NotImplementedError

    def latest_seq_nr(self) -> int:
        return 0

    def initialize_at(self, start_at: int) -> None:
        pass


def _ports(location: Path, allocator: type[_Allocator]) -> Ports:
    ports = open_ports(location)
    ports.seq_allocator = allocator(location)
    return ports


def hangs(location: Path) -> Ports:
    class Hanging(_Allocator):
        def alloc_seq_nr(self) -> int:
            while True:
                time.sleep(60)

    return _ports(location, Hanging)


def dies(location: Path) -> Ports:
    class Dying(_Allocator):
        def alloc_seq_nr(self) -> int:
            os._exit(3)

    return _ports(location, Dying)


def refuses(location: Path) -> Ports:
    class Refusing(_Allocator):
        def alloc_seq_nr(self) -> int:
            raise OSError("database is locked")

    return _ports(location, Refusing)


def takes_turns(location: Path) -> Ports:
    """Correct, and no two of its calls ever overlap once it was opened."""

    class Alone(_Allocator):
        def alloc_seq_nr(self) -> int:
            return next(NUMBERS)

    return _ports(location, Alone)


NUMBERS = iter(range(1, 10**9))


def lacks_an_allocator(location: Path) -> Ports:
    ports = memory.open_ports(location)
    ports.seq_allocator = None
    return ports
