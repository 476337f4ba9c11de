"""Comparisons whose failure reads like a bug report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from unicodedata import normalize

from pytest_eventstore.lab.examples import PLAIN_TYPE, TEXT_FIELDS
from pytest_eventstore.outcomes import violated
from pytest_eventstore.ports import AppendResult, Event, LoadResult, Snapshot, instant

_LONG = 160
_MANY = 12

History = Sequence[str]


def expect_equal(
    seen: object, expected: object, what: str, *, cause: str = "", history: History = ()
) -> None:
    """Fail unless the value seen is the one expected, of the same kind throughout.

    Args:
        seen: What came back.
        expected: What should have.
        what: Names the value, such as ``latest_seq_nr()``.
        cause: What usually breaks this.
        history: The calls made.
    """
    found = json_difference(expected, seen, what)
    if found is not None:
        violated(
            expected=f"{what} is {show(expected)}",
            seen=show(seen) if found.startswith(f"{what}: ") else f"{show(seen)}; {found}",
            history=list(history),
            cause=cause,
        )


def expect_raises(
    call: Callable[[], object], what: str, *, cause: str = "", history: History = ()
) -> Exception:
    """Fail unless the call raises; any `Exception` counts as a rejection."""
    try:
        result = call()
    except Exception as error:
        raised = error
    else:
        violated(
            expected=f"{what} raises",
            seen=f"it returned {show(result)}",
            history=list(history),
            cause=cause,
        )
    return raised


def expect_events(
    seen: object, expected: Sequence[Event], what: str, *, cause: str = "", history: History = ()
) -> None:
    """Fail unless a load gave exactly these events, in this order, every field equal.

    Args:
        seen: A `LoadResult`, or a sequence of events.
        expected: The events.
        what: Names the load, such as ``load_after_seq_nr(3)``.
        cause: What usually breaks this.
        history: The calls made.
    """
    found = events_of(seen, what, history=history)
    problem = _events_problem(expected, found)
    if problem is not None:
        violated(
            expected=f"{what} gives {show_events(expected)}",
            seen=f"{show_events(found)}; {problem}",
            history=list(history),
            cause=cause,
        )


def events_of(result: object, what: str, *, history: History = ()) -> list[Event]:
    """Return the events of a load's result, or fail if it is not a `LoadResult`."""
    if isinstance(result, list | tuple):
        return list(result)
    try:
        return list(result.events)  # type: ignore[attr-defined]
    except (AttributeError, TypeError):
        violated(
            expected=f"{what} gives a LoadResult",
            seen=show(result),
            history=list(history),
            cause="the method returns something else, or nothing, on some path",
        )


def event_difference(expected: Event, seen: object) -> str | None:
    """Return where two events differ, in words, or None.

    Timestamps are equal if they are the same instant. An integer never equals a
    float in its place, for a large one would not survive that; a float may come
    back as the integer of the same value.
    """
    if not isinstance(seen, Event):
        return f"{show(seen)} is not an Event"
    for name in (*TEXT_FIELDS, "seq_nr", "schema_version"):
        found = json_difference(getattr(expected, name), getattr(seen, name), name)
        if found is not None:
            return found
    if seen.timestamp.utcoffset() is None:
        return f"timestamp: {seen.timestamp!r} has no time zone"
    if instant(expected.timestamp) != instant(seen.timestamp):
        return f"timestamp: {show(seen.timestamp)} instead of {show(expected.timestamp)}"
    return json_difference(expected.data, seen.data, "data")


def json_difference(expected: object, seen: object, path: str) -> str | None:
    """Return the first place where two values differ, as ``data['a'][0]: …``, or None."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        return _dict_difference(expected, seen, path)
    if isinstance(expected, list | tuple) and isinstance(seen, list | tuple):
        if len(expected) != len(seen):
            return f"{path}: {len(seen)} items instead of {len(expected)}"
        return next(
            (
                found
                for i, (a, b) in enumerate(zip(expected, seen, strict=True))
                if (found := json_difference(a, b, f"{path}[{i}]")) is not None
            ),
            None,
        )
    if _same(expected, seen):
        return None
    if _look_alike(expected, seen):
        return f"{path}: {seen!a} instead of {expected!a}"
    return f"{path}: {show(seen)} instead of {show(expected)}"


def key_order_difference(expected: object, seen: object, path: str) -> str | None:
    """Return the first object whose keys are in another order, or None."""
    if isinstance(expected, dict) and isinstance(seen, dict):
        if list(expected) != list(seen):
            return f"{path}: keys {list(seen)} instead of {list(expected)}"
        pairs = [(expected[key], seen[key], f"{path}[{key!r}]") for key in expected]
    elif isinstance(expected, list) and isinstance(seen, list):
        pairs = [
            (a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(expected, seen, strict=False))
        ]
    else:
        return None
    return next((f for pair in pairs if (f := key_order_difference(*pair)) is not None), None)


def show(value: object) -> str:
    """Return a value in few words, as a report quotes it."""
    if isinstance(value, Event):
        return show_event(value)
    if isinstance(value, LoadResult):
        return show_events(value.events) + _corrupt(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, AppendResult):
        return f"{value.bytes_written} bytes"
    if isinstance(value, Snapshot):
        return (
            f"Snapshot({value.aggregate_type!r}, seq_nr={value.seq_nr}, "
            f"state={_cut(repr(value.state))})"
        )
    return _cut(repr(value))


def show_event(event: Event) -> str:
    """Return an event as a call that makes it, without what does not matter."""
    try:
        when = show(event.timestamp)
    except Exception:  # a smuggled event may carry anything
        when = repr(event.timestamp)
    parts = [f"id={_cut(repr(event.id))}"]
    if event.type != PLAIN_TYPE:
        parts.append(f"type={_cut(repr(event.type))}")
    if event.seq_nr or type(event.seq_nr) is not int:
        parts.append(f"seq_nr={event.seq_nr!r}")
    parts.append(f"timestamp={when}")
    if not _plain(event.data):
        parts.append(f"data={_cut(_safe_repr(event.data))}")
    parts += [
        f"{name}={_cut(repr(value))}"
        for name in TEXT_FIELDS[2:]
        if (value := getattr(event, name)) != ""
    ]
    if event.schema_version != 1:
        parts.append(f"schema_version={event.schema_version!r}")
    return f"Event({', '.join(parts)})"


def show_events(events: Sequence[Event]) -> str:
    """Return events as ids with their numbers: ``3 events: e1 #1, e2 #2, e5``."""
    if not events:
        return "no events"
    names = [_name(event) for event in events[:_MANY]]
    if len(events) > _MANY:
        names.append("…")
    return f"{len(events)} event{'s' if len(events) > 1 else ''}: {', '.join(names)}"


def _events_problem(expected: Sequence[Event], seen: Sequence[Event]) -> str | None:
    wanted, got = Counter(e.id for e in expected), Counter(_id(e) for e in seen)
    by_id = {e.id: e for e in expected}
    if missing := wanted - got:
        return f"missing: {', '.join(_name(by_id[i]) for i in list(missing)[:_MANY])}"
    if surplus := got - wanted:
        told = [
            f"{_label(i)} {'twice' if i in wanted else 'unexpected'}" for i in list(surplus)[:_MANY]
        ]
        return f"too many: {', '.join(told)}"
    for event in seen:
        if (found := event_difference(by_id[_id(event)], event)) is not None:
            return f"{_label(_id(event))} differs at {found}"
    if [_id(e) for e in seen] != [e.id for e in expected]:
        return "the order is wrong"
    return None


def _same(expected: object, seen: object) -> bool:
    if isinstance(expected, bool) or isinstance(seen, bool):
        return expected is seen
    if isinstance(expected, int) and isinstance(seen, float):
        return False
    if isinstance(expected, float) and expected == 0.0:
        return seen == 0 and math.copysign(1, expected) == math.copysign(1, seen)
    return bool(expected == seen)


def _look_alike(one: object, other: object) -> bool:
    """Return whether two strings differ in nothing that a reader could see."""
    return (
        isinstance(one, str)
        and isinstance(other, str)
        and len(one) + len(other) < _LONG
        and normalize("NFC", one) == normalize("NFC", other)
    )


def _dict_difference(expected: dict[Any, Any], seen: dict[Any, Any], path: str) -> str | None:
    for key in expected:
        if key not in seen:
            return f"{path}[{key!r}] is missing"
    for key in seen:
        if key not in expected:
            return f"{path}[{key!r}] is unexpected"
    return next(
        (
            found
            for key, value in expected.items()
            if (found := json_difference(value, seen[key], f"{path}[{key!r}]")) is not None
        ),
        None,
    )


def _plain(data: object) -> bool:
    return isinstance(data, dict) and data.keys() == {"n"} and type(data["n"]) is int


def _name(event: object) -> str:
    if not isinstance(event, Event):
        return show(event)
    name = _label(event.id)
    return f"{name} #{event.seq_nr}" if event.seq_nr else name


def _label(event_id: str) -> str:
    return event_id if event_id.replace("-", "_").isidentifier() else _cut(repr(event_id))


def _id(event: object) -> str:
    return event.id if isinstance(event, Event) else repr(event)


def _corrupt(result: LoadResult) -> str:
    count = result.corrupt_line_count
    return f", {count} corrupt lines" if count else ""


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except RecursionError:
        return "<endless>"


def _cut(text: str) -> str:
    if len(text) <= _LONG:
        return text
    return f"{text[: _LONG // 2]}…{text[-_LONG // 4 :]} ({len(text)} characters)"
