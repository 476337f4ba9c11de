"""The order in which events come back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import EPOCH, make_event
from pytest_eventstore.lab.expect import events_of
from pytest_eventstore.lab.generators import ascending_seq_nrs, seq_nrs, timestamps
from pytest_eventstore.lab.story import ToldHandle, story
from pytest_eventstore.ports import MAX_SEQ_NR, Event, instant


class OrderTests:
    """The part *order of reads* of the contract, but for what needs concurrency."""

    def test_ord_01_by_number_whatever_the_order_of_appends(self, eventstore_lab: Bench) -> None:
        """Numbers ascend, as numbers; of equal ones all come back, by timestamp."""
        cause = "the order is that of appending, of the text of the number, or one per number"

        def check(batches: list[list[tuple[int, int]]]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored: list[Event] = []
                for batch in batches:
                    new = [
                        make_event(
                            len(stored) + i,
                            seq_nr=number,
                            # Two events that tie in both have no order to ask for.
                            timestamp=EPOCH + timedelta(seconds=second * 1000 + len(stored) + i),
                        )
                        for i, (number, second) in enumerate(batch)
                    ]
                    handle.events.append(*new)
                    stored += new
                expected = sorted(stored, key=lambda e: (e.seq_nr, instant(e.timestamp)))
                for opened in (handle, told.open("fresh")):
                    result = opened.events.load_after_seq_nr(0)
                    told.expect_events(result, expected, "load_after_seq_nr(0)", cause=cause)

        check([[(2, 0)], [(1, 0)]])
        check([[(5, 9), (5, 3)], [(5, 6), (5, 0)]])
        check([[(10, 0), (9, 0)]])
        check([[(100, 0), (MAX_SEQ_NR, 0), (2**53 + 1, 0), (2**53, 0)]])
        one = st.tuples(seq_nrs(), st.integers(-9, 9))
        batches = st.lists(st.lists(one, min_size=1, max_size=4), min_size=1, max_size=3)
        eventstore_lab.for_all(check, batches=batches, examples=12)

    def test_ord_02_chronological(self, eventstore_lab: Bench) -> None:
        """By the instant, whatever its offset; equal instants in the order appended."""
        cause = "timestamps are compared as text, by their local day, or by file alone"

        def check(moments: list[list[datetime]]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored: list[Event] = []
                for batch in moments:
                    new = [make_event(len(stored) + i, timestamp=m) for i, m in enumerate(batch)]
                    handle.events.append(*new)
                    stored += new
                expected = sorted(stored, key=lambda e: instant(e.timestamp))
                for opened in (handle, told.open("fresh")):
                    told.expect_events(
                        opened.events.load_all(), expected, "load_all()", cause=cause
                    )

        check([[EPOCH + timedelta(seconds=1)], [EPOCH]])
        check([[EPOCH], [EPOCH], [EPOCH, EPOCH]])
        check([_around_midnight()])
        check([[EPOCH.replace(microsecond=5), EPOCH, EPOCH.replace(microsecond=40)]])
        moments = st.lists(st.lists(timestamps(), min_size=1, max_size=4), min_size=1, max_size=3)
        eventstore_lab.for_all(check, moments=moments, examples=12)

    def test_ord_03_a_clock_that_goes_backwards(self, eventstore_lab: Bench) -> None:
        """Reads by number give the order of numbers, and everything, whatever the clock said."""
        cause = "reads by number follow the timestamps, or stop at a day that has passed"

        def check(numbers: list[int], steps: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored: list[Event] = []
                clock = EPOCH
                for n, (number, step) in enumerate(zip(numbers, steps, strict=False), 1):
                    clock += timedelta(hours=step)
                    event = make_event(n, seq_nr=number, timestamp=clock)
                    handle.events.append(event)
                    stored.append(event)
                for opened in (handle, told.open("fresh")):
                    result = opened.events.load_after_seq_nr(0)
                    told.expect_events(result, stored, "load_after_seq_nr(0)", cause=cause)
                    rest = opened.events.load_after_seq_nr(stored[0].seq_nr)
                    what = f"load_after_seq_nr({stored[0].seq_nr})"
                    told.expect_events(rest, stored[1:], what, cause=cause)

        check([1, 2, 3], [0, -30, 1])
        eventstore_lab.for_all(
            check,
            numbers=ascending_seq_nrs(),
            steps=st.lists(st.integers(-40, 5), min_size=8, max_size=8),
            examples=8,
        )

    def test_ord_04_two_loads_are_equal(self, eventstore_lab: Bench) -> None:
        """With no write between, the same handle and a fresh one give the same again."""
        cause = "the order of ties depends on chance, on a set, or on the state of a cache"

        def check(events: list[tuple[int, int]]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                for n, (number, second) in enumerate(events):
                    handle.events.append(
                        make_event(n, seq_nr=number, timestamp=EPOCH + timedelta(seconds=second))
                    )
                first = _all_reads(handle)
                told.expect_equal(
                    len(first["load_all()"]), len(events), "the number of events loaded"
                )
                for opened in (handle, handle, told.open("fresh")):
                    for what, seen in _all_reads(opened).items():
                        again = f"{what}, once more,"
                        told.expect_events(seen, first[what], again, cause=cause)
                for what, seen in _all_reads(told.reopen()).items():
                    again = f"{what}, after reopening,"
                    told.expect_events(seen, first[what], again, cause=cause)

        check([(1, 0), (1, 0), (0, 0), (2, 0), (2, 0)])
        pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=12)
        eventstore_lab.for_all(check, events=pairs, examples=8)

    def test_ord_06_nothing_where_nothing_is(self, eventstore_lab: Bench) -> None:
        """Every load of an empty location gives nothing, and makes no event."""
        cause = "a missing file or table is an error, or is made with something in it"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            for opened in (handle, told.open("other"), handle):
                for what, seen in _all_reads(opened).items():
                    told.expect_events(seen, [], what, cause=cause)
                told.expect_equal(opened.events.latest_seq_nr(), 0, "latest_seq_nr()", cause=cause)
            first = make_event(1, seq_nr=1)
            handle.events.append(first)
            for opened in (handle, told.open("fresh")):
                told.expect_events(opened.events.load_all(), [first], "load_all()", cause=cause)


def _around_midnight() -> list[datetime]:
    """Return instants whose local days are in another order than they are."""
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    return [
        midnight.replace(tzinfo=timezone(timedelta(hours=5))),
        midnight - timedelta(minutes=30),
        (midnight + timedelta(hours=1)).astimezone(timezone(timedelta(hours=-9))),
        (midnight - timedelta(hours=2)).astimezone(timezone(timedelta(hours=9))),
    ]


def _all_reads(handle: ToldHandle) -> dict[str, list[Event]]:
    """Return what every kind of load gives."""
    store = handle.events
    since = EPOCH - timedelta(days=1)
    return {
        "load_all()": events_of(store.load_all(), "load_all()"),
        "load_since(the day before)": events_of(store.load_since(since), "load_since()"),
        "load_after_seq_nr(0)": events_of(store.load_after_seq_nr(0), "load_after_seq_nr(0)"),
        "load_after_seq_nr(1)": events_of(store.load_after_seq_nr(1), "load_after_seq_nr(1)"),
    }
