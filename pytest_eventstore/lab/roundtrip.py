"""What went in comes out: many examples on one location, each with events of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.expect import events_of, show_events
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.ports import Event, LoadResult, instant


class RoundTrip:
    """Stores events and reads them back, by every read and through a fresh handle.

    Ids get a suffix, so that examples do not meet; the location is opened once
    for all writing, which makes examples cheap.
    """

    def __init__(self, told: Story, cause: str) -> None:
        self.told = told
        self.writer = told.open()
        self._cause = cause
        self._stored: list[Event] = []
        self._suffix = count(1)

    def __call__(self, *events: Event) -> None:
        """Store events, in one append, and fail unless they come back."""
        self._store(events, may_refuse=False)

    def offer(self, *events: Event) -> bool:
        """Do the same, but let the store refuse, if it then has none; tell whether it took them."""
        return self._store(events, may_refuse=True)

    def _store(self, events: Sequence[Event], *, may_refuse: bool) -> bool:
        suffix = next(self._suffix)
        own = [replace(event, id=f"{event.id}-{suffix}") for event in events]
        self.told.diary.clear()
        try:
            self.writer.events.append(*own)
        except Exception:
            if not may_refuse:
                raise
            self._expect([], own, self.writer, "after the refusal: ")
            return False
        self._expect(own, own, self.writer, "")
        reader = self.told.open("fresh")
        self._expect(own, own, reader, "fresh.")
        reader.close()
        self._stored += own
        return True

    def finish(self) -> None:
        """Fail unless everything stored so far is still there after closing."""
        self.told.diary.clear()
        self.told.diary.note(f"append({show_events(self._stored)}), in several calls")
        reopened = self.told.reopen()
        self._expect(self._stored, self._stored, reopened, "")

    def _expect(
        self, expected: Sequence[Event], own: Sequence[Event], handle: ToldHandle, who: str
    ) -> None:
        if not own:
            return
        store = handle.plain.events
        ids = {event.id for event in own}
        by_time = sorted(expected, key=lambda e: instant(e.timestamp))
        seen = self._note(f"{who}load_all()", store.load_all(), ids)
        self.told.expect_events(seen, by_time, f"{who}load_all()", cause=self._cause)

        before = min((e.timestamp for e in own), key=instant) - timedelta(microseconds=1)
        what = f"{who}load_since({before.isoformat()})"
        seen = self._note(what, store.load_since(before), ids)
        self.told.expect_events(seen, by_time, what, cause=self._cause)

        lowest = min((e.seq_nr for e in own if e.seq_nr), default=0)
        if lowest:
            what = f"{who}load_after_seq_nr({lowest - 1})"
            seen = self._note(what, store.load_after_seq_nr(lowest - 1), ids)
            numbered = [e for e in expected if e.seq_nr]
            # The order of equal numbers is no concern of a test of contents.
            self.told.expect_events(
                sorted(seen, key=_place), sorted(numbered, key=_place), what, cause=self._cause
            )

    def _note(self, what: str, result: LoadResult, ids: set[str]) -> list[Event]:
        events = events_of(result, what, history=self.told.diary.lines)
        seen = [event for event in events if event.id in ids]
        self.told.diary.note(f"{what} → {show_events(seen)}")
        return seen


@contextmanager
def round_trip(bench: Bench, *, cause: str = "") -> Iterator[RoundTrip]:
    """Give a round trip on a fresh location, and check at the end that all is still there."""
    with story(bench, cause=cause) as told:
        trip = RoundTrip(told, cause)
        yield trip
        trip.finish()


def _place(event: Event) -> tuple[int, timedelta, str]:
    return event.seq_nr, instant(event.timestamp), event.id
