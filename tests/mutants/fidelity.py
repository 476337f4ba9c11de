"""Stores that lose something of the data, over the in-memory adapter."""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

from mutants.registry import mutant
from mutants.stores import (
    ChangingStore,
    FilteringStore,
    Store,
    change,
    map_leaves,
    map_text,
    with_store,
)
from pytest_eventstore.lab.examples import TEXT_FIELDS
from pytest_eventstore.ports import SYSTEM_CUTOVER, AppendResult, Event, Ports

ANY = ("APP-01", "APP-05", "APP-08", "APP-09", "FID", "BAD")
"""Requirements whose tests store data of every kind."""


@mutant(fails="FID-01", companions=ANY, message="differs at data")
def text_is_normalised(location: Path) -> Ports:
    class Normalising(ChangingStore):
        def change(self, event: Event) -> Event:
            nfc = map_text(event.data, lambda text: unicodedata.normalize("NFC", text))
            return change(event, data=nfc)

    return with_store(Normalising, location)


@mutant(fails="FID-01", companions=ANY, message="differs at data")
def a_falsy_value_is_taken_for_none(location: Path) -> Ports:
    class Falsy(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, data=event.data or None)

    return with_store(Falsy, location)


@mutant(fails="FID-03", companions=("BAD-01",), message="differs at ")
def text_ends_at_nul(location: Path) -> Ports:
    class Terminated(ChangingStore):
        def change(self, event: Event) -> Event:
            cut = {name: getattr(event, name).partition("\0")[0] for name in TEXT_FIELDS[2:]}
            return change(event, **cut)

    return with_store(Terminated, location)


@mutant(fails="FID-01", companions=ANY, message="differs at data")
def data_ends_at_nul(location: Path) -> Ports:
    class Terminated(ChangingStore):
        def change(self, event: Event) -> Event:
            cut = map_text(event.data, lambda text: text.partition("\0")[0])
            return change(event, data=cut)

    return with_store(Terminated, location)


@mutant(fails="FID-01", companions=ANY, message="differs at ")
def text_is_trimmed(location: Path) -> Ports:
    class Trimming(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, **{n: getattr(event, n).strip() for n in TEXT_FIELDS[2:]})

    return with_store(Trimming, location)


@mutant(fails="FID-02", companions=ANY, message="differs at data")
def integers_go_through_doubles(location: Path) -> Ports:
    class Doubling(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, data=map_leaves(event.data, self._double))

        def _double(self, value: Any) -> Any:
            return int(float(value)) if type(value) is int else value

    return with_store(Doubling, location)


@mutant(fails="FID-02", companions=ANY, message="-0.0")
def negative_zero_loses_its_sign(location: Path) -> Ports:
    class Unsigned(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(
                event,
                data=map_leaves(
                    event.data, lambda v: 0.0 if v == 0.0 and isinstance(v, float) else v
                ),
            )

    return with_store(Unsigned, location)


@mutant(fails="FID-02", companions=ANY, message="differs at data")
def doubles_are_kept_to_15_digits(location: Path) -> Ports:
    class Short(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, data=map_leaves(event.data, self._short))

        def _short(self, value: Any) -> Any:
            short = float(f"{value:.15g}") if isinstance(value, float) else value
            return short if not isinstance(short, float) or math.isfinite(short) else value

    return with_store(Short, location)


@mutant(fails="FID-02", message="append of data that holds nan raises")
def nan_becomes_null(location: Path) -> Ports:
    class Nulling(Store):
        def append(self, *events: Event) -> AppendResult:
            return super().append(*map(self._finite, events))

        def _finite(self, event: Event) -> Event:
            finite = map_leaves(
                event.data, lambda v: None if isinstance(v, float) and not math.isfinite(v) else v
            )
            if finite != event.data:
                object.__setattr__(event, "data", finite)
            return event

    return with_store(Nulling, location)


@mutant(fails="FID-03", message="differs at ")
def lone_surrogates_are_replaced(location: Path) -> Ports:
    class Replacing(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, data=map_text(event.data, self._encodable))

        def _encodable(self, text: str) -> str:
            return text.encode(errors="replace").decode()

    return with_store(Replacing, location)


@mutant(fails="FID-03", companions=ANY, message="differs at ")
def line_ends_are_translated(location: Path) -> Ports:
    class Translating(ChangingStore):
        def change(self, event: Event) -> Event:
            unix = {
                n: getattr(event, n).replace("\r\n", "\n").replace("\r", "\n")
                for n in TEXT_FIELDS[2:]
            }
            return change(event, **unix)

    return with_store(Translating, location)


@mutant(fails="FID-03", companions=("BAD-02",), message="missing: ")
def a_refused_surrogate_takes_others_along(location: Path) -> Ports:
    class Dropping(FilteringStore):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                event.validate()
                if "\\ud800" in event.to_json_line():
                    self.shared["lost"] = set(self.inner._location.lines)
                    raise ValueError("surrogates not allowed")
            return super().append(*events)

        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            lost = self.shared.get("lost", ())
            return [event for event in events if event.id not in lost]

    return with_store(Dropping, location)


@mutant(fails="FID-04", message="keys ['a', 'b'] instead of ['b', 'a']")
def keys_are_sorted(location: Path) -> Ports:
    class Sorting(ChangingStore):
        def change(self, event: Event) -> Event:
            try:
                return change(event, data=json.loads(json.dumps(event.data, sort_keys=True)))
            except (TypeError, ValueError):  # what the suite smuggled is the inner store's affair
                return event

    return with_store(Sorting, location)


@mutant(
    fails="FID-05",
    companions=("APP", "SIN", "ORD"),
    message="the timestamp comes back as",
)
def fractions_are_cut_to_milliseconds(location: Path) -> Ports:
    class Cutting(ChangingStore):
        def change(self, event: Event) -> Event:
            micros = event.timestamp.microsecond // 1000 * 1000
            return change(event, timestamp=event.timestamp.replace(microsecond=micros))

    return with_store(Cutting, location)


@mutant(
    fails="FID-05",
    companions=("APP", "SIN", "ORD"),
    message="the timestamp comes back as",
)
def the_zone_is_taken_for_utc(location: Path) -> Ports:
    class Local(ChangingStore):
        def change(self, event: Event) -> Event:
            if event.timestamp.tzinfo is None:
                return event
            return change(event, timestamp=event.timestamp.replace(tzinfo=UTC))

    return with_store(Local, location)


@mutant(fails="FID-05", message="the timestamp comes back as 2026-10-25T02:30:00+01:00")
def the_hour_that_comes_twice_is_one(location: Path) -> Ports:
    class Unfolding(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, timestamp=event.timestamp.replace(fold=0))

    return with_store(Unfolding, location)


@mutant(fails="FID-05", message="the timestamp comes back as 1890-01-01T00:00:00+00:53:28")
def the_seconds_of_an_offset_are_dropped(location: Path) -> Ports:
    class Rounding(ChangingStore):
        def change(self, event: Event) -> Event:
            offset = event.timestamp.utcoffset() or timedelta()
            excess = offset % timedelta(minutes=1)
            if not excess:
                return event
            return change(event, timestamp=event.timestamp + excess)

    return with_store(Rounding, location)


@mutant(
    fails="FID-07",
    companions=("APP-01", "APP-05", "APP-08"),
    message="missing: ",
)
def system_types_are_the_store_s_own(location: Path) -> Ports:
    class Reserving(FilteringStore):
        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            return [
                event
                for event in events
                if event.type == SYSTEM_CUTOVER or not event.type.startswith("system.")
            ]

    return with_store(Reserving, location)


@mutant(
    fails="FID-07",
    companions=("APP", "FID", "BAD"),
    message="KeyError",
)
def types_are_looked_up(location: Path) -> Ports:
    class Typed(FilteringStore):
        registry = ("test.happened", "test.other", SYSTEM_CUTOVER)

        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            for event in events:
                if event.type not in self.registry and not event.type.startswith("s."):
                    raise KeyError(event.type)
            return events

    return with_store(Typed, location)


@mutant(fails="FID-08", message="missing: ")
def long_lines_cannot_be_read(location: Path) -> Ports:
    class Scanning(FilteringStore):
        def select(self, events: Sequence[Event]) -> Sequence[Event]:
            limit = 10 * 2**20
            return [event for event in events if len(str(event.data)) < limit]

    return with_store(Scanning, location)
