"""The tracer: processes that stop at each of their calls on one location, and what is done then."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from types import TracebackType
from typing import Self

from pytest_eventstore.lab.tracer import ptrace, seccomp, writes
from pytest_eventstore.lab.tracer.child import FAILED, be_traced
from pytest_eventstore.lab.tracer.events import BEGIN, INTERRUPTED, PAUSE, Exit, Stop
from pytest_eventstore.lab.tracer.location import TracedLocation
from pytest_eventstore.lab.tracer.syscalls import SLEEPS, table
from pytest_eventstore.lab.tracer.tracee import Tracee, input_output, owner_of, waiting_call

_WAIT_ALL = 0x40000000  # __WALL: threads too
_SLICE = 0.05  # a lost wake-up costs no more than this


class TraceeGoneError(Exception):
    """The process was killed while something was done to it."""


class StillRunningError(Exception):
    """A call, or a preparation, did not come to its end in time."""


class Tracer:
    """Runs functions in forked processes that stop at each call on one location.

    One thread of one process uses it, and that process has no other children:
    the tracer waits for all of them. See the package for an example.

    Args:
        root: The location. Calls on it and below it are reported.
        calls: The names of the calls to stop at; see the groups in `syscalls`.
        sockets: Report calls on sockets too, for adapters that talk to a server.
        only: Of the calls on the location, report those that it accepts;
            `Stop.index` counts them alone. Sleeps are always reported.
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        calls: Collection[str],
        *,
        sockets: bool = False,
        only: Callable[[Stop], bool] | None = None,
    ) -> None:
        self.root = os.path.realpath(root)
        self._location = TracedLocation(self.root, sockets=sockets)
        self._only = only
        self._table = table()
        self._calls = calls
        self._registers = ptrace.registers()
        self._threads: dict[int, Tracee] = {}
        self._next_index: dict[int, int] = {}  # 0 until the process has begun
        self._ready: deque[Stop | Exit] = deque()
        self._failures: dict[int, int] = {}
        self._unobserved: set[int] = set()
        self._interrupted: set[int] = set()
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- running ---------------------------------------------------------------------------

    def spawn(
        self,
        run: Callable[[], object],
        *,
        prepare: Callable[[], object] | None = None,
        hold: bool = False,
        calls: Collection[str] | None = None,
        timeout: float = 10.0,
    ) -> int:
        """Fork a process that calls `run`, and return its id.

        `prepare` is called in it first, untraced, and `spawn` returns when it
        is done. With `hold` the process then stands until `start`. With `calls`
        it stops at these, not at the tracer's.

        Raises:
            StillRunningError: the preparation was not done in time; it is killed.
            TraceeGoneError: the preparation raised or ended the process.
        """
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            program = seccomp.build(self._table, self._calls if calls is None else calls)
            be_traced(run, prepare, program, writer, self._mask)
        os.close(writer)
        self._failures[pid] = reader
        self._threads[pid] = Tracee(pid, pid)
        self._next_index[pid] = 0
        self._until_first_stop(pid)
        self._until_begin(pid, time.monotonic() + timeout)
        if not hold:
            self.start(pid)
        return pid

    def start(self, pid: int) -> None:
        """Let a process that was spawned with `hold` begin."""
        self._go_on(pid)

    def wait(self, timeout: float = 10.0) -> Stop | Exit | None:
        """Return the next stop or end of any process, or None after the timeout.

        None at once if no process is left.
        """
        deadline = time.monotonic() + timeout
        while not self._ready:
            if not self._threads or not self._step(deadline):
                return None
        return self._ready.popleft()

    def resume(self, stop: Stop) -> None:
        """Let the call be made, and the thread go on to its next one."""
        self._go_on(stop.tid)

    def observe_no_more(self, pid: int) -> None:
        """Report only sleeps of the process from now on, which costs it much less time."""
        self._unobserved.add(pid)

    def interrupt(self, pid: int, timeout: float = 1.0) -> list[Stop]:
        """Make a process stand that runs or waits; return a stop for each of its threads.

        A lock that it waits for is not given to it meanwhile; `resume` lets it
        ask again. A thread that stands already is reported when it goes on.
        """
        waited_for = {tid for tid, tracee in self._threads.items() if tracee.pid == pid}
        for tid in waited_for:
            with contextlib.suppress(ProcessLookupError):
                ptrace.send_signal(self._table.numbers["tkill"], tid, signal.SIGSTOP)
                self._interrupted.add(tid)
        deadline = time.monotonic() + timeout
        while self._interrupted & waited_for & self._threads.keys():
            if not self._step(deadline):
                break
        stops = [
            event
            for event in self._ready
            if isinstance(event, Stop) and event.name == INTERRUPTED and event.pid == pid
        ]
        for stop in stops:
            self._ready.remove(stop)
        return stops

    def activity(self, pid: int) -> tuple[int, ...]:
        """Return how much the process has read and written, in bytes and in calls.

        Two processes that did the same differ in nothing; empty where it is not counted.
        """
        return input_output(pid)

    def waiting(self, pid: int) -> str | None:
        """Return the call in which all threads of the process sleep, or None.

        One of `syscalls.LOCK_WAITS` waits for somebody to let go; one of
        `INPUT_WAITS` for an answer or for a time.
        """
        return waiting_call(pid, self._table)

    # -- tampering -------------------------------------------------------------------------

    def refuse(self, stop: Stop, error: int) -> None:
        """Let the call fail with the errno, not made; the thread goes on."""
        self.skip(stop, -error)

    def skip(self, stop: Stop, result: int = 0) -> None:
        """Let the call return `result`, not made; the thread goes on."""
        with self._alive(stop):
            self._registers.skip_call(stop.tid, result)
            ptrace.go_on(stop.tid)

    def finish(self, stop: Stop, timeout: float = 10.0) -> int:
        """Let the call be made, and return its result; the thread stands at its exit.

        The result is negative, minus the errno, if the call failed. `resume`
        lets the thread go on.

        Raises:
            TraceeGoneError: the process was killed in the call.
            StillRunningError: the call waits for something; it stays in it.
        """
        with self._alive(stop):
            ptrace.request(ptrace.TO_NEXT_SYSCALL_STOP, stop.tid)
        deadline = time.monotonic() + timeout
        while True:
            found, status = _waitpid(stop.tid)
            if found == 0:
                if not _sleep_until(deadline):
                    raise StillRunningError(f"{stop.describe()} did not return in {timeout} s")
            elif os.WIFSTOPPED(status) and os.WSTOPSIG(status) == ptrace.SYSCALL_STOP:
                with self._alive(stop):
                    return ptrace.returned_at_stop(stop.tid)
            elif not os.WIFSTOPPED(status):
                self._take(found, status)
                raise TraceeGoneError(f"the process was killed in {stop.describe()}")
            else:
                with self._alive(stop):
                    ptrace.request(
                        ptrace.TO_NEXT_SYSCALL_STOP, stop.tid, 0, _signal_to_deliver(status)
                    )

    def shorten(self, stop: Stop, size: int, timeout: float = 10.0) -> int:
        """Let a write take at most `size` bytes, and return its result.

        The thread stands at the exit of the call, as after `finish`, and finds
        its registers and memory as they were.
        """
        with self._alive(stop):
            restore = writes.shorten(self._threads[stop.tid], stop, size)
        result = self.finish(stop, timeout)
        with self._alive(stop):
            restore()
        return result

    def size_of(self, stop: Stop) -> int:
        """Return how many bytes the call wants to write; 0 if it is no write."""
        with self._alive(stop):
            return writes.size(self._threads[stop.tid], stop)

    def data_of(self, stop: Stop) -> bytes:
        """Return the bytes that a write is about to write; empty for copying calls."""
        with self._alive(stop):
            return writes.data(self._threads[stop.tid], stop)

    def tracee(self, stop: Stop) -> Tracee:
        """Return the thread's memory and descriptors, to read them."""
        return self._threads[stop.tid]

    def kill(self, pid: int, timeout: float = 10.0) -> Exit:
        """Kill a process as SIGKILL does, at whatever point, and return its end.

        Processes that it had started itself live on until `close`.
        """
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + timeout
        while (found := self._find_exit(pid)) is None:
            if not self._step(deadline):
                raise StillRunningError(f"process {pid} did not die in {timeout} s")
        return found

    def close(self, timeout: float = 5.0) -> None:
        """Kill and reap all that is left; no tracee and no zombie stays behind."""
        deadline = time.monotonic() + timeout
        while self._threads:
            for tid in list(self._threads):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(tid, signal.SIGKILL)
            if not self._step(deadline, tamper=False):
                break
        for reader in self._failures.values():
            os.close(reader)
        self._failures.clear()
        self._ready.clear()
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    # -- events ----------------------------------------------------------------------------

    def _until_first_stop(self, pid: int) -> None:
        _, status = os.waitpid(pid, _WAIT_ALL)  # bounded: the child stops or ends at once
        if not os.WIFSTOPPED(status):
            self._take(pid, status)
            return
        with contextlib.suppress(ProcessLookupError):
            ptrace.request(ptrace.SET_OPTIONS, pid, 0, ptrace.OPTIONS)
            ptrace.go_on(pid)

    def _until_begin(self, pid: int, deadline: float) -> None:
        """Collect what happens until the process stands between preparation and run."""
        while True:
            for event in self._ready:
                if event.pid == pid and isinstance(event, Stop) and event.name == BEGIN:
                    self._ready.remove(event)
                    return
            if (ended := self._find_exit(pid)) is not None:
                raise TraceeGoneError(f"the preparation {ended.describe()}")
            if not self._step(deadline):
                self.kill(pid)
                raise StillRunningError("the preparation did not end in time")

    def _find_exit(self, pid: int) -> Exit | None:
        for event in self._ready:
            if event.pid == pid and isinstance(event, Exit):
                self._ready.remove(event)
                return event
        return None

    def _step(self, deadline: float, *, tamper: bool = True) -> bool:
        """Take one event from the kernel; False if the deadline passed without one."""
        found, status = _waitpid(-1)
        if found == 0:
            return _sleep_until(deadline)
        if found < 0:
            self._threads.clear()
            return False
        if os.WIFSTOPPED(status) and tamper:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                self._on_stop(found, status)
        elif not os.WIFSTOPPED(status):
            self._take(found, status)
        return True

    def _on_stop(self, tid: int, status: int) -> None:
        event = status >> 16
        if tid not in self._threads:
            self._adopt(tid)
        if event == ptrace.EVENT_SECCOMP:
            self._on_call(tid)
            return
        if event in ptrace.NEW_TASK_EVENTS:
            new = ptrace.event_message(tid)
            if new not in self._threads:
                self._threads[new] = Tracee(new, self._threads[tid].pid)
        elif event == ptrace.EVENT_EXEC:
            former = ptrace.event_message(tid)
            if former != tid and (gone := self._threads.pop(former, None)) is not None:
                gone.close()
            self._threads[tid].close()
        elif os.WSTOPSIG(status) == signal.SIGSTOP and tid in self._interrupted:
            self._interrupted.remove(tid)
            self._ready.append(Stop(self._threads[tid].pid, tid, INTERRUPTED, ()))
            return
        elif os.WSTOPSIG(status) == signal.SIGSTOP and tid in self._next_index:
            begun = self._next_index[tid] > 0
            self._next_index[tid] = self._next_index[tid] or 1
            self._ready.append(Stop(tid, tid, PAUSE if begun else BEGIN, ()))
            return
        ptrace.go_on(tid, 0 if event else _signal_to_deliver(status))

    def _adopt(self, tid: int) -> None:
        """A new task may stop before the event that announces it has been seen."""
        process, parent = owner_of(tid)
        kin = self._threads.get(process) or self._threads.get(parent)
        self._threads[tid] = Tracee(tid, kin.pid if kin is not None else tid)

    def _on_call(self, tid: int) -> None:
        tracee = self._threads[tid]
        call = ptrace.call_at_stop(tid)
        name = self._table.names[call.number]
        if name in SLEEPS:
            self._ready.append(Stop(tracee.pid, tid, name, call.args))
            return
        if tracee.pid in self._unobserved:
            ptrace.go_on(tid)
            return
        number = self._next_index[tracee.pid]
        stop = self._location.stop_at(tracee, name, call.args, number)
        if stop is None or (self._only is not None and not self._only(stop)):
            ptrace.go_on(tid)
            return
        self._next_index[tracee.pid] += 1
        self._ready.append(stop)

    def _take(self, tid: int, status: int) -> None:
        """A thread has ended; when it was a spawned process, report it."""
        tracee = self._threads.pop(tid, None)
        if tracee is None:
            return
        tracee.close()
        if tid == tracee.pid and tid in self._failures:
            reader = self._failures.pop(tid)
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
            killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
            failure = os.read(reader, 65536).decode() if code == FAILED else ""
            os.close(reader)
            self._ready.append(Exit(tid, code, killer, failure))

    # -- small things ----------------------------------------------------------------------

    def _go_on(self, tid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # its end is reported by wait
            ptrace.go_on(tid)

    @contextlib.contextmanager
    def _alive(self, stop: Stop) -> Iterator[None]:
        try:
            yield
        except (ProcessLookupError, FileNotFoundError, KeyError) as error:
            raise TraceeGoneError(f"the process is gone from {stop.describe()}") from error


def _waitpid(tid: int) -> tuple[int, int]:
    """Return the next event without waiting: (0, 0) for none, (-1, 0) if there is no child."""
    try:
        return os.waitpid(tid, _WAIT_ALL | os.WNOHANG)
    except ChildProcessError:
        return -1, 0


def _sleep_until(deadline: float) -> bool:
    """Sleep until a child has something to report; False if the deadline passed."""
    left = deadline - time.monotonic()
    if left <= 0:
        return False
    signal.sigtimedwait({signal.SIGCHLD}, min(left, _SLICE))
    return True


def _signal_to_deliver(status: int) -> int:
    """A stop signal is the tracer's own business; every other is the process's."""
    found = os.WSTOPSIG(status)
    return 0 if found in (signal.SIGSTOP, signal.SIGTRAP, ptrace.SYSCALL_STOP) else found
