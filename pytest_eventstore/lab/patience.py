"""Calls that should not block, made so that one that does fails the test and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds after which a call that should not wait counts as waiting."""


class Impatient(Exception):  # noqa: N818  # tells what happened; no error of ours
    """The call has not come back in time."""


def run_patiently(call: Callable[[], T], seconds: float | None = None) -> T:
    """Make the call in a thread of its own, and return or raise what it does.

    Raises:
        Impatient: it took too long; the thread is left behind.
    """
    limit = PATIENCE if seconds is None else seconds
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(call())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit)
    if thread.is_alive():
        raise Impatient(f"it has not come back after {limit:g} s")
    if errors:
        raise errors[0]
    return results[0]
