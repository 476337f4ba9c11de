"""Stores that a sweep can prove nothing about, each for a reason of its own."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from mutants.storage import LineLog, ports
from pytest_eventstore.ports import AppendResult, Event, Ports


class _MappedLog(LineLog):
    """Keeps a count of its appends in a mapping that is written behind everybody's back."""

    def append(self, *events: Event) -> AppendResult:
        fd = os.open(f"{self.path}.count", os.O_RDWR | os.O_CREAT, 0o644)
        os.ftruncate(fd, mmap.PAGESIZE)
        with mmap.mmap(fd, mmap.PAGESIZE) as view:
            view[0] = (view[0] + 1) % 256
        os.close(fd)
        return super().append(*events)


def mapped(location: Path) -> Ports:
    """What it writes through the mapping cannot be recorded."""
    return ports(location, log=_MappedLog(location / "log"))


class _RestlessLog(LineLog):
    """Makes more calls each time it is opened."""

    extra = 0

    def append(self, *events: Event) -> AppendResult:
        for _ in range(self.extra):
            os.makedirs(f"{self.path}.d", exist_ok=True)
            os.rmdir(f"{self.path}.d")
        return super().append(*events)


def restless(location: Path) -> Ports:
    """What it does next cannot be foretold."""
    opened = location.parent / "opened"
    with opened.open("ab") as file:
        file.write(b".")
    store = _RestlessLog(location / "log")
    store.extra = opened.stat().st_size
    return ports(location, log=store)


def elsewhere(location: Path) -> Ports:
    """What it stores is not under its location."""
    return ports(location, log=LineLog(location.parent / f"{location.name}.log"))


def broken(location: Path) -> Ports:
    """Cannot append at all."""
    store = LineLog(location / "missing" / "log")
    return ports(location, log=store)
