"""Fidelity: data comes back as it was, or was refused."""

from __future__ import annotations

import itertools
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.lab.examples import EPOCH, TEXT_FIELDS, make_event
from pytest_eventstore.lab.expect import (
    event_difference,
    events_of,
    json_difference,
    key_order_difference,
    show,
)
from pytest_eventstore.lab.generators import (
    AWKWARD_FLOATS,
    AWKWARD_INTEGERS,
    AWKWARD_TEXT,
    LONE_SURROGATES,
    SummerTime,
    awkward_text,
    doubles,
    event_types,
    integers,
    is_plain,
    json_values,
    plain_text,
    timestamps,
)
from pytest_eventstore.lab.roundtrip import round_trip
from pytest_eventstore.lab.story import story
from pytest_eventstore.ports import JSON, Event, InvalidEventError

_MIB = 2**20

_BREAKING_TEXT = (
    *LONE_SURROGATES,
    "\0",
    "a\0b",
    "\n",
    "\r",
    "a\r\nb\n",
    '"',
    "'",
    '\\"',
    '"}\n{"id":"e1"}\n',
)


_PLACES = (*TEXT_FIELDS, "data", "key")


class FidelityTests:
    """The part *fidelity of data* of the contract."""

    def test_fid_01_any_json_and_any_unicode(self, eventstore_lab: Bench) -> None:
        """Nested values, empty containers, null, and text of every script are exact."""
        cause = "an encoding, a normalisation, or a falsy value taken for a missing one"
        nested: JSON = [[], {}, [[]], {"": {}}, [None], None, False, True, "", [[[{"a": [None]}]]]]
        with round_trip(eventstore_lab, cause=cause) as trip:
            for data in (nested, None, [], {}, "", 0, False, dict.fromkeys(AWKWARD_TEXT)):
                trip(make_event(1, data=data))
            trip(make_event(1, data=list(AWKWARD_TEXT)))
            eventstore_lab.for_all(
                lambda data: trip(make_event(1, data=data)), data=json_values(max_leaves=12)
            )

    def test_fid_01_any_unicode_in_every_field(self, eventstore_lab: Bench) -> None:
        """What data may hold, the other strings of an event may hold too, but for some controls."""
        cause = "a field is normalised, trimmed, or kept in a narrower encoding"

        with round_trip(eventstore_lab, cause=cause) as trip:

            def check(texts: list[str]) -> None:
                fields = zip(TEXT_FIELDS, itertools.cycle(texts), strict=False)
                trip(make_event(1, **dict(fields)))

            for text in filter(is_plain, AWKWARD_TEXT[1:]):
                check([text])
            texts = st.lists(plain_text(min_size=1), min_size=1, max_size=len(TEXT_FIELDS))
            eventstore_lab.for_all(check, texts=texts, examples=16)

    def test_fid_02_numbers_are_exact(self, eventstore_lab: Bench) -> None:
        """Integers beyond what a double holds, negative zero, the smallest and largest doubles."""
        cause = "numbers go through a double, a 64-bit integer, a decimal or a short text form"
        with round_trip(eventstore_lab, cause=cause) as trip:
            for number in (*AWKWARD_INTEGERS, *AWKWARD_FLOATS):
                trip(make_event(1, data={"number": number}))
            eventstore_lab.for_all(
                lambda numbers: trip(make_event(1, data=numbers)),
                numbers=st.lists(integers() | doubles(), min_size=1, max_size=6),
            )

    def test_fid_02_what_is_no_number_is_refused(self, eventstore_lab: Bench) -> None:
        """NaN and the infinities are not JSON; an event that came to hold one is refused."""
        cause = "the encoder writes NaN, which other readers of the log cannot parse"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            for value in (math.nan, math.inf, -math.inf):
                data: Any = {"a": [0.5]}
                bad = make_event(1, data=data)
                data["a"].append(value)
                told.expect_raises(
                    lambda e=bad: handle.events.append(e),  # type: ignore[misc]
                    f"append of data that holds {value}",
                    cause=cause,
                )
                told.expect_events(handle.events.load_all(), [], "load_all()", cause=cause)

    def test_fid_03_text_that_breaks_lines_or_encodings(self, eventstore_lab: Bench) -> None:
        """Lone surrogates, line ends and quotes, wherever they stand, are exact or refused."""
        cause = "text is replaced while it is encoded, cut at NUL, or ends the record it is in"
        with round_trip(eventstore_lab, cause=cause) as trip:
            for text in _BREAKING_TEXT:
                if not trip.offer(_event_with(text, *_PLACES)):
                    for place in _PLACES:
                        trip.offer(_event_with(text, place))

            def check(place: str, text: str) -> None:
                try:
                    event = _event_with(text, place)
                except InvalidEventError:
                    return  # the port itself refuses a surrogate pair
                trip.offer(event)

            pieces = st.lists(st.sampled_from(_BREAKING_TEXT) | awkward_text(), min_size=1)
            eventstore_lab.for_all(
                check, place=st.sampled_from(_PLACES), text=pieces.map("".join), examples=12
            )
            trip(make_event(1))

    def test_fid_04_the_order_of_keys_is_kept(self, eventstore_lab: Bench) -> None:
        """An object's keys come back in the order they had, at every depth."""
        cause = "keys are sorted, or the data is kept in a column type that reorders them"

        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            stored: list[str] = []

            def check(data: JSON) -> None:
                told.diary.clear()
                event = make_event(len(stored), data=data)
                stored.append(event.id)
                handle.events.append(event)
                for opened in (handle, told.open("fresh")):
                    result = told.diary.quietly("load_all()", opened.plain.events.load_all)
                    events = events_of(result, "load_all()")
                    seen = next((e.data for e in events if e.id == event.id), None)
                    different = json_difference(data, seen, "data")
                    reordered = key_order_difference(data, seen, "data")
                    if different or reordered:
                        told.violated(
                            expected=f"the data comes back as {data!r}",
                            seen=f"{seen!r}; {different or reordered}",
                            cause=cause,
                        )

            check({"b": 1, "a": {"z": [], "y": {"2": 0, "10": 1, "1": 2}}})
            keys = st.lists(st.text("abz019", max_size=3), unique=True, min_size=2, max_size=8)
            eventstore_lab.for_all(
                lambda keys: check([dict.fromkeys(keys, 0), {"in": dict.fromkeys(keys[::-1])}]),
                keys=keys,
                examples=12,
            )

    def test_fid_05_the_instant_to_the_microsecond(self, eventstore_lab: Bench) -> None:
        """Microseconds, and none, are kept; the instant is, whatever the offset."""
        cause = "the fraction is rounded or dropped, or the offset ignored"
        summer = datetime(2026, 10, 25, 2, 30, tzinfo=SummerTime())
        moments = [
            EPOCH.replace(microsecond=1),
            EPOCH.replace(microsecond=999_999),
            EPOCH.replace(microsecond=120_000),
            EPOCH,
            EPOCH.replace(hour=0),
            datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            datetime(1890, 1, 1, tzinfo=timezone(timedelta(minutes=53, seconds=28))),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
            datetime.max.replace(tzinfo=UTC),
            summer,
            summer.replace(fold=1),
        ]
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            stored: list[str] = []

            def check(moment: datetime) -> None:
                told.diary.clear()
                event = make_event(len(stored), timestamp=moment)
                stored.append(event.id)
                handle.events.append(event)
                for opened in (handle, told.open("fresh")):
                    result = told.diary.quietly("load_all()", opened.plain.events.load_all)
                    events = events_of(result, "load_all()")
                    seen = next((e for e in events if e.id == event.id), None)
                    if (found := event_difference(event, seen)) is not None:
                        told.violated(
                            expected=f"the timestamp comes back as {show(moment)}",
                            seen=found,
                            cause=cause,
                        )

            for moment in moments:
                check(moment)
            eventstore_lab.for_all(check, moment=timestamps(), examples=16)

    def test_fid_07_unknown_types_survive(self, eventstore_lab: Bench) -> None:
        """A store has no opinion on what happened."""
        cause = "types are looked up in a registry, or some prefix is kept for the store itself"
        known = ("system.unheard_of", "system.cutover.not", "Cutover", "snapshot", "test", "1")
        with round_trip(eventstore_lab, cause=cause) as trip:
            for name in known:
                trip(make_event(1, type=name, seq_nr=1))
            eventstore_lab.for_all(
                lambda name: trip(make_event(1, type=name, seq_nr=1)),
                name=event_types(),
                examples=12,
            )

    def test_fid_08_what_is_accepted_can_be_read(self, eventstore_lab: Bench) -> None:
        """An event of many MiB is refused, or comes back whole, and so does the next one."""
        cause = "a limit on the size of lines, rows or messages that only reading has"
        sizes = (1, 16) if eventstore_lab.effort is Effort.QUICK else (1, 16, 64)
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            stored = []
            for n, mib in enumerate(sizes, 1):
                event = make_event(n, seq_nr=n, data={"blob": _filling(mib * _MIB)})
                told.diary.note(f"append(an event of {mib} MiB)")
                try:
                    handle.plain.events.append(event)
                except Exception as error:  # refused is as good as stored
                    told.diary.note(f"  raised {type(error).__name__}")
                else:
                    stored.append(event)
            after = make_event(99, seq_nr=99)
            handle.events.append(after)
            stored.append(after)
            told.expect_events(
                told.reopen().events.load_after_seq_nr(0),
                stored,
                "load_after_seq_nr(0)",
                cause=cause,
            )


def _event_with(text: str, *places: str) -> Event:
    """Return an event that has the text in each of the places."""
    fields: dict[str, Any] = {place: text for place in places if place in TEXT_FIELDS}
    key = text if "key" in places else "key"
    return make_event(1, data={key: [text] if "data" in places else 1}, **fields)


def _filling(size: int) -> str:
    """Return text of that many bytes, each block of which says where it stands."""
    block = "0123456789abcdef" * 256
    return "".join(f"{n:08x}{block[8:]}" for n in range(size // len(block)))
