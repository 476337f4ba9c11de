"""Stores whose reads come in a wrong order, over the in-memory adapter."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from mutants.registry import mutant
from mutants.stores import FilteringStore, Store, result, with_store
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.ports import Event, LoadResult, Ports, instant


@mutant(
    fails="ORD-01",
    companions=("ORD-03", "AFT", "APP-07", "APP-10"),
    message="the order is wrong",
)
def numbers_are_ordered_as_text(location: Path) -> Ports:
    class Textual(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            events = super().load_after_seq_nr(after_seq_nr).events
            return result(sorted(events, key=lambda e: (str(e.seq_nr), instant(e.timestamp))))

    return with_store(Textual, location)


@mutant(fails="ORD-01", companions=("AFT-03",), message="the order is wrong")
def numbers_are_in_the_order_appended(location: Path) -> Ports:
    class Unsorted(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            lines = self.inner._location.lines
            position = {event_id: n for n, event_id in enumerate(lines)}
            events = super().load_after_seq_nr(after_seq_nr).events
            return result(sorted(events, key=lambda e: position[e.id]))

    return with_store(Unsorted, location)


@mutant(fails="ORD-01", companions=("APP", "FID-07", "ORD-04"), message="missing: ")
def one_event_for_each_number(location: Path) -> Ports:
    class Unique(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            events = super().load_after_seq_nr(after_seq_nr).events
            return result(list({event.seq_nr: event for event in events}.values()))

    return with_store(Unique, location)


@mutant(fails="ORD-01", message="the order is wrong")
def equal_numbers_are_in_the_order_appended(location: Path) -> Ports:
    class Stable(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            position = {event_id: n for n, event_id in enumerate(self.inner._location.lines)}
            events = super().load_after_seq_nr(after_seq_nr).events
            return result(sorted(events, key=lambda e: (e.seq_nr, position[e.id])))

    return with_store(Stable, location)


@mutant(fails="ORD-02", message="the order is wrong")
def local_times_are_compared(location: Path) -> Ports:
    class Local(Store):
        def load_all(self) -> LoadResult:
            events = super().load_all().events
            return result(sorted(events, key=lambda e: e.timestamp.replace(tzinfo=None)))

    return with_store(Local, location)


@mutant(fails="ORD-02", companions=("SIN-03", "BAD-01"), message="the order is wrong")
def all_is_in_the_order_appended(location: Path) -> Ports:
    class Unsorted(Store):
        def load_all(self) -> LoadResult:
            position = {event_id: n for n, event_id in enumerate(self.inner._location.lines)}
            return result(sorted(super().load_all().events, key=lambda e: position[e.id]))

    return with_store(Unsorted, location)


@mutant(fails="ORD-02", companions=("APP-10",), message="the order is wrong")
def ties_are_in_the_order_of_ids(location: Path) -> Ports:
    class ById(Store):
        def load_all(self) -> LoadResult:
            events = super().load_all().events
            return result(sorted(events, key=lambda e: (instant(e.timestamp), -ord(e.id[-1]))))

    return with_store(ById, location)


@mutant(fails="ORD-03", companions=("ORD-01", "AFT-03"), message="the order is wrong")
def numbers_follow_the_clock(location: Path) -> Ports:
    class ByTime(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            events = super().load_after_seq_nr(after_seq_nr).events
            return result(sorted(events, key=lambda e: instant(e.timestamp)))

    return with_store(ByTime, location)


@mutant(
    fails="ORD-03",
    companions=("ORD-01", "AFT-03", "APP-01", "APP-05", "APP-08"),
    message="missing: e2 #2",
)
def a_step_back_in_time_is_skipped(location: Path) -> Ports:
    class Skipping(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            kept: list[Event] = []
            for event in super().load_after_seq_nr(after_seq_nr).events:
                if not kept or instant(event.timestamp) >= instant(kept[-1].timestamp):
                    kept.append(event)
            return result(kept)

    return with_store(Skipping, location)


@mutant(fails="ORD-04", message="the order is wrong")
def ties_come_in_another_order_each_time(location: Path) -> Ports:
    class Flipping(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            turn = self.shared["turn"] = self.shared.get("turn", 0) + 1
            found = super().load_after_seq_nr(after_seq_nr).events
            ties = groupby(found, key=lambda e: (e.seq_nr, instant(e.timestamp)))
            return result([e for _, tie in ties for e in list(tie)[:: -1 if turn % 3 else 1]])

    return with_store(Flipping, location)


@mutant(
    fails="ORD-06",
    companions=("APP-04", "FID-02", "LAT", "CUT", "RES"),
    message="FileNotFoundError",
)
def loading_nothing_raises(location: Path) -> Ports:
    class Raising(FilteringStore):
        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            if not self.inner._location.lines:
                raise FileNotFoundError("events.jsonl")
            return events

    return with_store(Raising, location)


@mutant(
    fails="ORD-06",
    companions=("APP-04", "FID-02", "CUT", "RES"),
    message="too many: 'store.created' unexpected",
)
def loading_nothing_makes_an_event(location: Path) -> Ports:
    class Creating(Store):
        def load_all(self) -> LoadResult:
            if not self.inner._location.lines:
                self.inner.append(make_event(0, id="store.created"))
            return super().load_all()

    return with_store(Creating, location)
