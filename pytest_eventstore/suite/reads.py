"""Reading after a number, since a time, and the latest number."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import EPOCH, make_event, numbered, smuggle
from pytest_eventstore.lab.expect import events_of, show
from pytest_eventstore.lab.generators import ascending_seq_nrs, offsets, seq_nrs, timestamps
from pytest_eventstore.lab.handles import open_handle
from pytest_eventstore.lab.patience import Impatient, run_patiently
from pytest_eventstore.lab.story import Story, story
from pytest_eventstore.ports import MAX_SEQ_NR, SYSTEM_CUTOVER, Event, LoadResult, instant

_MICROSECOND = timedelta(microseconds=1)


class AfterNumberTests:
    """The part *after a number* of the contract."""

    def test_aft_01_excludes_n_and_includes_the_next(self, eventstore_lab: Bench) -> None:
        """The number given is excluded, the one after it included."""
        cause = "the comparison is >= in place of >, or the number is taken for a position"

        def check(start: int, count: int) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored = numbered(*range(start, start + count))
                handle.events.append(*stored)
                for after in range(start - 1, start + count):
                    _expect_after(told, handle.events.load_after_seq_nr, after, stored, cause)

        check(start=1, count=3)
        check(start=MAX_SEQ_NR - 2, count=2)
        eventstore_lab.for_all(check, start=seq_nrs(), count=st.just(1), examples=8)

    def test_aft_02_everything_at_0_and_nothing_past_the_head(self, eventstore_lab: Bench) -> None:
        """From 0 every numbered event comes; past the highest none."""
        cause = "an empty range is taken for no range, or 0 for no number"

        def check(numbers: list[int], beyond: int) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored = numbered(*numbers)
                handle.events.append(*stored)
                for after in (0, numbers[-1], min(numbers[-1] + beyond, MAX_SEQ_NR), MAX_SEQ_NR):
                    _expect_after(told, handle.events.load_after_seq_nr, after, stored, cause)

        check([1, 2], beyond=1)
        eventstore_lab.for_all(
            check, numbers=ascending_seq_nrs(), beyond=st.integers(1, 10**6), examples=8
        )

    def test_aft_03_number_0_never_comes_back(self, eventstore_lab: Bench) -> None:
        """Events without a number come out of `load_all` alone."""
        cause = "events without a number are not told from numbered ones"

        def check(numbers: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored = numbered(*numbers)
                handle.events.append(*stored)
                told.expect_events(handle.events.load_all(), stored, "load_all()")
                with_number = sorted((e for e in stored if e.seq_nr), key=lambda e: e.seq_nr)
                for opened in (handle, told.open("fresh")):
                    _expect_after(told, opened.events.load_after_seq_nr, 0, with_number, cause)

        check([0])
        check([0, 1, 0])
        eventstore_lab.for_all(
            check,
            numbers=st.lists(st.integers(1, 3) | st.just(0), min_size=1, max_size=6).filter(
                lambda ns: len({n for n in ns if n}) == sum(map(bool, ns))
            ),
            examples=8,
        )

    def test_aft_04_gaps_are_passed_over(self, eventstore_lab: Bench) -> None:
        """A number that no event carries neither ends a read nor makes it wait."""
        cause = "the read stops at the first number that is missing, or waits for its event"

        def check(numbers: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored = numbered(*numbers)
                handle.events.append(*stored)
                for after in (0, numbers[0], max(0, numbers[-1] - 1)):
                    result = _promptly(eventstore_lab, told, after)
                    _expect_after(told, lambda _, r=result: r, after, stored, cause)  # type: ignore[misc]

        check([1, 3])
        check([2, 1000, 10**12])
        eventstore_lab.for_all(check, numbers=ascending_seq_nrs(), examples=6)

    def test_aft_05_resuming_yields_each_event_once(self, eventstore_lab: Bench) -> None:
        """A reader that goes on from the last number it saw misses and repeats nothing."""
        cause = "the read starts at a position, a page or a file, not at the number"

        def check(numbers: list[int], sizes: list[int], reopen: bool) -> None:
            with story(eventstore_lab, cause=cause) as told:
                writer, reader = told.open("writer"), told.open("reader")
                stored = numbered(*numbers)
                collected: list[Event] = []
                left = list(stored)

                def read_on() -> None:
                    last = collected[-1].seq_nr if collected else 0
                    result = reader.events.load_after_seq_nr(last)
                    what = f"load_after_seq_nr({last})"
                    collected.extend(events_of(result, what, history=told.diary.lines))

                while left:
                    size = sizes[len(left) % len(sizes)]
                    writer.events.append(*left[:size])
                    del left[:size]
                    read_on()
                    read_on()  # finds nothing, as a reader that polls mostly does
                    if reopen:
                        reader.close()
                        reader = told.open("reader")
                told.expect_events(collected, stored, "all resumed reads together", cause=cause)

        check([1, 2, 3, 4], sizes=[1, 2], reopen=False)
        check([2, 3, 7, 11, 12], sizes=[2, 1], reopen=True)
        eventstore_lab.for_all(
            check,
            numbers=ascending_seq_nrs(max_size=10),
            sizes=st.lists(st.integers(1, 3), min_size=1, max_size=3),
            reopen=st.booleans(),
            examples=8,
        )


class SinceTests:
    """The part *since a time* of the contract."""

    def test_sin_01_strict_to_the_microsecond(self, eventstore_lab: Bench) -> None:
        """The instant given is excluded, one a microsecond later included."""
        cause = "the comparison is >=, or is made on seconds, milliseconds, days or rounded floats"

        def check(moment: datetime) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                stored = [make_event(n, timestamp=moment + n * _MICROSECOND) for n in range(-1, 3)]
                handle.events.append(*stored)
                for n in range(-2, 3):
                    _expect_since(told, handle.events.load_since, stored, n, moment, cause)

        check(EPOCH)
        check(EPOCH.replace(hour=0))
        check(EPOCH.replace(microsecond=999_999))
        eventstore_lab.for_all(check, moment=timestamps(), examples=12)

    def test_sin_02_the_zone_makes_no_difference(self, eventstore_lab: Bench) -> None:
        """The same instant in another zone gives the same answer."""
        cause = "the offset is dropped, or the time is compared as text or by its local day"

        def check(seconds: list[int], zones: list[tzinfo], asked: tzinfo) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                moments = [EPOCH + timedelta(seconds=s) for s in seconds]
                stored = [
                    make_event(n, timestamp=moment.astimezone(zones[n % len(zones)]))
                    for n, moment in enumerate(moments)
                ]
                handle.events.append(*stored)
                for moment in moments:
                    expected = [e for e in stored if instant(e.timestamp) > instant(moment)]
                    expected.sort(key=lambda e: instant(e.timestamp))
                    for zone in (UTC, asked):
                        after = moment.astimezone(zone)
                        result = handle.events.load_since(after)
                        what = f"load_since({show(after)})"
                        told.expect_events(result, expected, what, cause=cause)

        east, west = timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))
        check([0, 3600], zones=[east, west], asked=west)
        check([0, 3600], zones=[west], asked=east)
        check([-40_000, 0, 40_000, 80_000], zones=[UTC, west, east], asked=east)
        eventstore_lab.for_all(
            check,
            seconds=st.lists(st.integers(-200_000, 200_000), min_size=1, max_size=4, unique=True),
            zones=st.lists(offsets(), min_size=1, max_size=3),
            asked=offsets(),
            examples=12,
        )

    def test_sin_03_the_first_year_and_the_last(self, eventstore_lab: Bench) -> None:
        """Instants at both ends of the calendar are taken, in events and as the question."""
        cause = "the instant is turned into a number of seconds, or another zone, that has no room"
        first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
        east, west = timezone(timedelta(hours=5)), timezone(timedelta(hours=-5))
        moments = [
            first,
            datetime(1, 6, 1, tzinfo=east),
            EPOCH,
            datetime(9999, 6, 1, tzinfo=west),
            last,
        ]
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            stored = [make_event(n, timestamp=moment) for n, moment in enumerate(moments)]
            handle.events.append(*reversed(stored))
            for opened in (handle, told.open("fresh")):
                told.expect_events(opened.events.load_all(), stored, "load_all()", cause=cause)
                for n, moment in enumerate(moments):
                    what = f"load_since({show(moment)})"
                    result = opened.events.load_since(moment)
                    told.expect_events(result, stored[n + 1 :], what, cause=cause)
                asked = first.replace(tzinfo=west)  # five hours into the first day
                told.expect_events(
                    opened.events.load_since(asked),
                    stored[1:],
                    f"load_since({show(asked)})",
                    cause=cause,
                )

    def test_sin_04_a_naive_datetime_is_refused(self, eventstore_lab: Bench) -> None:
        """As the question, and as the timestamp of an event that bypassed its own check."""
        cause = "a datetime without a zone is taken for UTC or for local time"
        naive = datetime(2026, 1, 1, 12)  # noqa: DTZ001  # that is the point
        with story(eventstore_lab, cause=cause) as told:
            handle, stored = told.open(), make_event(1, seq_nr=1)
            handle.events.append(stored)
            told.expect_raises(
                lambda: handle.events.load_since(naive), "load_since of a naive time", cause=cause
            )
            bad = smuggle(make_event(2, seq_nr=2), timestamp=naive)
            told.expect_raises(
                lambda: handle.events.append(bad), "append of a naive timestamp", cause=cause
            )
            for opened in (handle, told.open("fresh")):
                told.expect_events(opened.events.load_all(), [stored], "load_all()", cause=cause)


class LatestTests:
    """The part *latest number* of the contract, but for archives."""

    def test_lat_01_0_without_a_number(self, eventstore_lab: Bench) -> None:
        """Empty, or with events that carry no number, the latest is 0."""
        cause = "the events are counted, or an empty result is an error"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            told.expect_equal(handle.events.latest_seq_nr(), 0, "latest_seq_nr()", cause=cause)
            stored = numbered(0, 0, 0)
            handle.events.append(*stored)
            told.expect_events(handle.events.load_all(), stored, "load_all()")
            told.expect_equal(handle.events.latest_seq_nr(), 0, "latest_seq_nr()", cause=cause)
            again = told.reopen().events.latest_seq_nr()
            told.expect_equal(again, 0, "latest_seq_nr()", cause=cause)

    def test_lat_02_the_highest_number(self, eventstore_lab: Bench) -> None:
        """Not the count, not the one appended last, not the one of the latest timestamp."""
        cause = "the last line is looked at, the events are counted, or numbers compared as text"

        def check(numbers: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                for event in numbered(*numbers):
                    handle.events.append(event)
                for opened in (handle, told.open("fresh")):
                    seen = opened.events.latest_seq_nr()
                    told.expect_equal(seen, max(numbers), "latest_seq_nr()", cause=cause)

        check([7])
        check([10, 9, 0])
        check([2**53 + 1, MAX_SEQ_NR, 2])
        eventstore_lab.for_all(
            check,
            numbers=st.lists(seq_nrs(min_value=0), min_size=1, max_size=6).filter(any),
            examples=10,
        )

    def test_lat_03_never_goes_down(self, eventstore_lab: Bench) -> None:
        """Not by reopening, and not by appending a lower number."""
        cause = "the number is kept by the handle, or is that of the file read last"

        def check(numbers: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                highest = 0
                for n, number in enumerate(numbers, 1):
                    moment = EPOCH - timedelta(days=n)
                    handle.events.append(make_event(n, seq_nr=number, timestamp=moment))
                    highest = max(highest, number)
                    told.expect_equal(
                        handle.events.latest_seq_nr(), highest, "latest_seq_nr()", cause=cause
                    )
                    handle = told.reopen()
                    again = handle.events.latest_seq_nr()
                    told.expect_equal(again, highest, "latest_seq_nr()", cause=cause)

        check([3, 1, 4, 0, 2])
        eventstore_lab.for_all(
            check,
            numbers=st.lists(seq_nrs(min_value=0), min_size=1, max_size=5).filter(
                lambda n: n[0] > 0
            ),
            examples=6,
        )

    def test_lat_04_ignores_what_was_before_the_cutover(self, eventstore_lab: Bench) -> None:
        """After a cutover only global numbers count, however high the local ones were."""
        cause = "local and global numbers share one column and nothing marks the boundary"

        def check(legacy: list[int]) -> None:
            with story(eventstore_lab, cause=cause) as told:
                handle = told.open()
                handle.events.append(*numbered(*legacy))
                handle.cutover("kind")
                seen = events_of(handle.events.load_all(), "load_all()")
                told.expect_equal(
                    sum(e.type == SYSTEM_CUTOVER for e in seen), 1, "the number of cutover events"
                )
                other = told.open("other")
                for opened in (handle, other):
                    latest = opened.events.latest_seq_nr()
                    told.expect_equal(latest, 1, "latest_seq_nr()", cause=cause)
                handle.events.append(make_event(99, seq_nr=2))
                for opened in (handle, other):
                    latest = opened.events.latest_seq_nr()
                    told.expect_equal(latest, 2, "latest_seq_nr()", cause=cause)
                latest = told.reopen().events.latest_seq_nr()
                told.expect_equal(latest, 2, "latest_seq_nr()", cause=cause)

        check([7])
        check([1, 2**53, 0])
        eventstore_lab.for_all(
            check, legacy=st.lists(st.integers(0, 2**60), max_size=4), examples=5
        )


def _expect_after(
    told: Story,
    load: Callable[[int], LoadResult],
    after: int,
    ascending: list[Event],
    cause: str,
) -> None:
    expected = [event for event in ascending if event.seq_nr > after]
    told.expect_events(load(after), expected, f"load_after_seq_nr({after})", cause=cause)


def _expect_since(
    told: Story,
    load: Callable[[datetime], LoadResult],
    ascending: list[Event],
    steps: int,
    moment: datetime,
    cause: str,
) -> None:
    after = moment + steps * _MICROSECOND
    expected = [event for event in ascending if instant(event.timestamp) > instant(after)]
    told.expect_events(load(after), expected, f"load_since({show(after)})", cause=cause)


def _promptly(bench: Bench, told: Story, after: int) -> LoadResult:
    """Load with a handle of its own, and fail if it does not come back."""

    def load() -> LoadResult:
        handle = open_handle(bench.target.factory, told.path)
        try:
            return handle.events.load_after_seq_nr(after)
        finally:
            handle.close()

    line = f"load_after_seq_nr({after})"
    try:
        result: LoadResult = told.diary.quietly(line, run_patiently, load)
    except Impatient as error:
        told.violated(
            expected=f"{line} returns although numbers are missing",
            seen=str(error),
            cause="the read waits for the event of a number that no event carries",
        )
    told.diary.note(line)
    return result
