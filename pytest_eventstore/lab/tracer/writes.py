"""Writes before they are made: how much, what, and how to make them less."""

from __future__ import annotations

import sys
from collections.abc import Callable

from pytest_eventstore.lab.tracer.events import Stop
from pytest_eventstore.lab.tracer.ptrace import registers
from pytest_eventstore.lab.tracer.syscalls import SIGNATURES
from pytest_eventstore.lab.tracer.tracee import Tracee

_VECTOR_SIZE, _LENGTH_AT = 16, 8  # struct iovec


def size(tracee: Tracee, stop: Stop) -> int:
    """Return how many bytes the call wants to write; 0 if it is no write."""
    signature = SIGNATURES[stop.name]
    if signature.length is not None:
        return stop.args[signature.length]
    return sum(length for _, length in _vectors(tracee, stop))


def data(tracee: Tracee, stop: Stop) -> bytes:
    """Return the bytes that it wants to write; empty for copying calls."""
    signature = SIGNATURES[stop.name]
    if signature.length is not None and signature.fd2 is None:
        return tracee.read(stop.args[1], stop.args[signature.length])
    return b"".join(tracee.read(address, length) for address, length in _vectors(tracee, stop))


def shorten(tracee: Tracee, stop: Stop, most: int) -> Callable[[], None]:
    """Make the call write `most` bytes at most; return what puts its arguments back."""
    signature = SIGNATURES[stop.name]
    if signature.length is not None:
        position = signature.length
        registers().set_argument(stop.tid, position, min(most, stop.args[position]))
        return lambda: registers().set_argument(stop.tid, position, stop.args[position])
    if signature.vector is None:
        raise ValueError(f"{stop.name} writes no bytes that could be fewer")
    address, vectors = stop.args[signature.vector], _vectors(tracee, stop)
    original = tracee.read(address, len(vectors) * _VECTOR_SIZE)
    left = most
    for number, (_, length) in enumerate(vectors):
        kept = min(left, length)
        left -= kept
        place = address + number * _VECTOR_SIZE + _LENGTH_AT
        tracee.write(place, kept.to_bytes(8, sys.byteorder))
    return lambda: tracee.write(address, original)


def _vectors(tracee: Tracee, stop: Stop) -> list[tuple[int, int]]:
    position = SIGNATURES[stop.name].vector
    if position is None:
        return []
    return tracee.vectors(stop.args[position], stop.args[position + 1])
