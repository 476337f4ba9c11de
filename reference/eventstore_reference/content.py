"""When two events say the same."""

from __future__ import annotations

import json

from pytest_eventstore.ports import Event, instant


def same_content(one: Event, other: Event) -> bool:
    """Return whether all fields are equal as JSON: 1 is not true, 0.0 is not -0.0.

    Events that compare equal in Python may still differ; the same instant in
    another time zone, and data with its keys in another order, is the same.
    """
    return one == other and _canonical(one) == _canonical(other)


def _canonical(event: Event) -> str:
    return json.dumps(event.data, sort_keys=True)


def content_key(event: Event) -> tuple[object, ...]:
    """Return a key that is equal exactly for events of the same content."""
    return (
        event.id,
        event.type,
        instant(event.timestamp),
        _canonical(event),
        event.session_id,
        event.correlation_id,
        event.causation_id,
        event.aggregate_id,
        event.aggregate_type,
        event.seq_nr,
        event.schema_version,
    )
