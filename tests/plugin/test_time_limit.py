"""A limit on somebody else's code, with other timers left as they were."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pytest_eventstore.time_limit import TimeUp, within

needs_timers = pytest.mark.skipif(
    not hasattr(signal, "setitimer"), reason="this platform has no interval timers"
)


def in_a_thread(call: Callable[[], Any]) -> Any:
    """Return what the call returns, or the exception it raised, in another thread."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_what_returns_in_time_is_returned() -> None:
    assert within(5, lambda: "x") == "x"
    assert in_a_thread(lambda: within(5, lambda: "x")) == "x"


def test_what_it_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        within(5, lambda: 1 / 0)
    assert isinstance(in_a_thread(lambda: within(5, lambda: 1 / 0)), ZeroDivisionError)


def test_what_hangs_is_given_up() -> None:
    gate = threading.Event()
    with pytest.raises(TimeUp):
        within(0.05, gate.wait)
    assert isinstance(in_a_thread(lambda: within(0.05, gate.wait)), TimeUp)
    gate.set()


@needs_timers
def test_the_call_runs_in_the_callers_thread() -> None:
    assert within(5, threading.current_thread) is threading.current_thread()


@needs_timers
def test_a_timer_that_was_running_goes_on() -> None:
    def ring(signum: int, frame: object) -> None:
        raise AssertionError("too early")

    handler = signal.signal(signal.SIGALRM, ring)
    before, _ = signal.setitimer(signal.ITIMER_REAL, 50)
    try:
        within(5, lambda: None)
        left, _ = signal.getitimer(signal.ITIMER_REAL)
        assert 0 < left <= 50
        assert signal.getsignal(signal.SIGALRM) is ring
    finally:
        signal.setitimer(signal.ITIMER_REAL, before)
        signal.signal(signal.SIGALRM, handler)
