"""One call in a process of its own, which opens the target by its name.

A target that cannot be imported by name is taken along by `fork` instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.outcomes import not_checkable
from pytest_eventstore.ports import Event, LoadResult
from pytest_eventstore.targets import Factory, Target

_START = (
    "import sys; sys.path[:] = {path!r}; from pytest_eventstore.lab.elsewhere import main; main()"
)


class ElsewhereError(Exception):
    """The call raised in the other process; the text is its traceback's last line."""


def append(handle: Handle, *events: Event) -> int:
    """Append events."""
    return handle.events.append(*events).bytes_written


def load_all(handle: Handle) -> list[Event]:
    """Return every event."""
    return list(handle.events.load_all().events)


def load_after(handle: Handle, seq_nr: int) -> list[Event]:
    """Return the events above a number."""
    return list(handle.events.load_after_seq_nr(seq_nr).events)


def latest(handle: Handle) -> int:
    """Return the highest number."""
    return handle.events.latest_seq_nr()


def try_writes(handle: Handle, path: Path) -> tuple[list[Event], list[Event], int, dict[str, str]]:
    """Load in every way, then try every write; return the loads and what each write did.

    A write is told as the name of what it raised, or as ``returned``. The write
    called ``probe`` is a plain file, made without the adapter.
    """
    events = handle.events
    loads: list[LoadResult] = [events.load_all(), events.load_after_seq_nr(0)]
    number = events.latest_seq_nr()
    writes: dict[str, Callable[[], object]] = {
        "probe": (path / "probe").touch,
        "append": lambda: events.append(make_event(99)),
    }
    ports = handle.ports
    if ports.snapshot_store is not None:
        save = ports.snapshot_store.save
        writes["snapshots.save"] = lambda: save("kind", 99, b"new")
    if ports.seq_allocator is not None:
        writes["allocator.alloc_seq_nr"] = ports.seq_allocator.alloc_seq_nr
    did = {}
    for name, write in writes.items():
        try:
            write()
        except Exception as error:
            did[name] = type(error).__name__
        else:
            did[name] = "returned"
    return list(loads[0].events), list(loads[1].events), number, did


def run_elsewhere(
    target: Target,
    call: Callable[..., Any],
    path: Path,
    *arguments: Any,
    powerless: bool = False,
    seconds: float = 120,
) -> Any:
    """Open the target in another process, make one call on the handle, and return its result.

    Args:
        target: The adapter.
        call: A function of this module; it gets the handle and the arguments.
        path: The location.
        arguments: Picklable.
        powerless: Take away the right of root to write what its mode forbids.
        seconds: How long to wait before the process is killed and the call fails.

    Raises:
        ElsewhereError: opening or the call raised, or took too long.
    """
    reference = target.reference
    request = (call.__name__, path, arguments, powerless)
    if reference is None:
        return _forked(target.factory, request, seconds)
    with tempfile.TemporaryDirectory(prefix="eventstore-call-") as scratch:
        answer = Path(scratch, "answer")
        try:
            done = subprocess.run(  # noqa: S603  # our own interpreter and module
                [sys.executable, "-c", _START.format(path=sys.path), str(answer)],
                input=pickle.dumps((reference, request)),
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ElsewhereError(f"no answer after {seconds} s") from error
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise ElsewhereError(f"exit status {done.returncode}: {''.join(last)}")
        return _unpack(answer.read_bytes())


def main() -> None:
    """Serve one call: the request on standard input, the answer in the file named."""
    reference, request = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  # from our parent
    Path(sys.argv[1]).write_bytes(_serve(reference.load(), request))


def _serve(factory: Factory, request: tuple[str, Path, tuple[Any, ...], bool]) -> bytes:
    name, path, arguments, powerless = request
    try:
        if powerless:
            drop_power()
    except OSError as error:
        return pickle.dumps((None, f"root cannot be made to obey file modes: {error}"))
    try:
        handle = open_handle(factory, path)
        try:
            return pickle.dumps((True, globals()[name](handle, *arguments)))
        finally:
            handle.close()
    except Exception:
        return pickle.dumps((False, traceback.format_exc().strip().splitlines()[-1]))


def _forked(
    factory: Factory, request: tuple[str, Path, tuple[Any, ...], bool], seconds: float
) -> Any:
    if not hasattr(os, "fork"):
        not_checkable("the target has no importable name and there is no fork")
    with tempfile.TemporaryFile() as answer:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of xdist do not call us
            child = os.fork()
        if not child:
            with contextlib.suppress(BaseException):
                signal.alarm(int(seconds))
                answer.write(_serve(factory, request))
                answer.flush()
                os._exit(0)
            os._exit(1)
        _, status = os.waitpid(child, 0)
        if status:
            raise ElsewhereError(f"wait status {status}")
        answer.seek(0)
        return _unpack(answer.read())


def _unpack(answer: bytes) -> Any:
    succeeded, value = pickle.loads(answer)  # noqa: S301  # from our own child
    if succeeded is None:
        not_checkable(value)
    if not succeeded:
        raise ElsewhereError(value)
    return value


class _Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _Sets(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


_CAPABILITY_VERSION_3 = 0x20080522
_OVERRIDES = 0b110  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


def drop_power() -> None:
    """Make file modes apply to this process, also when it runs as root.

    Changing the user would do as well, but then modules that are imported
    later, and the folders above the location, might not be readable any more.
    """
    if not hasattr(os, "geteuid") or os.geteuid():
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    sets = (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capget")
    sets[0].effective &= ~_OVERRIDES
    sets[0].permitted &= ~_OVERRIDES
    if libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")
