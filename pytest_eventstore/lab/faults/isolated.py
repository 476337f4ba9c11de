"""Calls in a process of their own, forked: what an adapter leaks or breaks there ends there."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pytest_eventstore.outcomes import NotOffered

HAS_FORK = hasattr(os, "fork")

_HEADER = struct.Struct("I")


class ChildError(Exception):
    """The function raised in the child; its words are the message."""


class ChildDiedError(Exception):
    """The child ended without an answer."""


class ChildHungError(Exception):
    """The child gave no answer in time and was killed."""


@dataclass(frozen=True)
class Answer:
    """What became of one call; the value is its result, or the words of what went wrong."""

    kind: Literal["returned", "raised", "not offered", "died", "hung"]
    value: Any

    def result(self) -> Any:
        """Return the result, or raise what the kind says."""
        if self.kind == "returned":
            return self.value
        if self.kind == "not offered":
            raise NotOffered(self.value)
        errors = {"raised": ChildError, "died": ChildDiedError, "hung": ChildHungError}
        raise errors[self.kind](self.value)


def call_isolated(function: Callable[..., Any], *args: Any, timeout: float = 30.0) -> Any:
    """Return what the function returns, called in a forked child.

    Raises `ChildError`, `ChildDiedError`, `ChildHungError`, or `NotOffered` as the
    function did. Where there is no fork it is called right here.
    """
    (answer,) = map_isolated(lambda a: function(*a), [args], timeout=timeout)
    return answer.result()


def map_isolated(
    function: Callable[[Any], Any], items: Sequence[Any], *, timeout: float = 30.0
) -> Iterator[Answer]:
    """Yield an answer for each item, all from one child as long as it lives.

    A child that dies or hangs is replaced for the items that are left. A fork
    costs more than opening a small store, so that many items share one.
    """
    if not HAS_FORK:
        yield from (_answer(function, item) for item in items)
        return
    done = 0
    while done < len(items):
        reader, pid = _start(function, items[done:])
        ended = False
        try:
            for answer in _answers(reader, timeout):
                yield answer
                done += 1
                ended = answer.kind == "hung"
        finally:
            os.close(reader)
            with contextlib.suppress(ProcessLookupError):
                if ended or done < len(items):
                    os.kill(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
        if done < len(items) and not ended:
            yield Answer("died", f"ended with status {os.waitstatus_to_exitcode(status)}")
            done += 1


def _start(function: Callable[[Any], Any], items: Sequence[Any]) -> tuple[int, int]:
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # The child calls nothing that another thread could have left locked.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os.close(reader)
            for item in items:
                data = pickle.dumps(_answer(function, item))
                rest = memoryview(_HEADER.pack(len(data)) + data)
                while rest:
                    rest = rest[os.write(writer, rest) :]
        finally:
            os._exit(0)
    os.close(writer)
    return reader, pid


def _answer(function: Callable[[Any], Any], item: Any) -> Answer:
    try:
        return Answer("returned", function(item))
    except NotOffered as missing:
        return Answer("not offered", str(missing))
    except BaseException as error:  # nothing may get past the fork
        return Answer("raised", f"{type(error).__name__}: {error}")


def _answers(reader: int, timeout: float) -> Iterator[Answer]:
    """Yield what a child answers, until it ends or hangs."""
    raw = b""
    until = time.monotonic() + timeout
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            yield Answer("hung", f"no answer within {timeout:g} s")
            return
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            return
        raw += chunk
        while len(raw) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(raw)
            end = _HEADER.size + size
            if len(raw) < end:
                break
            yield pickle.loads(raw[_HEADER.size : end])  # noqa: S301  # our own child wrote it
            raw = raw[end:]
            until = time.monotonic() + timeout
