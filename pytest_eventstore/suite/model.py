"""All ports together, driven at random against an oracle in plain Python."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import EPOCH, make_event
from pytest_eventstore.lab.generators import json_values
from pytest_eventstore.lab.oracle import OracleLog
from pytest_eventstore.lab.story import Story, ToldHandle
from pytest_eventstore.outcomes import violated
from pytest_eventstore.ports import (
    Event,
    Ports,
    Recorder,
    Snapshot,
)

KINDS = ("kind", "other kind")
SESSIONS = ("s", "t")

CHANGED = "stored events changed, were lost, or are not seen by another handle"

handles = st.integers(0, 1)


class ModelTests:
    """What holds whatever is done, in whatever order."""

    def test_app_08_all_ports_in_any_order(self, eventstore_lab: Bench) -> None:
        with eventstore_lab.location() as location:
            offered = _offered(location.open().ports)
        machines: list[_Machine] = []

        def machine() -> _Machine:
            machines.append(_Machine(eventstore_lab, offered))
            return machines[-1]

        try:
            eventstore_lab.run_model(machine, examples=10, steps=18)
        except Exception as error:
            diary = machines[-1].story.diary  # the last run is the shortest that fails
            if error is not diary.raised:
                raise
            violated(
                expected="none of the calls raises",
                seen=f"{type(error).__name__}: {error}",
                history=diary.lines,
                cause="the call fails after something that was done before",
            )


def _offered(ports: Ports) -> frozenset[str]:
    """Return what can be driven: the adapter's own, or the reference's over its ports."""
    offered = {
        name
        for name in ("snapshot_store", "seq_allocator", "recorder", "cutover", "lock")
        if getattr(ports, name) is not None
    }
    if {"lock", "seq_allocator"} <= offered:
        offered.add("recorder")
        if "snapshot_store" in offered:
            offered.add("cutover")
    return frozenset(offered)


class _Machine(RuleBasedStateMachine):
    """Two handles on one location, and beside them what they should say."""

    def __init__(self, bench: Bench, offered: frozenset[str]) -> None:
        super().__init__()
        self.bench = bench
        self.offered = offered
        self.log = OracleLog()
        self.snapshots: dict[str, Snapshot] = {}
        self.last_of: dict[str, str] = {}
        self.count = 0
        self.highest_allocated = 0
        self.cut_over = False
        self.stack = ExitStack()
        self.story = Story(self.stack.enter_context(bench.location()))
        self.handles: list[ToldHandle] = []
        self.recorders: dict[str, Recorder] = {}
        self._open()

    def _open(self) -> None:
        self.handles = [self.story.open("A"), self.story.open("B")]
        self.recorders = {}

    def teardown(self) -> None:
        """Give the location back."""
        self.stack.close()

    def _new_event(self, moment: int, data: Any, seq_nr: int = 0) -> Event:
        self.count += 1
        return make_event(
            self.count, timestamp=EPOCH + timedelta(hours=moment), data=data, seq_nr=seq_nr
        )

    @rule(
        which=handles,
        batch=st.lists(st.tuples(st.integers(-40, 40), json_values(max_leaves=3)), max_size=3),
    )
    def append_unnumbered(self, which: int, batch: list[tuple[int, Any]]) -> None:
        """Append a batch without numbers, over some days."""
        events = [self._new_event(moment, data) for moment, data in batch]
        self.handles[which].events.append(*events)
        self.log.add(events)

    @precondition(lambda self: "cutover" in self.offered and not self.cut_over)
    @precondition(lambda self: not self.last_of and not self.highest_allocated)
    @rule(which=handles, numbers=st.lists(st.integers(1, 9), min_size=1, max_size=3))
    def append_local_numbers(self, which: int, numbers: list[int]) -> None:
        """Append what an old tool writes: numbers of single aggregates, repeated."""
        events = [self._new_event(len(numbers), None, number) for number in numbers]
        self.handles[which].events.append(*events)
        self.log.add(events)

    @precondition(lambda self: "seq_allocator" in self.offered and self._globally_numbered())
    @rule(which=handles, moment=st.integers(-40, 40))
    def append_numbered(self, which: int, moment: int) -> None:
        """Take a number and append an event with it."""
        number = self._allocate(which)
        event = self._new_event(moment, {"number": number}, number)
        self.handles[which].events.append(event)
        self.log.add([event])

    def _globally_numbered(self) -> bool:
        return (
            self.cut_over
            or all(event.seq_nr == 0 for event in self.log.stored)
            or bool(self.last_of or self.highest_allocated)
        )

    def _allocate(self, which: int) -> int:
        number = self.handles[which].allocator.alloc_seq_nr()
        if type(number) is not int or number <= self.highest_allocated:
            self.story.violated(
                expected=f"alloc_seq_nr() gives more than {self.highest_allocated}, the last",
                seen=repr(number),
                cause="the counter went back",
            )
        self.highest_allocated = number
        return number

    @precondition(lambda self: "recorder" in self.offered and self._globally_numbered())
    @rule(which=handles, session=st.sampled_from(SESSIONS), moment=st.integers(-40, 40))
    def record(self, which: int, session: str, moment: int) -> None:
        """Record the next event of a session."""
        if session not in self.recorders:
            self.recorders[session] = self.handles[which].recorder(session)
        before = self.log.latest()
        stored = self.recorders[session].record(self._new_event(moment, [moment]))
        if stored.seq_nr and stored.seq_nr <= before:
            self.story.violated(
                expected=f"record gives a number above {before}, which readers have seen",
                seen=repr(stored.seq_nr),
                cause="the counter was not moved past what the log holds",
            )
        self.story.expect_equal(
            stored.causation_id,
            self.last_of.get(session, ""),
            f"the causation id of {stored.id}",
            cause="the last id is kept in memory, or is another session's",
        )
        self.last_of[session] = stored.id
        self.log.add([stored])

    @precondition(lambda self: "cutover" in self.offered)
    @rule(which=handles, kind=st.sampled_from(KINDS))
    def cutover(self, which: int, kind: str) -> None:
        """Run the cutover, the first time or again."""
        handle = self.handles[which]
        result = handle.cutover(kind)
        self.story.expect_equal(
            result.already_done,
            self.cut_over,
            "already_done",
            cause="done is read off something else than the log",
        )
        if not self.cut_over:
            self.cut_over = True
            known = {event.id for event in self.log.stored}
            self.log.add([e for e in handle.events.load_all().events if e.id not in known])
            self.story.expect_equal(
                self.log.latest(),
                1,
                "the number of the cutover's event",
                cause="the cutover's event is missing or has another number",
            )
            sentinel = Snapshot(aggregate_type=kind, seq_nr=0, state=b"null")
            self.snapshots.setdefault(kind, sentinel)

    @precondition(lambda self: "snapshot_store" in self.offered)
    @rule(
        which=handles,
        kind=st.sampled_from(KINDS),
        number=st.integers(1, 9),
        state=st.binary(max_size=8),
    )
    def save(self, which: int, kind: str, number: int, state: bytes) -> None:
        """Save a snapshot, perhaps an old one."""
        self.handles[which].snapshots.save(kind, number, state)
        stored = self.snapshots.get(kind)
        if stored is None or stored.seq_nr <= number:
            self.snapshots[kind] = Snapshot(aggregate_type=kind, seq_nr=number, state=state)

    @rule()
    def reopen(self) -> None:
        """Close every handle and open new ones."""
        self.story.diary.note("close all handles")
        self.story.location.close()
        self._open()

    @rule(which=handles, after=st.integers(0, 12))
    def read_by_number(self, which: int, after: int) -> None:
        """Read from the middle."""
        self.story.expect_events(
            self.handles[which].events.load_after_seq_nr(after),
            self.log.numbered(after),
            f"load_after_seq_nr({after})",
            cause=CHANGED,
        )

    @rule(which=handles, moment=st.integers(-41, 41))
    def read_by_time(self, which: int, moment: int) -> None:
        """Read what is later than an instant."""
        after = EPOCH + timedelta(hours=moment)
        self.story.expect_events(
            self.handles[which].events.load_since(after),
            [event for event in self.log.all() if event.timestamp > after],
            f"load_since({after})",
            cause=CHANGED,
        )

    @invariant()
    def every_read_agrees_with_the_oracle(self) -> None:
        """Compare what both handles read with the oracle; only a wrong read is told."""
        for handle, name in zip(self.handles, "AB", strict=True):
            read = partial(self._read, name)
            events = handle.plain.events
            what = f"{name}.load_all()"
            self.story.expect_events(read(events.load_all), self.log.all(), what, cause=CHANGED)
            what = f"{name}.load_after_seq_nr(0)"
            self.story.expect_events(
                read(events.load_after_seq_nr, 0), self.log.numbered(), what, cause=CHANGED
            )
            self.story.expect_equal(
                read(events.latest_seq_nr),
                self.log.latest(),
                f"{name}.latest_seq_nr()",
                cause=CHANGED,
            )
            for kind in KINDS if "snapshot_store" in self.offered else ():
                stored, seen = self.snapshots.get(kind), read(handle.plain.snapshots.load, kind)
                if seen != stored:
                    self.story.violated(
                        expected=f"{name}.snapshots.load({kind!r}) gives {stored}",
                        seen=str(seen),
                        cause="a snapshot was lost, rewound or mixed up",
                    )

    def _read(self, name: str, method: Callable[..., Any], *arguments: object) -> Any:
        try:
            return method(*arguments)
        except Exception as error:
            self.story.diary.raised = error
            self.story.diary.note(f"{name}.{method.__name__}{arguments} raised {error!r}")
            raise
