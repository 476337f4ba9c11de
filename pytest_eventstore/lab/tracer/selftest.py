"""A short run of every verb of the tracer, to know whether this machine lets it work."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import tempfile
import threading

from pytest_eventstore.lab.tracer.events import Exit, Stop
from pytest_eventstore.lab.tracer.session import Tracer
from pytest_eventstore.lab.tracer.syscalls import CHANGES, SLEEPS

_HALF = 5


def run() -> str:
    """Return why tracing does not work here; empty if it does.

    Runs in the tracing process: it forks and waits.
    """
    folder = tempfile.mkdtemp(prefix="eventstore-tracer-")
    try:
        for check in (_kills, _refuses, _shortens, _follows_threads):
            if problem := check(os.path.join(folder, check.__name__)):
                return problem
    except OSError as error:
        return f"tracing is not permitted: {error}"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return ""


def _write(path: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(descriptor, b"x" * 2 * _HALF)


def _write_in_thread(path: str) -> None:
    thread = threading.Thread(target=_write, args=(path,))
    thread.start()
    thread.join()


def _write_or_report(path: str) -> None:
    try:
        _write(path)
    except OSError as error:
        os._exit(error.errno or 0)


def _kills(path: str) -> str:
    with Tracer(path, CHANGES) as tracer:
        tracer.spawn(lambda: _write(path))
        stop = tracer.wait()
        if not isinstance(stop, Stop) or stop.path != os.path.realpath(path):
            return f"a traced process did not stop at its first call: {_seen(stop)}"
        if tracer.kill(stop.pid).signal != signal.SIGKILL or os.path.exists(path):
            return "a traced process could not be killed before its call"
    return ""


def _refuses(path: str) -> str:
    with Tracer(path, CHANGES) as tracer:
        tracer.spawn(lambda: _write_or_report(path))
        stop = tracer.wait()
        if isinstance(stop, Stop):
            tracer.refuse(stop, errno.ENOSPC)
        end = tracer.wait()
        if not isinstance(end, Exit) or end.code != errno.ENOSPC or os.path.exists(path):
            return f"a call could not be refused: {_seen(end)}"
    return ""


def _shortens(path: str) -> str:
    with Tracer(path, CHANGES, only=lambda stop: stop.name == "write") as tracer:
        tracer.spawn(lambda: _write(path))
        stop = tracer.wait()
        if not isinstance(stop, Stop) or tracer.shorten(stop, _HALF) != _HALF:
            return f"a write could not be shortened: {_seen(stop)}"
        tracer.resume(stop)
        if not isinstance(tracer.wait(), Exit) or os.path.getsize(path) != _HALF:
            return "a write could not be shortened"
    return ""


def _follows_threads(path: str) -> str:
    with Tracer(path, CHANGES | SLEEPS, only=lambda stop: stop.name == "write") as tracer:
        pid = tracer.spawn(lambda: _write_in_thread(path))
        stop = tracer.wait()
        if not isinstance(stop, Stop) or stop.pid != pid or stop.tid == pid:
            return f"the threads of a traced process are not followed: {_seen(stop)}"
    return ""


def _seen(event: Stop | Exit | None) -> str:
    return "nothing happened" if event is None else event.describe()
