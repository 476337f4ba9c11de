"""Calls in a process of their own, forked: what an adapter leaks or breaks there ends there."""

from __future__ import annotations

import os
import pickle
import select
import signal
import time
import warnings
from collections.abc import Callable
from typing import Any

from pytest_eventstore.outcomes import NotOffered

HAS_FORK = hasattr(os, "fork")


class ChildError(Exception):
    """The function raised in the child; its words are the message."""


class ChildDiedError(Exception):
    """The child ended without an answer."""


class ChildHungError(Exception):
    """The child gave no answer in time and was killed."""


def call_isolated(function: Callable[..., Any], *args: Any, timeout: float = 30.0) -> Any:
    """Return what the function returns, called in a forked child.

    Raises `ChildError`, `ChildDiedError`, `ChildHungError`, or `NotOffered` as the
    function did. Where there is no fork it is called right here.
    """
    if not HAS_FORK:
        try:
            return function(*args)
        except NotOffered:
            raise
        except Exception as error:
            raise ChildError(f"{type(error).__name__}: {error}") from error
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # The child calls nothing that another thread could have left locked.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(writer, function, args)
    os.close(writer)
    raw: bytes | None = None
    try:
        raw = _read(reader, time.monotonic() + timeout)
    finally:
        os.close(reader)
        if raw is None:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if raw is None:
        raise ChildHungError(f"no answer within {timeout:g} s")
    if not raw:
        raise ChildDiedError(f"ended with status {os.waitstatus_to_exitcode(status)}")
    kind, value = pickle.loads(raw)  # noqa: S301  # our own child wrote it
    if kind == "returned":
        return value
    if kind == "not offered":
        raise NotOffered(value)
    raise ChildError(value)


def _child(writer: int, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    code = 1
    try:
        try:
            answer = ("returned", function(*args))
        except NotOffered as missing:
            answer = ("not offered", str(missing))
        except BaseException as error:  # nothing may get past the fork
            answer = ("raised", f"{type(error).__name__}: {error}")
        rest = memoryview(pickle.dumps(answer))
        while rest:
            rest = rest[os.write(writer, rest) :]
        code = 0
    finally:
        os._exit(code)


def _read(reader: int, until: float) -> bytes | None:
    """Read to the end; None when the time is over."""
    chunks: list[bytes] = []
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            return None
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)
