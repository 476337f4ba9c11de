"""Stores that read from a wrong place, over the in-memory adapter."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mutants.registry import mutant
from mutants.stores import FilteringStore, Store, change, result, with_store
from pytest_eventstore.ports import MAX_SEQ_NR, AppendResult, Event, LoadResult, Ports, check_aware


@mutant(
    fails="AFT-01",
    companions=("AFT-02", "AFT-04", "AFT-05", "ORD-03", "CUT", "SNP-07"),
    message="unexpected",
)
def the_number_itself_is_included(location: Path) -> Ports:
    class Including(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            if type(after_seq_nr) is int and after_seq_nr > 0:
                after_seq_nr -= 1
            return super().load_after_seq_nr(after_seq_nr)

    return with_store(Including, location)


@mutant(fails="AFT-01", companions=("AFT", "ORD-03", "CUT", "SNP-07"), message="missing: ")
def the_next_number_is_excluded(location: Path) -> Ports:
    class Excluding(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            if type(after_seq_nr) is int and 0 < after_seq_nr < MAX_SEQ_NR:
                after_seq_nr += 1
            return super().load_after_seq_nr(after_seq_nr)

    return with_store(Excluding, location)


@mutant(fails="AFT-02", message="too many: e1 unexpected")
def past_the_head_comes_everything(location: Path) -> Ports:
    class Wrapping(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            if type(after_seq_nr) is int and after_seq_nr > self.latest_seq_nr():
                after_seq_nr = 0
            return super().load_after_seq_nr(after_seq_nr)

    return with_store(Wrapping, location)


@mutant(fails="AFT-02", companions=("ORD-04", "ORD-06"), message="IndexError")
def past_the_head_raises(location: Path) -> Ports:
    class Raising(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            if type(after_seq_nr) is int and after_seq_nr > self.latest_seq_nr():
                raise IndexError(after_seq_nr)
            return super().load_after_seq_nr(after_seq_nr)

    return with_store(Raising, location)


@mutant(
    fails="AFT-03",
    companions=("APP-01", "APP-05", "APP-08", "ORD-04", "CUT", "SNP", "REC"),
    message="e1 unexpected",
)
def events_without_a_number_are_included(location: Path) -> Ports:
    class Including(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            found = list(super().load_after_seq_nr(after_seq_nr).events)
            if after_seq_nr == 0:
                found = [e for e in self.load_all().events if not e.seq_nr] + found
            return result(found)

    return with_store(Including, location)


@mutant(
    fails="AFT-04",
    companions=("APP", "ORD", "AFT", "FID", "BAD", "LAT", "SIN", "CUT", "SNP", "REC"),
    message="missing: ",
)
def a_gap_ends_the_read(location: Path) -> Ports:
    class Stopping(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            kept: list[Event] = []
            for event in super().load_after_seq_nr(after_seq_nr).events:
                if kept and event.seq_nr > kept[-1].seq_nr + 1:
                    break
                kept.append(event)
            return result(kept)

    return with_store(Stopping, location)


@mutant(fails="AFT-04", message="it has not come back after")
def a_gap_is_waited_for(location: Path) -> Ports:
    class Waiting(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            found = super().load_after_seq_nr(after_seq_nr)
            # The one gap of AFT-04's first example; to wait for every gap would take long.
            if [event.seq_nr for event in found.events] == [1, 3]:
                time.sleep(1)
            return found

    return with_store(Waiting, location)


@mutant(
    fails="AFT-05",
    companions=("AFT", "ORD", "SNP-07", "CUT"),
    message="all resumed reads together",
)
def a_number_is_taken_for_a_position(location: Path) -> Ports:
    class Counting(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            super().load_after_seq_nr(after_seq_nr)
            return result(super().load_after_seq_nr(0).events[after_seq_nr:])

    return with_store(Counting, location)


@mutant(
    fails="AFT-05",
    companions=("APP-04", "ORD-06"),
    message="all resumed reads together",
)
def an_empty_answer_is_cached(location: Path) -> Ports:
    class Remembering(Store):
        def __init__(self, inner: Any, location: Path) -> None:
            super().__init__(inner, location)
            self.empty: set[int] = set()

        def append(self, *events: Event) -> AppendResult:
            if len(events) != 1:  # or all tests that load before they append fail with it
                self.empty.clear()
            return super().append(*events)

        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            found = super().load_after_seq_nr(after_seq_nr)
            if not found.events and after_seq_nr:
                self.empty.add(after_seq_nr)
            return result([] if after_seq_nr in self.empty else found.events)

    return with_store(Remembering, location)


@mutant(fails="SIN-01", companions=("SIN-02", "SIN-03"), message="unexpected")
def the_instant_itself_is_included(location: Path) -> Ports:
    class Including(Store):
        def load_since(self, after: datetime) -> LoadResult:
            check_aware(after, "after")
            found = [e for e in self.load_all().events if e.timestamp >= after]
            return result(found)

    return with_store(Including, location)


@mutant(fails="SIN-01", companions=("SIN-03",), message="unexpected")
def instants_are_compared_by_the_millisecond(location: Path) -> Ports:
    class Coarse(Store):
        def load_since(self, after: datetime) -> LoadResult:
            found = super().load_since(after)
            rounded = after.replace(microsecond=after.microsecond // 1000 * 1000)
            return result(super().load_since(rounded).events if after != rounded else found.events)

    return with_store(Coarse, location)


@mutant(
    fails="SIN-01",
    companions=("APP-01", "APP-05", "FID", "BAD", "SIN", "ORD"),
    message="missing: ",
)
def instants_are_compared_by_the_day(location: Path) -> Ports:
    class ByDay(Store):
        def load_since(self, after: datetime) -> LoadResult:
            found = super().load_since(after).events
            day = after.astimezone(UTC).date()
            return result([e for e in found if e.timestamp.astimezone(UTC).date() > day])

    return with_store(ByDay, location)


@mutant(fails="SIN-02", companions=("SIN-03", "APP-01"), message="load_since(")
def the_offset_is_dropped(location: Path) -> Ports:
    class Local(Store):
        def load_since(self, after: datetime) -> LoadResult:
            check_aware(after, "after")
            bare = after.replace(tzinfo=None)
            found = [e for e in self.load_all().events if e.timestamp.replace(tzinfo=None) > bare]
            return result(found)

    return with_store(Local, location)


@mutant(fails="SIN-02", companions=("APP-01",), message="load_since(")
def only_the_question_s_day_and_later_are_read(location: Path) -> Ports:
    class Partitioned(Store):
        def load_since(self, after: datetime) -> LoadResult:
            found = super().load_since(after).events
            return result([e for e in found if e.timestamp.date() >= after.date()])

    return with_store(Partitioned, location)


@mutant(fails="SIN-03", companions=("APP-01", "SIN-01"), message="OverflowError")
def a_margin_is_subtracted_from_the_question(location: Path) -> Ports:
    class Widening(Store):
        def load_since(self, after: datetime) -> LoadResult:
            check_aware(after, "after")
            early = super().load_since(after - timedelta(days=1)).events
            return result([event for event in early if event.timestamp > after])

    return with_store(Widening, location)


@mutant(
    fails="SIN-03",
    companions=("APP", "FID-05", "ORD", "SIN-01"),
    message="ValueError: year",
)
def the_first_century_is_refused(location: Path) -> Ports:
    class Modern(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                if event.timestamp.year < 100:
                    raise ValueError(f"year {event.timestamp.year} is out of range")
            return super().append(*events)

    return with_store(Modern, location)


@mutant(fails="SIN-04", message="load_since of a naive time raises")
def a_naive_question_is_taken_for_utc(location: Path) -> Ports:
    class Lenient(Store):
        def load_since(self, after: datetime) -> LoadResult:
            return super().load_since(after if after.tzinfo else after.replace(tzinfo=UTC))

    return with_store(Lenient, location)


@mutant(fails="SIN-04", message="append of a naive timestamp raises")
def a_naive_timestamp_is_taken_for_utc(location: Path) -> Ports:
    class Lenient(Store):
        def append(self, *events: Event) -> AppendResult:
            return super().append(*map(self._aware, events))

        def _aware(self, event: Event) -> Event:
            if event.timestamp.tzinfo is None:
                object.__setattr__(event, "timestamp", event.timestamp.replace(tzinfo=UTC))
            return event

    return with_store(Lenient, location)


@mutant(
    fails="LAT-01", companions=("APP-01", "APP-02", "RES-03", "REC"), message="latest_seq_nr() is 0"
)
def an_event_without_a_number_counts(location: Path) -> Ports:
    class Counting(Store):
        def latest_seq_nr(self) -> int:
            return super().latest_seq_nr() or min(1, len(self.load_all().events))

    return with_store(Counting, location)


@mutant(
    fails="LAT-01",
    companions=("APP-04", "ORD-06", "CUT", "RES", "SEQ", "REC"),
    message="ValueError: max()",
)
def an_empty_store_has_no_latest(location: Path) -> Ports:
    class Raising(Store):
        def latest_seq_nr(self) -> int:
            return max(event.seq_nr for event in self.load_after_seq_nr(0).events)

    return with_store(Raising, location)


@mutant(fails="LAT-02", companions=("LAT-03", "APP-06"), message="latest_seq_nr() is 10")
def the_last_line_tells_the_latest(location: Path) -> Ports:
    class LastLine(Store):
        def latest_seq_nr(self) -> int:
            highest = super().latest_seq_nr()
            lines = list(self.inner._location.lines.values())
            last = Event.from_json_line(lines[-1]).seq_nr if lines else 0
            return last if highest else 0

    return with_store(LastLine, location)


@mutant(
    fails="LAT-02",
    companions=("LAT", "APP", "CUT", "REC", "SNP", "RES"),
    message="latest_seq_nr() is ",
)
def the_events_are_counted(location: Path) -> Ports:
    class Counting(Store):
        def latest_seq_nr(self) -> int:
            return len(self.load_after_seq_nr(0).events)

    return with_store(Counting, location)


@mutant(fails="LAT-03", message="latest_seq_nr() is 3")
def only_the_newest_day_tells_the_latest(location: Path) -> Ports:
    class NewestDay(Store):
        def latest_seq_nr(self) -> int:
            events = self.load_after_seq_nr(0).events
            written = list(self.inner._location.lines)
            last = {event.id: event for event in events}.get(written[-1]) if written else None
            if last is None:
                return super().latest_seq_nr()
            day = last.timestamp.date()
            return max(event.seq_nr for event in events if event.timestamp.date() == day)

    return with_store(NewestDay, location)


@mutant(
    fails="LAT-03",
    companions=("APP", "CUT", "REC", "LAT", "ORD", "RES", "SNP"),
    message="latest_seq_nr() is ",
)
def a_handle_knows_only_its_own_numbers(location: Path) -> Ports:
    class Own(Store):
        highest = 0

        def append(self, *events: Event) -> AppendResult:
            done = super().append(*events)
            self.highest = (
                max(self.highest, *(e.seq_nr for e in events)) if events else self.highest
            )
            return done

        def latest_seq_nr(self) -> int:
            super().latest_seq_nr()
            return self.highest

    return with_store(Own, location)


@mutant(fails="LAT-04", companions=("CUT", "REC", "SEQ"), message="latest_seq_nr() is 1")
def legacy_numbers_count(location: Path) -> Ports:
    class Global(Store):
        def latest_seq_nr(self) -> int:
            super().latest_seq_nr()
            return max((event.seq_nr for event in self.load_all().events), default=0)

    return with_store(Global, location)


class Late(FilteringStore):
    """Sees only what was there when the handle was opened, and what it appended itself."""

    def __init__(self, inner: Any, location: Path) -> None:
        super().__init__(inner, location)
        self.known = set(inner._location.lines)

    def append(self, *events: Event) -> AppendResult:
        done = super().append(*events)
        self.known.update(event.id for event in events)
        return done

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        return [change(event) for event in events if event.id in self.known]


@mutant(
    fails="APP-07",
    companions=("AFT-05", "LAT-04", "CUT", "REC", "ORD-06", "RES"),
    message="missing: ",
)
def the_log_is_read_on_opening(location: Path) -> Ports:
    return with_store(Late, location)
