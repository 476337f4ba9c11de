"""What the tests of the tracer let run in the tracing process; every function here is a job."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from pytest_eventstore.lab.tracer import (
    CHANGES,
    LOCKS,
    READS,
    SLEEPS,
    SOCKETS,
    Exit,
    StillRunningError,
    Stop,
    TraceeGoneError,
    Tracer,
    report,
    selftest,
)

_NOBODY, _SET_DUMPABLE = 65534, 4
EVERYTHING = CHANGES | LOCKS | READS | SLEEPS | SOCKETS


def every_call() -> None:
    """Make one of each call that Python can make, in the working directory."""
    os.mkdir("d")
    fd = os.open("d/f", os.O_RDWR | os.O_CREAT, 0o600)
    os.write(fd, b"abcdef")
    os.pwrite(fd, b"x", 1)
    os.writev(fd, [b"gh", b"ij"])
    os.pwritev(fd, [b"k", b"l"], 10)
    os.fsync(fd)
    os.fdatasync(fd)
    os.ftruncate(fd, 8)
    os.truncate("d/f", 7)
    os.posix_fallocate(fd, 0, 9)
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    os.read(fd, 1)
    os.pread(fd, 1, 0)
    other = os.open("d/g", os.O_RDWR | os.O_CREAT, 0o600)
    os.sendfile(other, fd, 0, 2)
    os.copy_file_range(fd, other, 2, 2)
    os.rename("d/g", "d/h")
    os.link("d/h", "d/i")
    os.symlink("d/h", "d/j")
    os.unlink("d/i")
    os.mkdir("e")
    os.rmdir("e")
    os.sync()


EVERY_CALL = (
    *("mkdir", "openat", "write", "pwrite64", "writev", "pwritev2", "fsync", "fdatasync"),
    *("ftruncate", "truncate", "fallocate", "flock", "fcntl", "read", "pread64", "openat"),
    *("sendfile", "copy_file_range", "rename", "link", "symlink", "unlink", "mkdir", "rmdir"),
    "sync",
)


def write_then_rename() -> None:
    """Five calls: open, write, fsync, rename, unlink."""
    fd = os.open("new", os.O_WRONLY | os.O_CREAT, 0o600)
    os.write(fd, b"0123456789")
    os.fsync(fd)
    os.rename("new", "name")
    os.unlink("old")


def write_every_way() -> None:
    """Write ten bytes in three ways, and note what each call said it wrote."""
    fd = os.open("file", os.O_RDWR | os.O_CREAT, 0o600)
    said = [os.write(fd, b"0123456789"), os.pwrite(fd, b"0123456789", 100)]
    parts = [bytearray(b"012"), bytearray(b"3456"), bytearray(b"789")]
    os.lseek(fd, 200, os.SEEK_SET)
    said += [os.writev(fd, parts), os.writev(fd, parts)]
    os._exit(sum(said))


def by_other_names() -> None:
    """Reach files by a directory descriptor, a symbolic link and dots."""
    os.mkdir("real")
    os.symlink("real", "link")
    directory = os.open("real", os.O_RDONLY)
    os.close(os.open("a", os.O_WRONLY | os.O_CREAT, dir_fd=directory))
    os.close(os.open("link/b", os.O_WRONLY | os.O_CREAT))
    os.close(os.open("real/../real/c", os.O_WRONLY | os.O_CREAT))
    os.rename("a", "link/d", src_dir_fd=directory)


def outside_and_inside() -> None:
    """Write outside of the location, then one file inside."""
    with open("../outside", "wb") as file:
        file.write(b"x")
    os.mkdir("inside")


def in_a_thread() -> None:
    """Make the directory in a second thread."""
    thread = threading.Thread(target=os.mkdir, args=("by-thread",))
    thread.start()
    thread.join()


def in_a_child() -> None:
    """Make the directory in a forked child, and another in a program that it starts."""
    if (child := os.fork()) == 0:
        os.mkdir("by-child")
        os._exit(0)
    os.waitpid(child, 0)
    subprocess.run([sys.executable, "-S", "-c", "import os; os.mkdir('by-program')"], check=True)


def sleeps_long() -> None:
    """Sleep for a quarter of an hour, in both ways, then make a directory."""
    time.sleep(900)
    os.mkdir("after-sleep")


def uses_io_uring() -> None:
    """Report the errno of io_uring_setup as exit status."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall(425, 8, 0)
    os._exit(ctypes.get_errno())


def locks_the_file() -> None:
    """Take the flock on the file and keep it."""
    fcntl.flock(os.open("file", os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    os.mkdir("locked")


def record_locks_the_file() -> None:
    """Take the POSIX lock on the file and keep it."""
    fcntl.lockf(os.open("file", os.O_RDWR | os.O_CREAT, 0o600), fcntl.LOCK_EX)
    os.mkdir("locked")


def locks_and_unlocks() -> None:
    """Take and give back both kinds of lock."""
    fd = os.open("file", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.flock(fd, fcntl.LOCK_UN)
    fcntl.lockf(fd, fcntl.LOCK_EX)
    fcntl.lockf(fd, fcntl.LOCK_UN)


def runs_forever() -> None:
    """Make no call at all."""
    while True:
        pass


def raises() -> None:
    """Fail."""
    raise LookupError("nothing there")


def writes_until_full() -> None:
    """Report how a write was refused: its errno as exit status."""
    try:
        write_then_rename()
    except OSError as error:
        os._exit(error.errno or 0)


SCRIPTS: Mapping[str, Callable[[], None]] = {
    script.__name__: script
    for script in (
        *(every_call, write_then_rename, write_every_way, by_other_names, outside_and_inside),
        *(in_a_thread, in_a_child, sleeps_long, uses_io_uring, locks_the_file),
        *(record_locks_the_file, locks_and_unlocks, runs_forever, raises, writes_until_full),
    )
}


def script(name: str, location: str) -> Callable[[], None]:
    """Return the script, to run in the location."""

    def run() -> None:
        os.chdir(location)
        SCRIPTS[name]()

    return run


def watch(name: str, location: str) -> tuple[list[Stop], Exit | None]:
    """Return the stops of a script that is let through, and its end."""
    stops = []
    with Tracer(location, EVERYTHING) as tracer:
        tracer.spawn(script(name, location))
        while isinstance(event := tracer.wait(), Stop):
            stops.append(event)
            if event.sleeps:
                tracer.skip(event)
            else:
                tracer.resume(event)
    return stops, event


def kill_at(name: str, location: str, index: int) -> Exit | None:
    """Kill the script before a call, and return its end."""
    with Tracer(location, CHANGES) as tracer:
        tracer.spawn(script(name, location))
        while isinstance(event := tracer.wait(), Stop):
            if event.index == index:
                return tracer.kill(event.pid)
            tracer.resume(event)
    return event


def refuse_at(name: str, location: str, index: int, error: int) -> Exit | None:
    """Refuse one call of the script, and return its end."""
    with Tracer(location, CHANGES) as tracer:
        tracer.spawn(script(name, location))
        while isinstance(event := tracer.wait(), Stop):
            if event.index == index:
                tracer.refuse(event, error)
            else:
                tracer.resume(event)
    return event


def shorten_all(name: str, location: str, size: int) -> tuple[list[int], list[bytes], Exit | None]:
    """Shorten the first three writes; return the results, what was to be written, and the end."""
    results, data = [], []
    with Tracer(location, CHANGES, only=lambda stop: stop.name != "openat") as tracer:
        tracer.spawn(script(name, location))
        while isinstance(event := tracer.wait(), Stop):
            data.append(tracer.data_of(event))
            if event.index <= 3:
                results.append(tracer.shorten(event, size))
            tracer.resume(event)
    return results, data, event


def results_of(name: str, location: str) -> list[tuple[str, int]]:
    """Return each call of the script with its result."""
    results = []
    with Tracer(location, CHANGES) as tracer:
        tracer.spawn(script(name, location))
        while isinstance(event := tracer.wait(), Stop):
            results.append((event.name, tracer.finish(event)))
            tracer.resume(event)
    return results


def waits_for_lock(name: str, location: str) -> tuple[str | None, str | None, bool]:
    """Let two processes take one lock; return what the second waits in, before and after."""
    with Tracer(location, CHANGES, only=lambda stop: stop.name == "mkdir") as tracer:
        first = tracer.spawn(script(name, location))
        held = tracer.wait()
        assert isinstance(held, Stop)
        second = tracer.spawn(script(name, location))
        before = _poll(lambda: tracer.wait(timeout=0.002) or tracer.waiting(second))
        tracer.kill(first)
        freed = tracer.wait()
        return before, tracer.waiting(second), isinstance(freed, Stop) and freed.pid == second


def interrupt_in_lock(location: str) -> list[str]:
    """Interrupt a process in a lock, free the lock, give it to a third, let the first ask again."""
    seen = []
    with Tracer(location, CHANGES, only=lambda stop: stop.name == "mkdir") as tracer:
        first = tracer.spawn(script("locks_the_file", location))
        assert isinstance(tracer.wait(), Stop)
        second = tracer.spawn(script("locks_the_file", location))
        _poll(lambda: tracer.wait(timeout=0.002) or tracer.waiting(second))
        stops = tracer.interrupt(second)
        seen += [stop.name for stop in stops]
        tracer.kill(first)
        third = tracer.spawn(script("locks_the_file", location))
        got = tracer.wait()
        seen.append("third" if isinstance(got, Stop) and got.pid == third else repr(got))
        tracer.kill(third)
        tracer.resume(stops[0])
        got = tracer.wait()
        seen.append("second" if isinstance(got, Stop) and got.pid == second else repr(got))
    return seen


def waiting_of_busy(location: str) -> list[str | None]:
    """Look a few times at a process that never sleeps."""
    with Tracer(location, CHANGES) as tracer:
        pid = tracer.spawn(script("runs_forever", location))
        return [tracer.waiting(pid) for _ in range(200)]


def finish_blocked(location: str) -> str:
    """Try to finish a call that blocks; return what came of it."""
    with Tracer(location, CHANGES | LOCKS) as tracer:
        tracer.spawn(script("locks_the_file", location))
        while isinstance(stop := tracer.wait(), Stop) and stop.name != "mkdir":
            tracer.resume(stop)
        tracer.spawn(script("locks_the_file", location))
        while isinstance(stop := tracer.wait(), Stop) and stop.name != "flock":
            tracer.resume(stop)
        assert isinstance(stop, Stop)
        try:
            tracer.finish(stop, timeout=0.05)
        except StillRunningError as error:
            return str(error)
    return "it returned"


def prepared(location: str) -> list[str]:
    """Return the calls seen of a process whose preparation makes calls too."""
    state: list[int] = []

    def prepare() -> None:
        state.append(os.open(os.path.join(location, "f"), os.O_WRONLY | os.O_CREAT, 0o600))

    with Tracer(location, CHANGES) as tracer:
        pid = tracer.spawn(lambda: os.write(state[0], b"x"), prepare=prepare, hold=True)
        assert tracer.wait(timeout=0.05) is None, "it did not stand"
        tracer.start(pid)
        seen = []
        while isinstance(event := tracer.wait(), Stop):
            seen.append(event.name)
            tracer.resume(event)
    return seen


def badly_prepared(location: str, name: str) -> str:
    """Return what is said of a preparation that fails or does not end."""
    with Tracer(location, CHANGES) as tracer:
        try:
            tracer.spawn(lambda: None, prepare=script(name, location), timeout=0.3)
        except (TraceeGoneError, StillRunningError) as error:
            return str(error)
    return "it was prepared"


def left_behind(location: str) -> tuple[list[int], list[str]]:
    """Close a tracer in the middle of everything; return the processes and what is left of them."""
    with Tracer(location, EVERYTHING) as tracer:
        pids = [
            tracer.spawn(script(name, location), hold=hold)
            for name, hold in (
                *(("in_a_thread", False), ("runs_forever", False), ("every_call", True)),
                ("raises", False),
            )
        ]
        assert tracer.wait() is not None
    return pids, [name for name in os.listdir("/proc") if name.isdigit() and int(name) in pids]


def die_with_tracee(location: str) -> None:
    """End the tracing process while it has a tracee; leave the tracee's id in a file."""
    tracer = Tracer(location, CHANGES)
    pid = tracer.spawn(script("runs_forever", location))
    with open(os.path.join(location, "pid"), "w", encoding="ascii") as file:
        file.write(str(pid))
    os._exit(3)


def add(one: int, other: int) -> int:
    """Return the sum, and report."""
    report("adding")
    return one + other


def hang() -> None:
    """Never return."""
    threading.Event().wait()


def crash(status: int) -> None:
    """End the tracing process."""
    print("last words", flush=True)
    os._exit(status)


def own_pid() -> int:
    """Return the id of the tracing process."""
    return os.getpid()


def fail() -> None:
    """Raise."""
    raise ValueError("no such thing")


def selftest_as_nobody() -> str:
    """Give up root for good in a forked process, and return what the self-test says there."""
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        with contextlib.suppress(BaseException):
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(_NOBODY)
                os.setuid(_NOBODY)
                # A process that changes its user hides its memory; one started by the user doesn't.
                ctypes.CDLL(None).prctl(_SET_DUMPABLE, 1, 0, 0, 0)
            try:
                said = f"{os.getuid() != 0} {selftest.run()!r}"
            except BaseException as error:
                said = repr(error)
            os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        said = answer.read()
    os.waitpid(child, 0)
    return said


def error_of(stop_result: int) -> str:
    """Return the name of a failed call's errno."""
    return errno.errorcode[-stop_result]


def _poll(probe: Callable[[], Any], limit: float = 5.0) -> Any:
    deadline = time.monotonic() + limit
    while (found := probe()) is None and time.monotonic() < deadline:
        time.sleep(0.001)
    return found
