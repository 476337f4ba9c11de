"""What went in comes out: many examples on one location, each with events of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.expect import events_of, show, show_events
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

        def check(
            what: str, wanted: Sequence[Event], load: Callable[..., LoadResult], *arguments: Any
        ) -> None:
            result = self.told.diary.quietly(f"{who}{what}", load, *arguments)
            seen = self._note(f"{who}{what}", result, ids)
            # What came back is the concern here; in which order, that of other tests.
            self.told.expect_events(
                sorted(seen, key=_id), sorted(wanted, key=_id), f"{who}{what}", cause=self._cause
            )

        check("load_all()", expected, store.load_all)
        before = min((e.timestamp for e in own), key=instant) - timedelta(days=1)
        check(f"load_since({show(before)})", expected, store.load_since, before)
        if any(e.seq_nr for e in own):
            numbered = [e for e in expected if e.seq_nr]
            check("load_after_seq_nr(0)", numbered, store.load_after_seq_nr, 0)

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


def _id(event: Event) -> str:
    return event.id
