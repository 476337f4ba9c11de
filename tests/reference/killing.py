"""Kills a child process at each of the calls an action makes, one after the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

CALLS = ("write", "fsync", "replace", "unlink", "ftruncate", "makedirs")
KILLED = 9
MOST_CALLS = 400


def killed_at_each_call(
    tmp_path: Path, prepare: Callable[[Path], None], action: Callable[[Path], object]
) -> Iterator[Path]:
    """Yield one location for each call: prepared, and then left by a killed `action`.

    The child ends before the call, without any cleanup. Ends with the location
    of an action that ran to its end.
    """
    prepared = tmp_path / "prepared"
    prepared.mkdir()
    prepare(prepared)
    for number in range(MOST_CALLS):
        location = tmp_path / f"killed-{number}"
        shutil.copytree(prepared, location)
        child = os.fork()
        if child == 0:
            _run_and_end(location, action, number)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, KILLED), status
        yield location
        if status == 0:
            assert number > 3, "the action made hardly any call"
            return
    raise AssertionError("the action makes more calls than expected")


def _run_and_end(location: Path, action: Callable[[Path], object], number: int) -> None:
    left = number

    def counting(real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal left
            if left == 0:
                os._exit(KILLED)
            left -= 1
            return real(*args, **more)

        return call

    try:
        for name in CALLS:
            setattr(os, name, counting(getattr(os, name)))
        action(location)
    except BaseException:
        os._exit(1)
    os._exit(0)
