"""Processes that stop at each system call on one location: ptrace and seccomp, no root, no tools.

What happens at the i-th call an operation makes on its store is where races
and crashes are decided. The tracer makes each of these points a place to stand
at: hold the process there, kill it, refuse the call, shorten it, let it pass.

In the tracing process (never in pytest's own: the tracer waits for all
children, and forks)::

    with Tracer(root, CHANGES | SLEEPS, only=lambda stop: stop.changes) as tracer:
        pid = tracer.spawn(operation, prepare=open_the_store)
        while isinstance(event := tracer.wait(timeout=10), Stop):
            if event.index == 7:
                end = tracer.kill(event.pid)              # SIGKILL before the call; -> Exit
                # or: tracer.refuse(event, errno.ENOSPC)  # the call fails, not made; goes on
                # or: tracer.skip(event, 0)               # returns 0, not made; goes on
                # or: tracer.shorten(event, 10)           # 10 bytes of a write; stands at the exit
                # or: tracer.finish(event)                # -> its result; stands at the exit
            tracer.resume(event)                          # goes on to the next call
        # event is Exit(pid, code, signal, failure), or None: nothing happened for 10 s

`prepare` runs in the forked process untraced and `spawn` returns when it is
done; `hold=True` leaves the process standing there until `tracer.start(pid)`,
`calls=…` gives it other calls to stop at. `tracer.observe_no_more(pid)` lets it
run on almost undisturbed; a tracee that calls `pause()` stands until it is resumed.
`Stop` tells `name`, `args`, `path`, `path2`, `flags` and `index` (1, 2, … over
the calls that `only` accepts); `stop.changes` and `stop.matters` are ready
predicates, `stop.sleeps` marks a process that lets time pass (reported only if
SLEEPS are among the calls). `tracer.size_of`, `.data_of` and `.tracee` look at
a write before it is made, `tracer.waiting(pid)` tells that a process is stuck
in a lock or waits for input, `tracer.interrupt(pid)` makes it stand even there.
Threads and children of the process are followed and reported under its id.
`sockets=True` reports calls on connections too.
Every wait is bounded; `close` leaves neither tracee nor zombie.

In pytest's process::

    if reason := why_not():
        not_checkable(reason)
    result = shared_helper().call("package.module:function", *args, progress=bench.progress)

calls a module-level function in the tracing process, arguments and result
pickled. It raises `JobError` with the traceback if the function raised, and
`HelperCrashError` if the process died or gave no sign of life for a minute; `report`
in the function is such a sign, and reaches `progress`.
"""

from pytest_eventstore.lab.tracer.availability import why_not
from pytest_eventstore.lab.tracer.child import pause
from pytest_eventstore.lab.tracer.events import INTERRUPTED, PAUSE, Exit, Stop, error_name
from pytest_eventstore.lab.tracer.helper import (
    HelperCrashError,
    JobError,
    TracerHelper,
    shared_helper,
)
from pytest_eventstore.lab.tracer.server import report
from pytest_eventstore.lab.tracer.session import StillRunningError, TraceeGoneError, Tracer
from pytest_eventstore.lab.tracer.syscalls import (
    CHANGES,
    LOCKS,
    MAPS,
    NAMES,
    OPENS,
    READS,
    SIZES,
    SLEEPS,
    SOCKETS,
    SYNCS,
    WRITES,
)

__all__ = [
    "CHANGES",
    "INTERRUPTED",
    "LOCKS",
    "MAPS",
    "NAMES",
    "OPENS",
    "PAUSE",
    "READS",
    "SIZES",
    "SLEEPS",
    "SOCKETS",
    "SYNCS",
    "WRITES",
    "Exit",
    "HelperCrashError",
    "JobError",
    "StillRunningError",
    "Stop",
    "TraceeGoneError",
    "Tracer",
    "TracerHelper",
    "error_name",
    "pause",
    "report",
    "shared_helper",
    "why_not",
]
