"""The filter program, run by a small interpreter: which calls stop, pass, and are refused."""

from __future__ import annotations

import errno
import struct

import pytest

from pytest_eventstore.lab.tracer import seccomp
from pytest_eventstore.lab.tracer.syscalls import (
    CHANGES,
    LOCKS,
    NUMBERS,
    READS,
    SIGNATURES,
    SLEEPS,
    SOCKETS,
    Table,
)

ALLOW, TRACE, ERRNO = 0x7FFF0000, 0x7FF00000, 0x00050000
ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALL = CHANGES | LOCKS | READS | SLEEPS | SOCKETS


@pytest.fixture(params=sorted(NUMBERS))
def machine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def verdict(machine: str, number: int, *args: int, calls: frozenset[str] = ALL) -> int:
    program = seccomp.build(Table(machine), calls, machine)
    return interpret(program, ARCH[machine], number, args)


def interpret(program: bytes, arch: int, number: int, args: tuple[int, ...]) -> int:
    data = struct.pack("<iIQ6Q", number, arch, 0, *(*args, *(0,) * (6 - len(args))))
    code = list(struct.iter_unpack("<HBBI", program))
    at = accumulator = 0
    while True:
        what, yes, no, value = code[at]
        at += 1
        if what == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif what == 0x06:
            return int(value)
        else:
            holds = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[what]
            at += yes if holds else no


def test_every_listed_call_stops(machine: str) -> None:
    table = Table(machine)
    conditional = {"mmap", "fcntl", "select", "pselect6", "poll", "ppoll"}
    for name in ALL & set(table.numbers) - conditional:
        assert verdict(machine, table.numbers[name]) == TRACE, name


def test_unlisted_calls_run_untouched(machine: str) -> None:
    table = Table(machine)
    for name in ("close", "lseek", "futex"):
        assert verdict(machine, table.numbers[name]) == ALLOW, name
    assert verdict(machine, table.numbers["write"], calls=LOCKS) == ALLOW


@pytest.mark.parametrize(
    ("name", "args", "stops"),
    [
        ("fcntl", (3, 6), True),  # F_SETLK
        ("fcntl", (3, 7), True),  # F_SETLKW
        ("fcntl", (3, 38), True),  # F_OFD_SETLKW
        ("fcntl", (3, 5), False),  # F_GETLK
        ("fcntl", (3, 1), False),  # F_GETFD
        ("mmap", (0, 4096, 3, 1, 3, 0), True),  # writable, shared
        ("mmap", (0, 4096, 1, 1, 3, 0), False),  # read only
        ("mmap", (0, 4096, 3, 2, 3, 0), False),  # private
        ("pselect6", (0,), True),  # a sleep
        ("pselect6", (4,), False),  # input
        ("ppoll", (0x1000, 0), True),
        ("ppoll", (0x1000, 2), False),
    ],
)
def test_arguments_decide(machine: str, name: str, args: tuple[int, ...], stops: bool) -> None:
    expected = TRACE if stops else ALLOW
    assert verdict(machine, Table(machine).numbers[name], *args) == expected


def test_ways_around_are_refused(machine: str) -> None:
    refused = ERRNO | errno.ENOSYS
    for name in ("io_uring_setup", "io_uring_enter", "io_uring_register"):
        assert verdict(machine, Table(machine).numbers[name]) == refused
    program = seccomp.build(Table(machine), ALL, machine)
    other = next(arch for name, arch in ARCH.items() if name != machine)
    assert interpret(program, other, 1, ()) == refused


def test_x32_calls_are_refused_on_x86() -> None:
    assert verdict("x86_64", 0x40000000 + 1) == ERRNO | errno.ENOSYS


def test_every_call_of_the_groups_is_described_and_numbered() -> None:
    known = set().union(*NUMBERS.values())
    assert set(SIGNATURES) >= ALL
    assert known >= ALL


def test_numbers_are_distinct(machine: str) -> None:
    numbers = list(NUMBERS[machine].values())
    assert len(set(numbers)) == len(numbers)
