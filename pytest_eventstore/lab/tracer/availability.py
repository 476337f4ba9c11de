"""Whether system calls can be traced on this machine, and if not, why."""

from __future__ import annotations

import platform
import sys
from functools import cache

from pytest_eventstore.lab.tracer.syscalls import NUMBERS


@cache
def why_not() -> str | None:
    """Return None if processes can be traced here, or the reason why they cannot.

    Beyond what the platform is, every verb of the tracer is tried once, in
    the tracing process: containers and security modules may forbid it.
    """
    if sys.platform != "linux":
        return f"tracing system calls needs Linux, and this is {sys.platform}"
    machine = platform.machine()
    if machine not in NUMBERS or sys.maxsize < 2**32:
        return f"the system calls of this machine ({machine}) are not known"
    from pytest_eventstore.lab.tracer.helper import HelperCrashError, JobError, shared_helper

    try:
        problem = shared_helper().call("pytest_eventstore.lab.tracer.selftest:run")
    except (HelperCrashError, JobError) as error:
        return f"tracing does not work here: {error}"
    return problem or None
