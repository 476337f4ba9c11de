"""One run of a scenario under the tracer, with somebody standing at each call."""

from __future__ import annotations

import contextlib
import os
import pickle
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

from pytest_eventstore.lab.faults.scenarios import Progress, perform
from pytest_eventstore.lab.operations import Operation
from pytest_eventstore.lab.tracer import (
    CHANGES,
    MAPS,
    OPENS,
    SOCKETS,
    Exit,
    Stop,
    TraceeGoneError,
    Tracer,
)
from pytest_eventstore.targets import Factory

PATIENCE = 20.0
"""How long a traced process may run without a call on its location."""

_HEADER = struct.Struct("I")

Meddle: TypeAlias = Callable[[Tracer, Stop, Progress], "Exit | None"]
"""Is given each stop, and lets the process go on or ends it; returns its end if so."""


@dataclass
class Traced:
    """How a run went.

    Args:
        progress: What the process told.
        calls: Its numbered calls on the location, in words.
        stops: The same as the tracer saw them; the first has index 1.
        creating: Which of its calls made a new file by opening it.
        script: Its calls, by number, and between them, as number 0, what it told.
        ended: How it ended; None if it hung and was killed.
    """

    progress: Progress
    calls: list[str] = field(default_factory=list)
    stops: list[Stop] = field(default_factory=list)
    creating: set[int] = field(default_factory=set)
    script: list[tuple[int, str]] = field(default_factory=list)
    ended: Exit | None = None


def counts(stop: Stop) -> bool:
    """Whether a call has a number: all that may change something, and talk with a server.

    Opening to read has none: how often a store looks may depend on the time.
    """
    return stop.changes or stop.name in SOCKETS


def is_change(stop: Stop) -> bool:
    """Whether a call may change what a kill leaves behind, or what is durable."""
    if stop.name in OPENS:
        return bool(stop.flags & (os.O_CREAT | os.O_TRUNC))
    return (stop.changes and stop.name not in MAPS) or stop.name in SOCKETS


def creates(stop: Stop) -> bool:
    """Whether an opening is about to make a new file; asked while the process stands there."""
    makes = stop.name in OPENS and stop.flags & os.O_CREAT
    return bool(makes) and not os.path.lexists(stop.path)


def run_traced(
    factory: Factory,
    path: Path,
    steps: Sequence[Operation],
    meddle: Meddle,
    *,
    hear: Callable[[tuple[Any, ...]], None] | None = None,
    every_open: bool = False,
) -> Traced:
    """Open a store in a traced process and make the steps there, with `meddle` at each call.

    Args:
        factory: Opens the store.
        path: Its location.
        steps: What is done.
        meddle: Stands at each call.
        hear: Is given each message of the process before the call that follows it.
        every_open: Whether `meddle` stands at openings to read too; their index is 0.
    """
    progress = Progress.of(steps)
    run = Traced(progress)

    def take(message: tuple[Any, ...]) -> None:
        progress.take(message)
        run.script.append((0, progress.words(message)))
        if hear is not None:
            hear(message)

    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    inbox = _Inbox(reader, take)
    try:
        only = (lambda stop: counts(stop) or stop.name in OPENS) if every_open else counts
        with Tracer(path, CHANGES | SOCKETS, only=only, sockets=True) as tracer:
            tracer.spawn(lambda: perform(factory, path, steps, lambda m: _send(writer, m)))
            _follow(tracer, run, inbox, meddle)
        inbox.drain()
    finally:
        os.close(writer)
        os.close(reader)
    return run


def _follow(tracer: Tracer, run: Traced, inbox: _Inbox, meddle: Meddle) -> None:
    while run.ended is None:
        event = tracer.wait(PATIENCE)
        # The process is single-file: what it told before this call is in the pipe by now.
        inbox.drain()
        if event is None:
            return
        if isinstance(event, Exit):
            run.ended = event
            return
        if counts(event):
            size = tracer.size_of(event)
            run.calls.append(_in_words(event, tracer.root, size))
            run.script.append((len(run.calls), run.calls[-1]))
            event = replace(event, index=len(run.calls))
            run.stops.append(event)
            if creates(event):
                run.creating.add(event.index)
        else:
            event = replace(event, index=0)
        with contextlib.suppress(TraceeGoneError):
            run.ended = meddle(tracer, event, run.progress)


def _in_words(stop: Stop, root: str, size: int) -> str:
    words = stop.describe(root)
    if stop.path == root:
        words = f"{stop.name} (the location)"
    if size:
        words += f", {size} bytes"
    if stop.name in OPENS:
        flags = [n for n in ("O_CREAT", "O_EXCL", "O_TRUNC") if stop.flags & getattr(os, n)]
        words += f" {'|'.join(flags)}" if flags else ""
    return words


def _send(writer: int, message: tuple[Any, ...]) -> None:
    data = pickle.dumps(message)
    os.write(writer, _HEADER.pack(len(data)) + data)


class _Inbox:
    def __init__(self, reader: int, take: Callable[[tuple[Any, ...]], None]) -> None:
        self._reader = reader
        self._take = take
        self._raw = b""

    def drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._reader, 1 << 16):
                self._raw += chunk
        while len(self._raw) >= _HEADER.size:
            (size,) = _HEADER.unpack_from(self._raw)
            end = _HEADER.size + size
            if len(self._raw) < end:
                return
            message = pickle.loads(self._raw[_HEADER.size : end])  # noqa: S301  # our own child
            self._raw = self._raw[end:]
            self._take(message)
