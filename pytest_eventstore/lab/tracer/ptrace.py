"""ptrace(2) through ctypes: the few requests that the tracer needs, and the registers of a call.

Every function takes the id of a thread that is stopped and traced by the
calling process, and raises `OSError` as the kernel does; ESRCH means that the
thread was killed meanwhile.
"""

from __future__ import annotations

import ctypes
import platform
import struct
from dataclasses import dataclass
from functools import cache

TRACE_ME = 0
CONTINUE = 7
TO_NEXT_SYSCALL_STOP = 24
SET_OPTIONS = 0x4200
GET_EVENT_MESSAGE = 0x4201
GET_SYSCALL_INFO = 0x420E
_POKE_USER = 6
_GET_REGISTER_SET = 0x4204
_SET_REGISTER_SET = 0x4205

EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_SECCOMP = 1, 2, 3, 4, 7
NEW_TASK_EVENTS = frozenset({EVENT_FORK, EVENT_VFORK, EVENT_CLONE})

_SIGTRAP = 5  # by number: this module can be imported where there is no such signal
SYSCALL_STOP = _SIGTRAP | 0x80
"""The signal of a stop at the exit of a call, as `TRACE_SYSGOOD` marks it."""

OPTIONS = (
    0x1  # TRACE_SYSGOOD
    | 0x2  # fork
    | 0x4  # vfork
    | 0x8  # clone: threads
    | 0x10  # exec
    | 0x80  # seccomp
    | 0x100000  # EXITKILL: no tracee outlives the tracer
)

_SYSCALL_EXIT, _SECCOMP_STOP = 2, 3
_INFO_SIZE = 88
_WORD = 2**64 - 1


@dataclass(frozen=True, slots=True)
class SyscallInfo:
    """What a stopped thread is about to call."""

    number: int
    args: tuple[int, ...]


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.restype = ctypes.c_long
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    return libc


def request(what: int, tid: int, address: int = 0, data: int = 0) -> int:
    """Make one ptrace request; raise `OSError` if the kernel refuses it."""
    result = int(_libc().ptrace(what, tid, address, data))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace request {what:#x}")
    return result


def go_on(tid: int, deliver: int = 0) -> None:
    """Let a stopped thread run, with the signal delivered if one is given."""
    request(CONTINUE, tid, 0, deliver)


def send_signal(tkill: int, tid: int, what: int) -> None:
    """Send a signal to one thread, by the number that the call has on this machine."""
    if _libc().syscall(tkill, tid, int(what)):
        raise OSError(ctypes.get_errno(), "tkill")


def event_message(tid: int) -> int:
    """Return what the last event was about: the id of a new task, or the former id at exec."""
    message = ctypes.c_ulong()
    request(GET_EVENT_MESSAGE, tid, 0, ctypes.addressof(message))
    return int(message.value)


def call_at_stop(tid: int) -> SyscallInfo:
    """Return the call that a thread in a seccomp stop is about to make."""
    raw = _syscall_info(tid)
    if raw[0] != _SECCOMP_STOP:
        raise RuntimeError(f"thread {tid} is not in a seccomp stop but in one of kind {raw[0]}")
    number, *args = struct.unpack_from("7Q", raw, 24)
    return SyscallInfo(number, tuple(args))


def returned_at_stop(tid: int) -> int:
    """Return the result of the call that a thread has just made: a value, or minus the errno."""
    raw = _syscall_info(tid)
    if raw[0] != _SYSCALL_EXIT:
        raise RuntimeError(f"thread {tid} is not at the exit of a call but in a stop of {raw[0]}")
    return int(struct.unpack_from("q", raw, 24)[0])


def _syscall_info(tid: int) -> bytes:
    buffer = ctypes.create_string_buffer(_INFO_SIZE)
    request(GET_SYSCALL_INFO, tid, _INFO_SIZE, ctypes.addressof(buffer))
    return buffer.raw


class Registers:
    """How the registers of one machine carry a call; see `registers`."""

    def set_argument(self, tid: int, position: int, value: int) -> None:
        """Change one argument of the call that the thread is stopped at."""
        raise NotImplementedError

    def skip_call(self, tid: int, result: int) -> None:
        """Make the thread return `result` without having made its call."""
        raise NotImplementedError


class _X86(Registers):
    _ARGUMENTS = (14, 13, 12, 7, 9, 8)  # rdi rsi rdx r10 r8 r9, as words of struct user
    _RESULT, _NUMBER = 10, 15  # rax, orig_rax

    def set_argument(self, tid: int, position: int, value: int) -> None:
        self._poke(tid, self._ARGUMENTS[position], value)

    def skip_call(self, tid: int, result: int) -> None:
        self._poke(tid, self._NUMBER, -1)
        self._poke(tid, self._RESULT, result)

    @staticmethod
    def _poke(tid: int, word: int, value: int) -> None:
        request(_POKE_USER, tid, word * 8, value & _WORD)


class _Arm64(Registers):
    _GENERAL, _CALL_NUMBER = 1, 0x404  # NT_PRSTATUS, NT_ARM_SYSTEM_CALL
    _GENERAL_SIZE = 34 * 8

    def set_argument(self, tid: int, position: int, value: int) -> None:
        general = ctypes.create_string_buffer(self._GENERAL_SIZE)
        self._register_set(_GET_REGISTER_SET, tid, self._GENERAL, general)
        struct.pack_into("Q", general, position * 8, value & _WORD)
        self._register_set(_SET_REGISTER_SET, tid, self._GENERAL, general)

    def skip_call(self, tid: int, result: int) -> None:
        number = ctypes.create_string_buffer(struct.pack("i", -1), 4)
        self._register_set(_SET_REGISTER_SET, tid, self._CALL_NUMBER, number)
        self.set_argument(tid, 0, result)  # x0 carries the result too

    @staticmethod
    def _register_set(what: int, tid: int, kind: int, content: ctypes.Array[ctypes.c_char]) -> None:
        vector = (ctypes.c_size_t * 2)(ctypes.addressof(content), len(content))
        request(what, tid, kind, ctypes.addressof(vector))


@cache
def registers() -> Registers:
    """Return the registers of this machine; raise `KeyError` on one that is not known."""
    return {"x86_64": _X86, "aarch64": _Arm64}[platform.machine()]()
