"""Sequence allocators with one fault each, over the in-memory adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eventstore_reference import memory
from mutants.registry import mutant
from pytest_eventstore.ports import MAX_SEQ_NR, Ports, SeqAllocator


class Allocator:
    """Passes every call on; a mutant overrides one."""

    def __init__(self, inner: Any) -> None:
        self.inner: SeqAllocator = inner

    def alloc_seq_nr(self) -> int:
        return self.inner.alloc_seq_nr()

    def latest_seq_nr(self) -> int:
        return self.inner.latest_seq_nr()

    def initialize_at(self, start_at: int) -> None:
        self.inner.initialize_at(start_at)

    def close(self) -> None:
        self.inner.close()  # type: ignore[attr-defined]  # the in-memory one has it


def _with(allocator: type[Allocator], location: Path) -> Ports:
    ports = memory.open_ports(location)
    ports.seq_allocator = allocator(ports.seq_allocator)
    return ports


@mutant(fails="SEQ-01", message="the number is 1")
def first_number_is_two(location: Path) -> Ports:
    class FromTwo(Allocator):
        def alloc_seq_nr(self) -> int:
            self.inner.initialize_at(1)
            return self.inner.alloc_seq_nr()

    return _with(FromTwo, location)


@mutant(
    fails="SEQ-01",
    companions=("SEQ-04", "SEQ-05", "SEQ-08"),
    message="numbers reserved by handle",
)
def numbers_reserved_by_handle(location: Path) -> Ports:
    class InBlocks(Allocator):
        next = end = 0

        def alloc_seq_nr(self) -> int:
            if self.next == self.end:
                self.next = self.inner.latest_seq_nr() + 1
                self.end = min(self.next + 10, MAX_SEQ_NR + 1)
                self.inner.initialize_at(self.end - 1)
                if self.next == self.end:
                    self.inner.alloc_seq_nr()
            self.next += 1
            return self.next - 1

        def latest_seq_nr(self) -> int:
            return self.next - 1 if self.next else self.inner.latest_seq_nr()

    return _with(InBlocks, location)


@mutant(fails="SEQ-04", message="initialize_at")
def initialize_moves_back(location: Path) -> Ports:
    class Assigning(Allocator):
        def initialize_at(self, start_at: int) -> None:
            self.inner._location.last_number = start_at  # type: ignore[attr-defined]

    return _with(Assigning, location)


@mutant(fails="SEQ-04", companions=("SEQ-05",), message="off by one")
def initialize_is_off_by_one(location: Path) -> Ports:
    class OneLess(Allocator):
        def initialize_at(self, start_at: int) -> None:
            self.inner.initialize_at(max(0, start_at - 1))

    return _with(OneLess, location)


@mutant(fails="SEQ-05", message="floating-point")
def numbers_are_doubles(location: Path) -> Ports:
    class Doubles(Allocator):
        def alloc_seq_nr(self) -> int:
            number = self.inner.alloc_seq_nr()
            return number if number > MAX_SEQ_NR - 2**10 else int(float(number))

    return _with(Doubles, location)


@mutant(fails="SEQ-05", message="after 2**63 - 1 raises")
def wraps_past_the_last_number(location: Path) -> Ports:
    class Wrapping(Allocator):
        def alloc_seq_nr(self) -> int:
            if self.inner.latest_seq_nr() == MAX_SEQ_NR:
                return -MAX_SEQ_NR - 1
            return self.inner.alloc_seq_nr()

    return _with(Wrapping, location)


@mutant(fails="SEQ-08", message="latest_seq_nr takes a number")
def latest_takes_a_number(location: Path) -> Ports:
    class Drawing(Allocator):
        def latest_seq_nr(self) -> int:
            return self.inner.alloc_seq_nr()

    return _with(Drawing, location)


@mutant(fails="SEQ-08", message="latest_seq_nr() is 0")
def latest_is_one_before_the_first(location: Path) -> Ports:
    class AtLeastOne(Allocator):
        def latest_seq_nr(self) -> int:
            return max(1, self.inner.latest_seq_nr())

    return _with(AtLeastOne, location)


@mutant(fails="SEQ-08", message="answers from memory")
def latest_is_what_this_handle_drew(location: Path) -> Ports:
    class OwnOnly(Allocator):
        drawn = 0

        def alloc_seq_nr(self) -> int:
            self.drawn = self.inner.alloc_seq_nr()
            return self.drawn

        def latest_seq_nr(self) -> int:
            return self.drawn

    return _with(OwnOnly, location)
