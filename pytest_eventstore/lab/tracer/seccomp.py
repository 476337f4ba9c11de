"""A seccomp filter that stops a process at the listed calls and at no others.

All other calls run at the speed of an untraced process. What could get past
the filter (io_uring, the 32-bit and x32 call tables) is refused with ENOSYS,
so that no write goes unseen; programs fall back to ordinary calls then.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct
from collections.abc import Iterable

from pytest_eventstore.lab.tracer.syscalls import Condition, Table

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER_AT, _ARCH_AT, _ARGS_AT = 0, 4, 16  # in struct seccomp_data
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000

_ALLOW = 0x7FFF0000
_TRACE = 0x7FF00000
_NO_SUCH_CALL = 0x00050000 | errno.ENOSYS

_SET_NO_NEW_PRIVS = 38
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SECCOMP_SET_MODE_FILTER, _SYNC_ALL_THREADS = 1, 1

_Instruction = tuple[int, int, int, int]


def build(table: Table, calls: Iterable[str], machine: str | None = None) -> bytes:
    """Return the filter program for the calls; names that the machine lacks are passed over."""
    machine = machine or platform.machine()
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCH_AT),
        (_JUMP_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _NO_SUCH_CALL),
        (_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine == "x86_64":
        program += [(_JUMP_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    for name in sorted(calls):
        if name in table.numbers:
            block = [*_conditions(table.conditions(name)), (_RETURN, 0, 0, _TRACE)]
            program += [(_JUMP_EQUAL, 0, len(block), table.numbers[name]), *block]
    for name in table.bypasses:
        program += [(_JUMP_EQUAL, 0, 1, table.numbers[name]), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    program.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _conditions(conditions: Iterable[Condition]) -> Iterable[_Instruction]:
    """All of the conditions must hold, or the call is allowed without a stop."""
    for condition in conditions:
        yield (_LOAD, 0, 0, _ARGS_AT + 8 * condition.argument)
        if condition.any_bit_of:
            yield (_JUMP_ANY_BIT, 1, 0, condition.any_bit_of)
        else:
            for position, value in enumerate(condition.one_of):
                yield (_JUMP_EQUAL, len(condition.one_of) - position, 0, value)
        yield (_RETURN, 0, 0, _ALLOW)


def install(program: bytes) -> None:
    """Put the filter on the calling process, all its threads and all that it will start."""
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    head = ctypes.create_string_buffer(header, len(header))
    if libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_NO_NEW_PRIVS)")
    number = _SECCOMP[platform.machine()]
    if libc.syscall(number, _SECCOMP_SET_MODE_FILTER, _SYNC_ALL_THREADS, head):
        raise OSError(ctypes.get_errno(), "seccomp(SECCOMP_SET_MODE_FILTER)")
