"""One worker process, as its parent sees it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import time
import types
import warnings
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pytest_eventstore.lab import worker_main
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.targets import Factory, TargetReference

StartMethod: TypeAlias = Literal["spawn", "fork"]


class Worker:
    """One process of the pool, and what it has told of the script it plays."""

    def __init__(self, method: StartMethod, inherited: Factory | None) -> None:
        handle, self._stack_path = tempfile.mkstemp(prefix="eventstore-stack-")
        os.close(handle)
        context: Any = multiprocessing.get_context(method)
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=worker_main.main, args=(theirs, inherited, self._stack_path), daemon=True
        )
        with _without_main(), warnings.catch_warnings():
            # Forking from a process with threads warns; the child only runs our own loop.
            warnings.simplefilter("ignore", DeprecationWarning)
            self.process.start()
        theirs.close()
        self.script: Script | None = None
        self.calls: list[Call] = []
        self.ended: str | None = None
        self.detail = ""
        self.began = 0

    @property
    def pid(self) -> int:
        """The process id."""
        pid: int | None = self.process.pid
        assert pid is not None
        return pid

    @property
    def usable(self) -> bool:
        """Whether it can play another script."""
        return self.process.is_alive() and self.ended in (
            None,
            "done",
            "not offered",
            "cannot load",
        )

    def wait_ready(self, deadline: float) -> bool:
        """Return whether the process has come up."""
        try:
            if self.connection.poll(max(0.0, deadline - time.monotonic())):
                return bool(self.connection.recv() == ("ready",))
        except (EOFError, OSError):
            pass
        return False

    def begin(
        self, reference: TargetReference | None, path: Path, script: Script, limit: float
    ) -> None:
        """Hand over a target, a location and a script."""
        self.script, self.calls, self.ended, self.detail = script, [], None, ""
        self.connection.send((reference, path, script, limit))

    def release(self, moment: int) -> None:
        """Let the script begin at a moment of the clock."""
        self.began = moment
        with contextlib.suppress(OSError):
            self.connection.send(moment)

    def stop(self) -> None:
        """Tell a repeating script that the others have ended."""
        with contextlib.suppress(OSError):
            self.connection.send("stop")

    def receive(self) -> str:
        """Take one message; return its kind."""
        try:
            kind, *content = self.connection.recv()
        except (EOFError, OSError):
            self.process.join(5)
            self.ended, self.detail = "died", f"exit status {self.process.exitcode}"
            return "end"
        if kind == "calls":
            self.calls += content[0]
        elif kind == "end":
            self.ended, self.detail = content
        return str(kind)

    def stack(self) -> str:
        """Return what faulthandler wrote of it."""
        with contextlib.suppress(OSError):
            return Path(self._stack_path).read_text(errors="replace")
        return ""

    def kill(self) -> None:
        """End the process and forget it."""
        with contextlib.suppress(Exception):
            self.process.kill()
            self.process.join(5)
        self.connection.close()
        with contextlib.suppress(OSError):
            os.unlink(self._stack_path)

    @property
    def repeats(self) -> bool:
        """Whether its script goes on until the others have ended."""
        return self.script is not None and self.script.repeat

    def all_calls(self) -> Iterator[Call]:
        """Yield what it told, and the call that it must have been in when it died."""
        yield from self.calls
        script = self.script
        if script is None or self.ended == "done" or not script.tell or script.repeat:
            return
        made = [call for call in self.calls if call.operation.name not in ("open", "close")]
        if len(made) < len(script.operations):
            called = made[-1].returned if made else self.began
            assert called is not None
            yield Call(script.name, script.operations[len(made)], called)


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Keep a spawned process from running the user's main script once more."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
