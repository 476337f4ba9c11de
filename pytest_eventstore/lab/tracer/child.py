"""What a forked process does to be traced; nothing here runs in the tracer's own process."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import NoReturn

from pytest_eventstore.lab.tracer import ptrace, seccomp

FAILED = 98
"""The exit status of a process whose function raised."""

_LONGEST_FAILURE = 60_000  # the parent reads it when the process is dead: it must fit the pipe


def pause() -> None:
    """Stop the traced process that calls it; reported by `Tracer.wait` under the name `PAUSE`."""
    os.kill(os.getpid(), signal.SIGSTOP)


def be_traced(
    run: Callable[[], object],
    prepare: Callable[[], object] | None,
    program: bytes,
    failures: int,
    signal_mask: Iterable[int],
) -> NoReturn:
    """Become a tracee of the parent, prepare unseen, then run under the filter and exit.

    The parent sees a stop before the preparation and one after it.
    """
    status = FAILED
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
        ptrace.request(ptrace.TRACE_ME, 0)
        pause()
        if prepare is not None:
            prepare()
        seccomp.install(program)
        pause()
        run()
        status = 0
    except BaseException:
        os.write(failures, traceback.format_exc().encode()[-_LONGEST_FAILURE:])
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
