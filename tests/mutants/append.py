"""Stores that append in a wrong way, over the in-memory adapter."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from mutants.registry import mutant
from mutants.stores import ChangingStore, FilteringStore, Store, change, result, with_store
from pytest_eventstore.ports import (
    AppendResult,
    DuplicateEventError,
    Event,
    LoadResult,
    Ports,
)


@mutant(
    fails="APP-01",
    companions=("APP-05", "APP-06", "APP-08", "FID-01", "FID-03", "BAD-03", "REC"),
    message="differs at causation_id: '' instead of",
)
def a_field_is_not_stored(location: Path) -> Ports:
    class Forgetful(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, causation_id="")

    return with_store(Forgetful, location)


@mutant(
    fails="APP-02",
    companions=("BAD-04", "BAD-05", "BAD-06"),
    message="load_all() gives 1 event: e0 #1",
)
def a_batch_is_written_one_by_one(location: Path) -> Ports:
    class OneByOne(Store):
        def append(self, *events: Event) -> AppendResult:
            written = [self.inner.append(event).bytes_written for event in events]
            return AppendResult(bytes_written=sum(written))

    return with_store(OneByOne, location)


@mutant(fails="APP-04", message="bytes_written of append() is 0")
def an_empty_batch_has_bytes(location: Path) -> Ports:
    class Framing(Store):
        def append(self, *events: Event) -> AppendResult:
            return AppendResult(bytes_written=super().append(*events).bytes_written + 1)

    return with_store(Framing, location)


@mutant(fails="APP-04", companions=("RES-04",), message="what the files hold")
def an_empty_batch_touches_a_file(location: Path) -> Ports:
    class Touching(Store):
        def append(self, *events: Event) -> AppendResult:
            with open(self.location / "log", "a", encoding="utf-8") as file:
                file.write("[]\n")
            return super().append(*events)

    return with_store(Touching, location)


@mutant(fails="APP-04", companions=("RES-03", "SEQ"), message="allocator.latest_seq_nr() is 1")
def an_empty_batch_takes_a_number(location: Path) -> Ports:
    ports = with_store(Store, location)
    store = ports.event_store
    append = store.append

    def numbering(*events: Event) -> AppendResult:
        if not events and ports.seq_allocator is not None:
            ports.seq_allocator.alloc_seq_nr()
        return append(*events)

    store.append = numbering  # type: ignore[method-assign]
    return ports


@mutant(fails="APP-05", message="DuplicateEventError")
def a_retry_is_refused(location: Path) -> Ports:
    class Refusing(Store):
        def append(self, *events: Event) -> AppendResult:
            known = self.shared.setdefault("ids", set())
            for event in events:
                if event.id in known:
                    raise DuplicateEventError(event.id)
            done = super().append(*events)
            known.update(event.id for event in events)
            return done

    return with_store(Refusing, location)


@mutant(fails="APP-05", message="twice")
def a_retry_is_stored_again(location: Path) -> Ports:
    class Doubling(FilteringStore):
        def append(self, *events: Event) -> AppendResult:
            known = self.shared.setdefault("count", {})
            done = super().append(*events)
            for event in events:
                known[event.id] = known.get(event.id, 0) + 1
            return done

        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            count = self.shared.get("count", {})
            return [event for event in events for _ in range(count.get(event.id, 1))]

    return with_store(Doubling, location)


@mutant(fails="APP-06", message="append of a stored id with another type raises")
def a_known_id_is_taken_for_a_retry(location: Path) -> Ports:
    class Ignoring(Store):
        def append(self, *events: Event) -> AppendResult:
            known = {event.id for event in self.load_all().events}
            return super().append(*(event for event in events if event.id not in known))

    return with_store(Ignoring, location)


@mutant(fails="APP-06", message="append of a stored id with another timestamp raises")
def only_some_fields_are_compared(location: Path) -> Ports:
    class Careless(Store):
        def append(self, *events: Event) -> AppendResult:
            known = {event.id: event for event in self.load_all().events}
            return super().append(*(self._kept(event, known) for event in events))

        def _kept(self, event: Event, known: dict[str, Event]) -> Event:
            stored = known.get(event.id)
            if stored is None:
                return event
            return change(event, timestamp=stored.timestamp)

    return with_store(Careless, location)


@mutant(
    fails="APP-07",
    companions=("AFT-05", "LAT-04", "CUT", "REC", "ORD-06"),
    message="a handle answers from what it read at an earlier time",
)
def a_handle_caches_its_reads(location: Path) -> Ports:
    class Caching(Store):
        def __init__(self, inner: Any, location: Path) -> None:
            super().__init__(inner, location)
            self.cache: dict[tuple[Any, ...], Any] = {}

        def append(self, *events: Event) -> AppendResult:
            self.cache.clear()
            return super().append(*events)

        def load_all(self) -> LoadResult:
            return self._cached(("all",), super().load_all())

        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            return self._cached(("after", after_seq_nr), super().load_after_seq_nr(after_seq_nr))

        def _cached(self, key: tuple[Any, ...], found: LoadResult) -> LoadResult:
            events: Sequence[Event] = self.cache.setdefault(key, found.events)
            return result(_copies(events))

        def close(self) -> None:
            self.cache.clear()
            super().close()

    return with_store(Caching, location)


def _copies(events: Sequence[Event]) -> list[Event]:
    return [Event.from_json_line(event.to_json_line()) for event in events]


@mutant(fails="APP-08", companions=("APP-06",), message="e1 differs at data")
def a_known_id_is_overwritten(location: Path) -> Ports:
    class Upserting(FilteringStore):
        def append(self, *events: Event) -> AppendResult:
            known = {event.id for event in self.load_all().events}
            for event in events:
                if event.id in known:
                    event.validate()
                    self.shared[event.id] = event.to_json_line()
            return super().append(*(event for event in events if event.id not in known))

        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            return [
                Event.from_json_line(self.shared[event.id]) if event.id in self.shared else event
                for event in events
            ]

    return with_store(Upserting, location)


@mutant(fails="APP-09", message="the store keeps, or hands out, the very objects")
def the_caller_s_objects_are_kept(location: Path) -> Ports:
    class Keeping(FilteringStore):
        def append(self, *events: Event) -> AppendResult:
            done = super().append(*events)
            for event in events:
                self.shared.setdefault(event.id, event)
            return done

        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            return [self._fresh(self.shared.get(event.id, event)) for event in events]

        def _fresh(self, event: Event) -> Event:
            return Event.from_json_line(event.to_json_line())

    return with_store(Keeping, location)


@mutant(fails="APP-09", message="the store keeps, or hands out, the very objects")
def loaded_objects_are_handed_out_again(location: Path) -> Ports:
    class HandingOut(FilteringStore):
        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            return [self.shared.setdefault(event.id, event) for event in events]

    return with_store(HandingOut, location)


@mutant(fails="APP-09", message="the store keeps, or hands out, the very objects")
def the_list_itself_is_handed_out(location: Path) -> Ports:
    class Exposing(Store):
        def load_all(self) -> LoadResult:
            found = super().load_all().events
            kept = self.shared.setdefault(f"list of {len(found)}", list(found))
            kept[:] = found[: len(kept)]  # only the list is shared: the events are fresh
            return LoadResult(events=kept)

    return with_store(Exposing, location)


@mutant(fails="APP-10", companions=("ORD-02",), message="the order is wrong")
def a_batch_is_sorted_by_id(location: Path) -> Ports:
    class Sorting(Store):
        def append(self, *events: Event) -> AppendResult:
            return super().append(*sorted(events, key=lambda e: str(e.id)))

    return with_store(Sorting, location)


@mutant(
    fails="APP-01",
    companions=("APP-05", "APP-06", "APP-08", "FID-01", "FID-03", "BAD"),
    message="instead of",
)
def two_fields_change_places(location: Path) -> Ports:
    class Swapping(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(
                event, aggregate_id=event.aggregate_type, aggregate_type=event.aggregate_id
            )

    return with_store(Swapping, location)


@mutant(
    fails="APP-07",
    companions=("APP", "AFT", "FID", "BAD", "RES", "LAT", "ORD", "SIN", "CUT", "REC"),
    message="a handle answers from what it read at an earlier time",
)
def appends_are_buffered(location: Path) -> Ports:
    class Buffering(Store):
        def __init__(self, inner: Any, location: Path) -> None:
            super().__init__(inner, location)
            self.buffer: list[Event] = []

        def append(self, *events: Event) -> AppendResult:
            for event in events:
                event.validate()
            self.buffer += events
            return AppendResult(bytes_written=sum(len(e.to_json_line()) for e in events))

        def load_all(self) -> LoadResult:
            self._flush()
            return super().load_all()

        def load_since(self, after: datetime) -> LoadResult:
            self._flush()
            return super().load_since(after)

        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            self._flush()
            return super().load_after_seq_nr(after_seq_nr)

        def close(self) -> None:
            self._flush()
            super().close()

        def _flush(self) -> None:
            if self.buffer:
                super().append(*self.buffer)
                self.buffer.clear()

    return with_store(Buffering, location)
