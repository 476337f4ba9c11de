"""A test's dealings with one location, kept so that a failure can tell them.

`Story` opens handles whose every call is noted; whatever then goes wrong, a
comparison or an exception out of the adapter, is reported with those calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NoReturn, TypeVar, cast

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.expect import (
    expect_equal,
    expect_events,
    show,
    show_events,
)
from pytest_eventstore.lab.handles import Handle, Location
from pytest_eventstore.outcomes import violated
from pytest_eventstore.ports import (
    ArchiveResult,
    CutoverResult,
    Event,
    EventStore,
    Projection,
    Recorder,
    Recovery,
    SeqAllocator,
    SnapshotStore,
)

P = TypeVar("P")
T = TypeVar("T")

_HEAD, _TAIL = 12, 28
_MANY = 5  # arguments; from there on an append is told by ids


class Diary:
    """The calls made, in order, one a line."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.raised: Exception | None = None

    def note(self, line: str) -> None:
        """Add a line of one's own."""
        self._lines.append(line)

    def clear(self) -> None:
        """Forget what was noted: the next example begins."""
        self._lines.clear()

    @property
    def lines(self) -> list[str]:
        """The lines; of a long story its beginning and its end."""
        left_out = len(self._lines) - _HEAD - _TAIL
        if left_out <= 1:
            return list(self._lines)
        return [*self._lines[:_HEAD], f"… {left_out} more calls …", *self._lines[-_TAIL:]]

    def told(self, port: P, name: str = "") -> P:
        """Return the port with every call of its methods noted."""
        return cast("P", _Told(port, name, self))

    def call(self, line: str, method: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call and note it with what came of it."""
        result = self.quietly(line, method, *arguments)
        self.note(line if result is None else f"{line} → {show(result)}")
        return result

    def quietly(self, line: str, method: Callable[..., T], *arguments: Any) -> T:
        """Make a call and note it only if it raises; the caller tells what else matters."""
        try:
            return method(*arguments)
        except Exception as error:
            self.raised = error
            self.note(f"{line} raised {type(error).__name__}: {str(error)[:200]}")
            raise


class _Told:
    def __init__(self, port: object, name: str, diary: Diary) -> None:
        self._port = port
        self._name = name
        self._diary = diary

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._port, method)
        if not callable(found):
            return found

        def call(*arguments: Any) -> Any:
            many = len(arguments) > _MANY
            shown = show_events(arguments) if many else ", ".join(map(show, arguments))
            return self._diary.call(f"{self._name}{method}({shown})", found, *arguments)

        return call


class ToldHandle:
    """A handle whose calls the diary notes."""

    def __init__(self, handle: Handle, name: str, diary: Diary) -> None:
        self.plain = handle
        self._name = f"{name}." if name else ""
        self._diary = diary

    @property
    def events(self) -> EventStore:
        """The event store."""
        return self._diary.told(self.plain.events, self._name)

    @property
    def snapshots(self) -> SnapshotStore:
        """The snapshot store; ends the test as *not offered* if there is none."""
        return self._diary.told(self.plain.snapshots, f"{self._name}snapshots.")

    @property
    def allocator(self) -> SeqAllocator:
        """The sequence allocator; ends the test as *not offered* if there is none."""
        return self._diary.told(self.plain.allocator, f"{self._name}allocator.")

    @property
    def lock(self) -> AbstractContextManager[object]:
        """The lock."""
        return self.plain.lock

    def recorder(self, session_id: str) -> Recorder:
        """Return the session's recorder."""
        return self._diary.told(
            self.plain.recorder(session_id), f"{self._name}recorder({session_id!r})."
        )

    def cutover(self, aggregate_type: str) -> CutoverResult:
        """Run the cutover."""
        line = f"{self._name}cutover({aggregate_type!r})"
        result: CutoverResult = self._diary.call(line, self.plain.cutover, aggregate_type)
        return result

    def recover(self, projection: Projection, aggregate_type: str) -> Recovery:
        """Bring a projection up to date."""
        line = f"{self._name}recover({aggregate_type!r})"
        call = self.plain.recover
        result: Recovery = self._diary.call(line, call, projection, aggregate_type)
        return result

    def archive(self, before_seq_nr: int) -> ArchiveResult:
        """Archive what is numbered below."""
        line = f"{self._name}archive({before_seq_nr})"
        result: ArchiveResult = self._diary.call(line, self.plain.archive, before_seq_nr)
        return result

    def close(self) -> None:
        """Close the handle."""
        self._diary.call(f"{self._name}close()", self.plain.close)


class Story:
    """One location, the handles open on it, and the calls made.

    Args:
        location: Where.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self.diary = Diary()

    @property
    def path(self) -> Path:
        """Where the location is."""
        return self.location.path

    def open(self, name: str = "") -> ToldHandle:
        """Open another handle; its calls are told under the name."""
        if name:
            self.diary.note(f"{name} = open()")
        return ToldHandle(self.location.open(), name, self.diary)

    def reopen(self, name: str = "") -> ToldHandle:
        """Close every handle and open one."""
        self.diary.note("close all handles and open a new one")
        return ToldHandle(self.location.reopen(), name, self.diary)

    def expect_events(
        self, seen: object, expected: Sequence[Event], what: str, *, cause: str = ""
    ) -> None:
        """Fail unless a load gave these events, in this order; see `lab.expect`."""
        expect_events(seen, expected, what, cause=cause, history=self.diary.lines)

    def expect_equal(self, seen: object, expected: object, what: str, *, cause: str = "") -> None:
        """Fail unless a value is the one expected; see `lab.expect`."""
        expect_equal(seen, expected, what, cause=cause, history=self.diary.lines)

    def expect_raises(self, call: Callable[[], object], what: str, *, cause: str = "") -> Exception:
        """Fail unless the call raises; see `lab.expect`."""
        try:
            result = call()
        except Exception as error:
            raised = error
        else:
            self.violated(
                expected=f"{what} raises", seen=f"it returned {show(result)}", cause=cause
            )
        return raised

    def violated(self, *, expected: str, seen: str, cause: str = "") -> NoReturn:
        """Fail with the calls made so far."""
        violated(expected=expected, seen=seen, history=self.diary.lines, cause=cause)


@contextmanager
def story(bench: Bench, *, cause: str = "") -> Iterator[Story]:
    """Give a fresh location; an exception that the adapter raises in it fails the test.

    Args:
        bench: The test's bench.
        cause: What usually makes the adapter raise here.
    """
    with bench.location() as location:
        told = Story(location)
        try:
            yield told
        except Exception as error:
            if error is not told.diary.raised:
                raise
            violated(
                expected="none of the calls raises but those that the test provokes",
                seen=f"{type(error).__name__}: {error}",
                history=told.diary.lines,
                cause=cause,
            )
