"""The process that traces, seen from the one that runs the tests.

Tracing waits for every child of its process, and forks it thousands of times.
Both are done in a process of its own, single-threaded and started afresh, so
that no child of pytest or xdist is ever taken and no fork meets a thread.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]);"
    "from pytest_eventstore.lab.tracer.server import serve; serve(int(sys.argv[2]))"
)
_STACK_SIGNAL = signal.SIGUSR1 if hasattr(signal, "SIGUSR1") else None


class HelperCrashError(Exception):
    """The tracing process died or fell silent; nothing is known of the adapter."""


class JobError(Exception):
    """A function raised in the tracing process; the message is its traceback."""


class TracerHelper:
    """Calls functions in a tracing process of its own, one at a time.

    The process starts with the first call and keeps what it has imported. A
    function is named ``"module:function"``; its arguments and its result are
    pickled. It may use `Tracer` freely, and `server.report` to tell how far it
    is, which also counts as a sign of life.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Any = None
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 — closed by close()

    @property
    def pid(self) -> int | None:
        """The id of the process, or None before the first call."""
        return None if self._process is None else self._process.pid

    def call(
        self,
        function: str,
        *args: object,
        progress: Callable[[str], None] | None = None,
        silence: float = 60.0,
    ) -> Any:
        """Return what the function returned.

        Args:
            function: A function of a module, such as ``"package.module:name"``.
            args: Its arguments.
            progress: Is given what the function reports.
            silence: How many seconds may pass without a sign of life.

        Raises:
            JobError: the function raised.
            HelperCrashError: the process died or fell silent; it has been killed,
                and the next call starts another.
        """
        if self._process is None:
            self._start()
        try:
            self._connection.send((function, args))
            while True:
                if not self._connection.poll(silence):
                    raise HelperCrashError(
                        f"the tracing process gave no sign of life for {silence:g} s in "
                        f"{function}; its stack and output:\n{self._stack()}"
                    )
                kind, value = self._connection.recv()
                if kind == "result":
                    return value
                if kind == "error":
                    raise JobError(value)
                if progress is not None:
                    progress(value)
        except JobError:
            raise
        except (EOFError, OSError) as error:
            code = self._end()
            raise HelperCrashError(
                f"the tracing process ended with status {code} in {function}; its output:\n"
                f"{self._tail()}"
            ) from error
        except BaseException:
            self._end()  # a call cut short would leave its answer to the next one
            raise

    def close(self) -> None:
        """End the process and all that it traces."""
        self._end()
        self._log.close()

    def _start(self) -> None:
        ours, theirs = multiprocessing.connection.Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 — this interpreter, our own code
                [sys.executable, "-c", _BOOT, json.dumps(sys.path), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the tests' process alone
            )
        self._connection = ours

    def _end(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        self._connection.close()  # the process sees the end of the pipe, and leaves
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(0.5)
        process.kill()
        return process.wait()

    def _stack(self) -> str:
        if self._process is not None and _STACK_SIGNAL is not None:
            self._process.send_signal(_STACK_SIGNAL)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.5)
        return self._tail()

    def _tail(self, size: int = 4000) -> str:
        self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, self._log.tell() - size))
        return self._log.read().decode(errors="replace") or "(none)"


_shared: dict[int, TracerHelper] = {}


def shared_helper() -> TracerHelper:
    """Return the one tracing process of this process; it ends when this one does."""
    pid = os.getpid()
    if pid not in _shared:
        _shared.clear()  # inherited through a fork: its process belongs to the parent
        _shared[pid] = TracerHelper()
        atexit.register(_close_shared, pid)
    return _shared[pid]


def _close_shared(pid: int) -> None:
    if pid == os.getpid() and (helper := _shared.pop(pid, None)) is not None:
        helper.close()
