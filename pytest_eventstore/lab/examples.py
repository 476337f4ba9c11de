"""Events to try a store with, made by hand; `generators` has those made by chance."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from pytest_eventstore.ports import Event

EPOCH = datetime(2026, 1, 1, 12, tzinfo=UTC)
"""When the event number 0 of `make_event` happened."""

PLAIN_TYPE = "test.happened"
"""The type of an event whose type does not matter."""

TEXT_FIELDS = (
    "id",
    "type",
    "session_id",
    "correlation_id",
    "causation_id",
    "aggregate_id",
    "aggregate_type",
)
"""The fields of an event that hold a string."""


def make_event(n: int = 0, /, **over: Any) -> Event:
    """Return the n-th of a run of simple events, one a second; `over` replaces fields.

    The sequence number is 0 unless given.
    """
    values: dict[str, Any] = {
        "id": f"e{n}",
        "type": PLAIN_TYPE,
        "timestamp": EPOCH + timedelta(seconds=n),
        "data": {"n": n},
    }
    return Event(**(values | over))


def numbered(*numbers: int, first: int = 1) -> list[Event]:
    """Return simple events that carry the numbers given, in the order given."""
    return [make_event(first + i, seq_nr=number) for i, number in enumerate(numbers)]


def smuggle(event: Event, /, **over: Any) -> Event:
    """Return the event with fields replaced and its validation bypassed.

    Unpickling, `copy` and C extensions make such events too, so a store has to
    call `Event.validate` itself.
    """
    smuggled = object.__new__(Event)
    for field in fields(Event):
        object.__setattr__(smuggled, field.name, over.get(field.name, getattr(event, field.name)))
    return smuggled
