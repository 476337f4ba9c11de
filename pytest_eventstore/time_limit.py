"""A limit on the time that code of somebody else's may take."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class TimeUp(BaseException):  # passes `except Exception`, as an interrupt does
    """The time is up."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what the call returns, or raise `TimeUp` once the time is up.

    The call runs in the caller's thread where it can be interrupted there: what
    it opens and keeps, such as a connection of SQLite's, may be bound to it.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and hasattr(signal, "setitimer"):
        return _interrupted(seconds, call)
    return _left_behind(seconds, call)


def _interrupted(seconds: float, call: Callable[[], T]) -> T:
    def ring(*_: object) -> None:
        raise TimeUp

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    others_left, others_interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others_left:  # such as the limit that pytest-timeout has set on the test
            left = max(others_left - (time.monotonic() - started), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left, others_interval)


def _left_behind(seconds: float, call: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="eventstore-time-limit", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeUp
    return results[0]
