"""The cutover: once, for good, and without touching what was there before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.expect import event_difference, show
from pytest_eventstore.lab.generators import batches, events, seq_nrs
from pytest_eventstore.lab.readers import now_and_reopened
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.ports import (
    MAX_SEQ_NR,
    SYSTEM_CUTOVER,
    CutoverResult,
    Event,
    InvalidEventError,
    Snapshot,
)

KIND = "amadeus.state"

LOCAL_NUMBERS: SearchStrategy[list[int]] = st.lists(seq_nrs(min_value=0), min_size=1, max_size=6)
"""Numbers that legacy events carry: none, those of single aggregates, or any at all."""


class CutoverTests:
    """Requirements on `Ports.cutover`, run by one process at a time."""

    def test_cut_01_an_empty_store_is_cut_over(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            handle = told.open()
            _expect_first_run(told, handle, [])
            _expect_later_run(told, handle)
            _expect_later_run(told, told.reopen())

    def test_cut_01_the_first_run_and_later_ones(self, eventstore_lab: Bench) -> None:
        def check(numbers: list[int]) -> None:
            legacy = _legacy(numbers)
            with story(eventstore_lab) as told:
                handle, other = told.open("A"), told.open("B")
                handle.events.append(*legacy)
                _expect_first_run(told, handle, legacy)
                for later in (handle, other):
                    _expect_later_run(told, later)
                _expect_later_run(told, told.reopen("C"))

        eventstore_lab.for_all(check, numbers=LOCAL_NUMBERS, examples=8)

    def test_cut_04_numbers_as_high_as_can_be_stay_out(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            _expect_legacy_stays_out(told, _legacy([7, 0, 1, 2, MAX_SEQ_NR]))

    def test_cut_04_legacy_stays_out_of_reads_by_number(self, eventstore_lab: Bench) -> None:
        def check(numbers: list[int]) -> None:
            with story(eventstore_lab) as told:
                _expect_legacy_stays_out(told, _legacy(numbers))

        eventstore_lab.for_all(check, numbers=LOCAL_NUMBERS, examples=8)

    def test_cut_05_legacy_events_stay_the_same(self, eventstore_lab: Bench) -> None:
        def check(legacy: list[Event]) -> None:
            with story(eventstore_lab) as told:
                handle = told.open()
                handle.events.append(*legacy)
                handle.cutover(KIND)
                for reader in now_and_reopened(told, handle):
                    _expect_all(told, reader, legacy, "the cutover rewrites what was stored")

        eventstore_lab.for_all(check, legacy=batches(events()), examples=8)

    def test_cut_05_legacy_files_keep_their_bytes(self, eventstore_lab: Bench) -> None:
        legacy = [make_event(n * 50_000, seq_nr=n % 3) for n in range(6)]
        with story(eventstore_lab) as told:
            told.open().events.append(*legacy)
            told.location.close()
            before = _event_logs(told.path, {event.id for event in legacy})
            told.open("A").cutover(KIND)
            told.location.close()
            for path, content in before.items():
                after = path.read_bytes() if path.exists() else None
                if after is None or not after.startswith(content):
                    told.violated(
                        expected=f"{path.name} begins with the {len(content)} bytes it held",
                        seen="it is gone" if after is None else _first_difference(content, after),
                        cause="the cutover rewrites legacy events, or moves their files",
                    )

    def test_cut_06_a_real_snapshot_stays(self, eventstore_lab: Bench) -> None:
        def check(number: int, name: str) -> None:
            state = b"a real state"
            with story(eventstore_lab) as told:
                handle = told.open()
                handle.cutover(KIND)
                handle.snapshots.save(name, number, state)
                for open_another in (None, told.open, told.reopen):
                    later = open_another() if open_another else handle
                    later.cutover(name)
                    _expect_snapshot(
                        told,
                        later,
                        Snapshot(aggregate_type=name, seq_nr=number, state=state),
                        "the sentinel is saved before the log is asked whether all is done",
                    )

        eventstore_lab.for_all(
            check,
            number=seq_nrs(min_value=0),
            name=st.sampled_from([KIND, "another.state"]),
            examples=8,
        )


def _legacy(numbers: Sequence[int]) -> list[Event]:
    return [make_event(n, seq_nr=number) for n, number in enumerate(numbers)]


def _expect_first_run(told: Story, handle: ToldHandle, legacy: Sequence[Event]) -> None:
    expected = CutoverResult(already_done=False, event_count=len(legacy), cutover_seq_nr=1)
    result = handle.cutover(KIND)
    if result != expected:
        told.violated(
            expected=f"the first cutover gives {expected}",
            seen=show(result),
            cause="done is read off something else than the log, or its own event is counted",
        )
    marker = _marker(told, handle)
    told.expect_equal(
        marker.seq_nr,
        1,
        f"the number of the {SYSTEM_CUTOVER} event",
        cause="its number comes from a counter that legacy numbers have moved",
    )
    data = marker.data if isinstance(marker.data, dict) else {}
    wanted = {"pre_cutover_event_count": len(legacy), "aggregate_type": KIND}
    told.expect_equal(
        {key: data.get(key) for key in wanted},
        wanted,
        f"the data of the {SYSTEM_CUTOVER} event",
        cause="its own event is counted, or a key has another name",
    )
    _expect_snapshot(told, handle, SENTINEL, "no sentinel is saved, or another state than null")


def _expect_later_run(told: Story, handle: ToldHandle) -> None:
    before = list(handle.events.load_all().events)
    numbered = list(handle.events.load_after_seq_nr(0).events)
    result = handle.cutover(KIND)
    if getattr(result, "already_done", None) is not True:
        told.violated(
            expected="a later cutover answers already_done",
            seen=show(result),
            cause="what the first run left behind is not looked for, or only in memory",
        )
    cause = "the second run appends its event again, or changes events"
    told.expect_events(handle.events.load_all(), before, "load_all()", cause=cause)
    told.expect_events(
        handle.events.load_after_seq_nr(0), numbered, "load_after_seq_nr(0)", cause=cause
    )
    _expect_snapshot(told, handle, SENTINEL, "the second run changes the sentinel")


SENTINEL = Snapshot(aggregate_type=KIND, seq_nr=0, state=b"null")


def _expect_snapshot(told: Story, handle: ToldHandle, expected: Snapshot, cause: str) -> None:
    seen = handle.snapshots.load(expected.aggregate_type)
    if seen != expected:
        told.violated(
            expected=f"snapshots.load gives {show(expected)}", seen=show(seen), cause=cause
        )


def _marker(told: Story, handle: ToldHandle) -> Event:
    found = [e for e in handle.events.load_all().events if e.type == SYSTEM_CUTOVER]
    if len(found) != 1:
        told.violated(
            expected=f"load_all() holds one event of type {SYSTEM_CUTOVER}",
            seen=f"{len(found)} of them",
            cause="the event is never written, or once for each run",
        )
    return found[0]


def _expect_legacy_stays_out(told: Story, legacy: Sequence[Event]) -> None:
    handle, other = told.open("A"), told.open("B")
    handle.events.append(*legacy)
    for reader in (handle, other):  # so that a cache of theirs knows the legacy numbers
        reader.events.load_after_seq_nr(0)
        reader.events.latest_seq_nr()
    handle.cutover(KIND)
    numbered = [_marker(told, handle)]
    recorder = handle.recorder("s")
    numbered += [recorder.record(make_event(100 + n)) for n in range(2)]
    for reader in (handle, other):
        _expect_numbered(told, reader, legacy, numbered)
    _expect_numbered(told, told.reopen("C"), legacy, numbered)


def _expect_numbered(
    told: Story, reader: ToldHandle, legacy: Sequence[Event], numbered: Sequence[Event]
) -> None:
    for after in sorted({0, *(e.seq_nr for e in numbered), *(e.seq_nr for e in legacy)}):
        told.expect_events(
            reader.events.load_after_seq_nr(after),
            [event for event in numbered if event.seq_nr > after],
            f"load_after_seq_nr({after})",
            cause="legacy events are told by their number or time, not by the log's boundary",
        )
    _expect_all(told, reader, [*legacy, *numbered], "legacy events are dropped from load_all")


def _expect_all(told: Story, reader: ToldHandle, stored: Sequence[Event], cause: str) -> None:
    """Fail unless `load_all` gives these events, in whatever order, beside the cutover's."""
    seen = {e.id: e for e in reader.events.load_all().events}
    for event in stored:
        if event.id not in seen:
            told.violated(
                expected=f"load_all() gives {show(event)}",
                seen=f"{len(seen)} events, without it",
                cause=cause,
            )
        if (difference := event_difference(event, seen[event.id])) is not None:
            told.violated(expected=f"load_all() gives {show(event)}", seen=difference, cause=cause)


def _event_logs(root: Path, legacy: set[str]) -> dict[Path, bytes]:
    """Return the files that hold legacy events as lines; what else there is may change."""
    logs = {}
    for folder, _, names in os.walk(root):
        for path in (Path(folder, name) for name in names):
            content = path.read_bytes()
            try:
                ids = {Event.from_json_line(line).id for line in content.splitlines()}
            except InvalidEventError:
                continue
            if ids & legacy:
                logs[path] = content
    return logs


def _first_difference(before: bytes, after: bytes) -> str:
    pairs = enumerate(zip(before, after, strict=False))
    first = next((i for i, (a, b) in pairs if a != b), min(len(before), len(after)))
    return f"{len(after)} bytes, which differ from byte {first} on"
