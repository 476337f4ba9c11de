"""Storing events: what `append` takes, keeps, and refuses."""

from __future__ import annotations

import copy
import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pytest_eventstore.lab import elsewhere
from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import EPOCH, TEXT_FIELDS, make_event, numbered
from pytest_eventstore.lab.expect import events_of, show_events
from pytest_eventstore.lab.generators import batches, events, json_objects
from pytest_eventstore.lab.roundtrip import round_trip
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.ports import Event

_STALE = "a handle answers from what it read at an earlier time, or from a buffer it did not write"


class AppendTests:
    """The part *append* of the contract, but for what needs faults."""

    def test_app_01_every_field_reads_back(self, eventstore_lab: Bench) -> None:
        """Whatever the fields hold, they come back equal."""
        cause = "a field is not stored, or goes through a conversion that loses something"
        with round_trip(eventstore_lab, cause=cause) as trip:
            trip(make_event(1, seq_nr=7, **{name: f"its {name}" for name in TEXT_FIELDS}))
            eventstore_lab.for_all(lambda batch: trip(*batch), batch=batches())

    def test_app_02_one_invalid_event_and_none_is_stored(self, eventstore_lab: Bench) -> None:
        """A batch with an event that cannot be stored leaves nothing behind, wherever it is."""
        cause = "events are checked and written one by one, not all checked first"

        def check(before: int, after: int) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle, kept = told.open(), make_event(0, seq_nr=1)
                handle.events.append(kept)
                good = [make_event(n, seq_nr=n + 1) for n in range(1, before + after + 1)]
                bad = make_event(99, data={})
                bad.data["x"] = object()  # type: ignore[index, call-overload, assignment]
                batch = [*good[:before], bad, *good[before:]]
                told.expect_raises(
                    lambda: handle.events.append(*batch), "append of data that is not JSON"
                )
                _expect_only(told, handle, [kept], cause)
                _expect_only(told, told.reopen(), [kept], cause)
                handle = told.reopen()
                handle.events.append(*good)
                told.expect_events(handle.events.load_all(), [kept, *good], "load_all()")

        check(before=2, after=1)
        eventstore_lab.for_all(check, before=st.integers(0, 4), after=st.integers(0, 2), examples=8)

    def test_app_02_a_refused_duplicate_takes_its_batch_along(self, eventstore_lab: Bench) -> None:
        """If the store refuses an id that it holds with other content, then the whole batch."""
        cause = "the duplicate is found while the batch is being written"
        with story(eventstore_lab, cause=cause) as told:
            handle, kept = told.open(), make_event(0, seq_nr=1)
            handle.events.append(kept)
            batch = [make_event(1, seq_nr=2), replace(kept, data="other"), make_event(2, seq_nr=3)]
            try:
                handle.events.append(*batch)
            except Exception:
                _expect_only(told, handle, [kept], cause)
                _expect_only(told, told.reopen(), [kept], cause)
            else:  # APP-06 is about this; here it only matters that the batch is not cut
                seen = {e.id for e in events_of(handle.events.load_all(), "load_all()")}
                told.expect_equal({"e1", "e2"} <= seen, True, "the rest of the batch being stored")

    def test_app_04_appending_nothing_does_nothing(self, eventstore_lab: Bench) -> None:
        """No bytes, no event, no number, no change of any file."""
        cause = "an empty batch still writes a line, opens a file or takes a number"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            told.expect_equal(_bytes(handle), 0, "bytes_written of append()", cause=cause)
            _expect_only(told, handle, [], cause)
            stored = numbered(1, 2)
            handle.events.append(*stored)
            _expect_only(told, handle, stored, cause)
            allocator = handle.plain.ports.seq_allocator
            number = allocator.latest_seq_nr() if allocator else 0
            files = _contents(told.path)
            told.expect_equal(_bytes(handle), 0, "bytes_written of append()", cause=cause)
            told.expect_equal(_contents(told.path), files, "what the files hold", cause=cause)
            if allocator:
                now = allocator.latest_seq_nr()
                told.expect_equal(now, number, "allocator.latest_seq_nr()", cause=cause)
            _expect_only(told, handle, stored, cause)
            _expect_only(told, told.reopen(), stored, cause)

    def test_app_05_a_retry_stores_nothing_more(self, eventstore_lab: Bench) -> None:
        """An event that is stored already may be appended again, by whoever does it."""
        cause = "ids are not compared, or equal content is not told from other content"

        def check(batch: list[Event]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                handle.events.append(*batch)
                handle.events.append(*copy.deepcopy(batch))
                retry = events_of(told.open("other").events.load_all(), "load_all()")
                told.open("other").events.append(*retry)
                more = make_event(1, id="the only new one")
                told.reopen().events.append(batch[-1], more, *batch[:1])
                seen = events_of(told.open().events.load_all(), "load_all()")
                self._expect_each_once(told, seen, [*batch, more], "load_all()", cause)
                after = events_of(told.open().events.load_after_seq_nr(0), "load_after_seq_nr(0)")
                known = [e for e in batch if e.seq_nr]
                self._expect_each_once(told, after, known, "load_after_seq_nr(0)", cause)

        check([make_event(1, seq_nr=1), make_event(2, seq_nr=2)])
        eventstore_lab.for_all(check, batch=batches(max_size=3), examples=8)

    def _expect_each_once(
        self, told: Story, seen: list[Event], expected: list[Event], what: str, cause: str
    ) -> None:
        told.expect_events(
            sorted(seen, key=lambda e: e.id),
            sorted(expected, key=lambda e: e.id),
            what,
            cause=cause,
        )

    def test_app_06_a_known_id_with_other_content_is_refused(self, eventstore_lab: Bench) -> None:
        """In whichever field the content differs, and whichever handle is asked."""
        cause = "an id that is known is taken for a retry without a look at the content"
        stored = make_event(1, seq_nr=5, data={"a": [1, 2]}, session_id="s")
        other: dict[str, Any] = {
            "type": "test.other",
            "timestamp": make_event(2).timestamp,
            "data": {"a": [2, 1]},
            "session_id": "t",
            "correlation_id": "c",
            "causation_id": "c",
            "aggregate_id": "a",
            "aggregate_type": "a",
            "seq_nr": 6,
        }
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            handle.events.append(stored)
            for name, value in other.items():
                changed = replace(stored, **{name: value})
                what = f"append of a stored id with another {name}"
                for opened in (handle, told.open("other")):
                    told.expect_raises(
                        lambda e=changed, h=opened: h.events.append(e),  # type: ignore[misc]
                        what,
                        cause=cause,
                    )
            _expect_only(told, told.reopen(), [stored], cause)

    def test_app_07_another_handle_sees_it_at_once(self, eventstore_lab: Bench) -> None:
        """Handles that take turns in writing see all of each other's events, by every read."""

        def check(turns: list[bool]) -> None:
            with story(eventstore_lab, cause=_STALE) as told:
                handles = told.open("one"), told.open("other")
                stored: list[Event] = []
                for n, turn in enumerate(turns, 1):
                    event = make_event(n, seq_nr=n)
                    handles[turn].events.append(event)
                    stored.append(event)
                    who = ("one", "other")[not turn]
                    _expect_only(told, handles[not turn], stored, _STALE, f"{who}.")
                _expect_only(told, told.open("new"), stored, _STALE, "new.")

        check([False, True, True, False])
        eventstore_lab.for_all(check, turns=st.lists(st.booleans(), min_size=1), examples=8)

    def test_app_07_another_process_sees_it_at_once(self, eventstore_lab: Bench) -> None:
        """What this process appended another one loads, and the other way about."""
        eventstore_lab.need_processes()
        with story(eventstore_lab, cause=_STALE) as told:
            handle, ours, theirs = told.open(), make_event(1, seq_nr=1), make_event(2, seq_nr=2)
            handle.events.append(ours)
            target = eventstore_lab.target
            seen = elsewhere.run_elsewhere(target, elsewhere.load_after, told.path, 0)
            told.diary.note(f"in another process: load_after_seq_nr(0) → {show_events(seen)}")
            told.expect_events(seen, [ours], "load_after_seq_nr(0) elsewhere", cause=_STALE)
            elsewhere.run_elsewhere(target, elsewhere.append, told.path, theirs)
            told.diary.note(f"in another process: append({show_events([theirs])})")
            _expect_only(told, handle, [ours, theirs], _STALE)

    def test_app_08_stored_events_stay_as_they_are(self, eventstore_lab: Bench) -> None:
        """Whatever is done to the store, every later load gives the first events unchanged."""
        cause = "a later append, a refused one or a reopening rewrites what is stored"

        def check(first: list[Event], deeds: list[str]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                handle.events.append(*first)
                expected = copy.deepcopy(first)
                for n, deed in enumerate(deeds, 1):
                    handle = _do(deed, n, told, handle, first)
                    _expect_unchanged(told, handle, expected, cause)
                _expect_unchanged(told, told.reopen(), expected, cause)

        check([make_event(1, seq_nr=5), make_event(2, seq_nr=7)], list(_DEEDS))
        eventstore_lab.for_all(
            check,
            first=batches(events(), max_size=3),
            deeds=st.lists(st.sampled_from(_DEEDS), min_size=1, max_size=5),
            examples=8,
        )

    def test_app_09_nothing_mutable_is_shared(self, eventstore_lab: Bench) -> None:
        """Changing what was handed in, or what was handed out, changes nothing stored."""
        cause = "the store keeps, or hands out, the very objects instead of copies"

        def check(data: dict[str, Any]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                event = make_event(1, data=data, seq_nr=1)
                expected = copy.deepcopy(event)
                handle.events.append(event)
                _spoil(event.data)
                told.diary.note("change the data of the event that was appended")
                for _ in range(2):
                    for load in (
                        handle.events.load_all,
                        lambda: handle.events.load_since(EPOCH - timedelta(days=1)),
                        lambda: handle.events.load_after_seq_nr(0),
                    ):
                        result = load()
                        told.expect_events(result, [expected], "the load", cause=cause)
                        _spoil(result.events[0].data)
                        if isinstance(result.events, list):
                            result.events.clear()
                        told.diary.note("change the loaded event's data and the loaded list")
                _expect_only(told, told.open("other"), [expected], cause, "other.")

        check({"a": {"b": [1, {}]}})
        eventstore_lab.for_all(check, data=json_objects(min_size=1), examples=8)

    def test_app_10_a_batch_keeps_its_order(self, eventstore_lab: Bench) -> None:
        """Events of one instant come back as they were given, whatever their ids and numbers."""
        cause = "the batch is put into a set, or sorted by id or number"

        def check(order: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                batch = [make_event(n, timestamp=EPOCH, seq_nr=n + 1) for n in order]
                handle.events.append(*batch)
                for opened in (handle, told.open("fresh")):
                    told.expect_events(opened.events.load_all(), batch, "load_all()", cause=cause)

        check([2, 0, 1])
        check(list(range(120, 0, -1)))
        eventstore_lab.for_all(
            check, order=st.lists(st.integers(0, 99), unique=True, min_size=2), examples=8
        )

    def test_app_10_a_batch_keeps_its_order_by_number(self, eventstore_lab: Bench) -> None:
        """A batch whose numbers ascend comes back in that order from reads by number."""
        cause = "the batch is put into a set, or sorted by id"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            batch = [
                make_event(n, id=f"e{97 * n % 101}", timestamp=EPOCH, seq_nr=n)
                for n in range(1, 100)
            ]
            handle.events.append(*batch)
            for opened in (handle, told.open("fresh")):
                result = opened.events.load_after_seq_nr(0)
                told.expect_events(result, batch, "load_after_seq_nr(0)", cause=cause)


_DEEDS = ("append later", "append earlier", "append same id", "append nothing", "save", "reopen")


def _do(deed: str, n: int, told: Story, handle: ToldHandle, first: list[Event]) -> ToldHandle:
    if deed == "append later":
        handle.events.append(make_event(0, id=f"later-{n}", seq_nr=2**62 + n))
    elif deed == "append earlier":
        early = EPOCH.replace(year=2)
        handle.events.append(make_event(0, id=f"earlier-{n}", seq_nr=n, timestamp=early))
    elif deed == "append same id":
        try:
            handle.events.append(replace(first[0], data={"changed": n}))
        except Exception:  # as it should; APP-06 is about that
            return handle
    elif deed == "append nothing":
        handle.events.append()
    elif deed == "save":
        if handle.plain.ports.snapshot_store is not None:
            handle.snapshots.save("kind", n, b"state")
    elif deed == "reopen":
        return told.reopen()
    return handle


def _expect_unchanged(told: Story, handle: ToldHandle, expected: list[Event], cause: str) -> None:
    by_number = [e for e in expected if e.seq_nr]
    for what, result, wanted in (
        ("load_all()", handle.events.load_all(), expected),
        ("load_after_seq_nr(0)", handle.events.load_after_seq_nr(0), by_number),
    ):
        seen: dict[str, Event] = {}
        for event in events_of(result, what):
            seen.setdefault(event.id, event)
        told.expect_events([seen[e.id] for e in wanted if e.id in seen], wanted, what, cause=cause)


def _expect_only(
    told: Story, handle: ToldHandle, expected: list[Event], cause: str, who: str = ""
) -> None:
    """Fail unless the store holds exactly these events, given in the order of time and number."""
    store = handle.events
    told.expect_events(store.load_all(), expected, f"{who}load_all()", cause=cause)
    by_number = [event for event in expected if event.seq_nr]
    result = store.load_after_seq_nr(0)
    told.expect_events(result, by_number, f"{who}load_after_seq_nr(0)", cause=cause)
    highest = max((event.seq_nr for event in expected), default=0)
    told.expect_equal(store.latest_seq_nr(), highest, f"{who}latest_seq_nr()", cause=cause)


def _bytes(handle: ToldHandle) -> object:
    return getattr(handle.events.append(), "bytes_written", None)


def _contents(path: Path) -> dict[str, bytes]:
    """Return what each file holds; lock files and SQLite's shared memory hold no data."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.endswith(("-shm", ".lock")) and os.access(file, os.R_OK)
    }


def _spoil(data: Any) -> None:
    """Change every container in the data."""
    if isinstance(data, dict):
        for value in list(data.values()):
            _spoil(value)
        data["spoilt"] = True
    elif isinstance(data, list):
        for value in data:
            _spoil(value)
        data.append("spoilt")
