"""Resources: closing, leaking, sharing, and locations that cannot be written."""

from __future__ import annotations

import gc
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

from pytest_eventstore.lab import elsewhere
from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import EPOCH, make_event, numbered
from pytest_eventstore.lab.expect import show, show_events
from pytest_eventstore.lab.handles import open_handle
from pytest_eventstore.lab.patience import Impatient, run_patiently
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.outcomes import not_checkable, not_offered
from pytest_eventstore.ports import Event, Ports

_LEEWAY = 8  # descriptors and threads that a pool or a lazy import may keep
SETTLING = 5.0
"""Seconds that closing in the background may take."""


class ResourceTests:
    """The part *resources* of the contract."""

    def test_res_01_close_twice_and_use_after(self, eventstore_lab: Bench) -> None:
        """A second `close` does nothing; every call after it raises, and stores nothing."""
        cause = "close lets go of a resource that the next call opens again, or that it needs"
        with story(eventstore_lab, cause=cause) as told:
            handle, other = told.open(), told.open("other")
            handle.events.append(make_event(1, seq_nr=1))
            calls = _calls_after_close(eventstore_lab, told, handle)
            handle.close()
            told.diary.call("close(), once more", handle.plain.ports.close)
            told.diary.call("close(), once more", handle.plain.close)
            for what, call in calls.items():
                told.expect_raises(call, f"{what} after close", cause=cause)
            expected = [make_event(1, seq_nr=1)]
            for opened in (other, told.open("new")):
                told.expect_events(opened.events.load_all(), expected, "load_all()", cause=cause)

    def test_res_02_a_thousand_openings_leave_nothing(self, eventstore_lab: Bench) -> None:
        """Descriptors and threads are as many after a thousand openings as before."""
        cause = "a file, a connection, a lock or a thread is opened by the factory and not closed"
        with story(eventstore_lab, cause=cause) as told:
            stored: list[Event] = []

            def opening() -> None:
                handle = open_handle(eventstore_lab.target.factory, told.path)
                handle.events.load_after_seq_nr(len(stored))
                if len(stored) < 30:
                    stored.append(make_event(len(stored), seq_nr=len(stored) + 1))
                    handle.events.append(stored[-1])
                handle.close()

            def openings(count: int) -> None:
                for _ in range(count):
                    told.diary.quietly("open(), load, append or not, close()", opening)
                told.diary.note(f"{count} times: open(), load, sometimes append, close()")

            openings(20)
            before = _settled(_in_use, 0)
            total = eventstore_lab.effort.pick(200, 1000, 1000)
            for done in range(100, total + 1, 100):
                openings(100)
                for kind, number in before.items():
                    most = number + _LEEWAY
                    now = _settled(lambda k=kind: {k: _in_use()[k]}, most)[kind]  # type: ignore[misc]
                    if now > most:
                        told.violated(
                            expected=f"as many {kind} in use after opening and closing "
                            f"{done} times as before: {number}",
                            seen=f"{now}",
                            cause=cause,
                        )
            after = make_event(1000, seq_nr=1000)
            try:
                _append_by_new_handle(eventstore_lab, told, told.path, after)
            except Impatient as error:
                told.violated(
                    expected="an append after all handles were closed finds no lock held",
                    seen=str(error),
                    cause=cause,
                )
            result = told.open().events.load_all()
            told.expect_events(result, [*stored, after], "load_all()", cause=cause)

    def test_res_03_two_locations_share_nothing(self, eventstore_lab: Bench) -> None:
        """Events, snapshots and numbers of one location are unknown in another."""
        cause = "data, a cache or a table name is kept by module, by class or by process"

        def check(turns: list[bool]) -> None:
            with _two_stories(eventstore_lab, cause) as (one, two):
                handles = one.open("one"), two.open("two")
                stored: tuple[list[Event], list[Event]] = ([], [])
                for n, turn in enumerate(turns, 1):
                    handle, own = handles[turn], stored[turn]
                    if handle.plain.ports.seq_allocator is not None:
                        number = handle.allocator.alloc_seq_nr()
                        one.expect_equal(number, len(own) + 1, "alloc_seq_nr()", cause=cause)
                    # Both use the same ids and numbers, for different events.
                    event = make_event(len(own), seq_nr=len(own) + 1, data={"turn": n})
                    handle.events.append(event)
                    own.append(event)
                    if handle.plain.ports.snapshot_store is not None:
                        handle.snapshots.save("kind", n, b"%d" % turn)
                for turn in (False, True):
                    _expect_own(one, handles[turn], stored[turn], turn, cause)

        check([False, True, True])
        check([False, False])
        eventstore_lab.for_all(
            check, turns=st.lists(st.booleans(), min_size=1, max_size=6), examples=6
        )

    def test_res_03_a_lock_is_of_one_location(self, eventstore_lab: Bench) -> None:
        """Who holds the lock of one location keeps nobody from writing to another."""
        cause = "the lock has a name that does not depend on the location"
        with story(eventstore_lab, cause=cause) as one, eventstore_lab.location() as two:
            event = make_event(1, seq_nr=1)
            with one.open().lock:
                one.diary.note("hold the lock")
                try:
                    _append_by_new_handle(eventstore_lab, one, two.path, event)
                except Impatient as error:
                    one.violated(
                        expected="an append to another location succeeds meanwhile",
                        seen=str(error),
                        cause=cause,
                    )

    def test_res_04_what_cannot_be_written_can_be_read(self, eventstore_lab: Bench) -> None:
        """On a location whose files are read-only, loads work and writes raise."""
        cause = "opening creates or locks a file for writing, or an error of a write is dropped"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            stored = numbered(1, 2, 3)
            handle.events.append(*stored)
            if handle.plain.ports.snapshot_store is not None:
                handle.snapshots.save("kind", 2, b"state")
            told.location.close()
            if not any(path.is_file() for path in told.path.rglob("*")):
                not_checkable("the adapter keeps no file in the location")
            with _read_only(told.path):
                told.diary.note("make every file and folder of the location read-only")
                try:
                    by_time, by_number, latest, did = elsewhere.run_elsewhere(
                        eventstore_lab.target,
                        elsewhere.try_writes,
                        told.path,
                        told.path,
                        powerless=True,
                    )
                except elsewhere.ElsewhereError as error:
                    told.violated(
                        expected="opening and loading work", seen=f"raised {error}", cause=cause
                    )
            if did.pop("probe") == "returned":
                not_checkable("file modes keep nobody from writing here")
            told.diary.note(f"load_all() → {show_events(by_time)}")
            told.expect_events(by_time, stored, "load_all()", cause=cause)
            told.expect_events(by_number, stored, "load_after_seq_nr(0)", cause=cause)
            told.expect_equal(latest, 3, "latest_seq_nr()", cause=cause)
            after = told.reopen().events.load_all()
            told.diary.note(f"make it writable again: load_all() → {show(after)}")
            if did["append"] == "returned" and len(after.events) > len(stored):
                not_checkable("the adapter keeps its events outside of the location")
            for write, what in did.items():
                if what == "returned":
                    told.violated(
                        expected=f"{write} raises", seen="it returned as if it had", cause=cause
                    )
            told.expect_events(after, stored, "load_all()", cause=cause)


def _calls_after_close(
    bench: Bench, told: Story, handle: ToldHandle
) -> dict[str, Callable[[], object]]:
    """Return calls on every port that closing the handle closes."""
    ports = handle.plain.ports
    everything = _is_context_manager(bench, told.path)
    calls: dict[str, Callable[[], object]] = {}
    if everything or _can_close(ports.event_store):
        store = handle.events
        calls |= {
            "append": lambda: store.append(make_event(2, seq_nr=2)),
            "load_all": store.load_all,
            "load_since": lambda: store.load_since(EPOCH),
            "load_after_seq_nr": lambda: store.load_after_seq_nr(0),
            "latest_seq_nr": store.latest_seq_nr,
        }
    if ports.snapshot_store and (everything or _can_close(ports.snapshot_store)):
        snapshots = handle.snapshots
        calls["snapshots.save"] = lambda: snapshots.save("kind", 1, b"")
        calls["snapshots.load"] = lambda: snapshots.load("kind")
    if ports.seq_allocator and (everything or _can_close(ports.seq_allocator)):
        allocator = handle.allocator
        calls["allocator.alloc_seq_nr"] = allocator.alloc_seq_nr
        calls["allocator.latest_seq_nr"] = allocator.latest_seq_nr
        calls["allocator.initialize_at"] = lambda: allocator.initialize_at(1)
    if not calls:
        not_offered("no port of the adapter has a close, and its factory is no context manager")
    return calls


def _is_context_manager(bench: Bench, path: Path) -> bool:
    opened = bench.target.factory(path)
    if isinstance(opened, Ports):
        opened.close()
        return False
    return True


def _can_close(port: object) -> bool:
    return callable(getattr(port, "close", None))


def _in_use() -> dict[str, int]:
    """Return how many descriptors and threads this process has."""
    counts = {"threads": threading.active_count()}
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.isdir(folder):
            counts["descriptors"] = len(os.listdir(folder))
            break
    return counts


def _settled(count: Callable[[], dict[str, int]], most: int) -> dict[str, int]:
    """Count, after what is closed in the background or by the collector had its time."""
    deadline = time.monotonic() + SETTLING
    while True:
        counts = count()
        if max(counts.values()) <= most or not most:
            return counts
        gc.collect()
        if time.monotonic() > deadline:
            return counts
        time.sleep(0.05)


def _append_by_new_handle(bench: Bench, told: Story, path: Path, event: Event) -> None:
    """Append in a thread of its own, for the one that holds a lock may take it again."""

    def append() -> None:
        handle = open_handle(bench.target.factory, path)
        try:
            handle.events.append(event)
        finally:
            handle.close()

    told.diary.quietly(f"new handle, in a thread: append({show(event)})", run_patiently, append)


@contextmanager
def _two_stories(bench: Bench, cause: str) -> Iterator[tuple[Story, Story]]:
    """Give two locations whose calls are told as one story."""
    with story(bench, cause=cause) as one, story(bench, cause=cause) as two:
        two.diary = one.diary
        yield one, two


def _expect_own(
    told: Story, handle: ToldHandle, stored: list[Event], turn: bool, cause: str
) -> None:
    told.expect_events(handle.events.load_all(), stored, "load_all()", cause=cause)
    told.expect_equal(handle.events.latest_seq_nr(), len(stored), "latest_seq_nr()", cause=cause)
    if handle.plain.ports.snapshot_store is not None:
        snapshot = handle.snapshots.load("kind")
        seen = None if snapshot is None else snapshot.state
        told.expect_equal(seen, b"%d" % turn if stored else None, "the snapshot", cause=cause)


@contextmanager
def _read_only(path: Path) -> Iterator[None]:
    """Take away every right to write in a location, and give it back."""
    modes = {p: p.stat().st_mode for p in (path, *path.rglob("*")) if not p.is_symlink()}
    writing = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
    try:
        for each, mode in modes.items():
            each.chmod(mode & ~writing)
        yield
    finally:
        for each, mode in modes.items():
            each.chmod(mode)
