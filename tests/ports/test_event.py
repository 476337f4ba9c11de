"""`Event`: what it refuses, and that its line loses nothing."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_eventstore.ports import (
    MAX_DATA_DEPTH,
    MAX_SEQ_NR,
    Event,
    InvalidEventError,
    instant,
    parse_timestamp,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event(**over: Any) -> Event:
    fields: dict[str, Any] = {"id": "e1", "type": "t", "timestamp": NOON, "data": None}
    return Event(**fields | over)


def nested(levels: int) -> Any:
    data: Any = 1
    for _ in range(levels):
        data = [data]
    return data


@pytest.mark.parametrize(
    ("over", "quoted"),
    [
        ({"id": ""}, "id must not be empty"),
        ({"type": ""}, "type must not be empty"),
        ({"id": 7}, "id must be a string, not 7"),
        ({"session_id": None}, "session_id must be a string, not None"),
        ({"timestamp": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"timestamp": "2026-01-01T00:00:00Z"}, "must be a datetime"),
        ({"seq_nr": -1}, "not -1"),
        ({"seq_nr": 1.0}, "not 1.0"),
        ({"seq_nr": True}, "not True"),
        ({"seq_nr": "1"}, "not '1'"),
        ({"seq_nr": MAX_SEQ_NR + 1}, "2**63 - 1"),
        ({"schema_version": 2}, "not 2"),
        ({"schema_version": 0}, "not 0"),
        ({"schema_version": True}, "not True"),
        ({"data": float("nan")}, "nan"),
        ({"data": {"a": [float("-inf")]}}, "-inf"),
        ({"data": {1: "a"}}, "key 1"),
        ({"data": (1, 2)}, "(1, 2)"),
        ({"data": {"a": {1, 2}}}, "{1, 2}"),
        ({"data": b"x"}, "b'x'"),
        ({"id": "\ud800\udc00"}, "id holds a surrogate pair"),
        ({"data": {"\udbff\udfff": 1}}, "data holds a surrogate pair"),
        ({"data": ["a\ud800\udc00"]}, "data holds a surrogate pair"),
        ({"data": nested(MAX_DATA_DEPTH + 1)}, "deeper than 256"),
        ({"data": 10**5000}, "4000 digits"),
    ],
)
def test_refuses_and_quotes_the_value(over: dict[str, Any], quoted: str) -> None:
    with pytest.raises(InvalidEventError) as caught:
        event(**over)
    assert quoted in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        event().id = "other"  # type: ignore[misc]


def test_validate_sees_data_changed_since_construction() -> None:
    data: dict[str, Any] = {}
    subject = event(data=data)
    data["bad"] = object()
    with pytest.raises(InvalidEventError, match="not JSON"):
        subject.validate()


def test_survives_pickling() -> None:
    subject = event(data={"a": [1, None]}, seq_nr=4)
    assert pickle.loads(pickle.dumps(subject)) == subject


def test_line_leaves_out_what_is_empty() -> None:
    assert json.loads(event().to_json_line()) == {
        "schema_version": 1,
        "id": "e1",
        "type": "t",
        "timestamp": "2026-03-01T12:00:00Z",
        "data": None,
    }


any_character = st.characters(codec=None, exclude_categories=())
words = st.text(any_character).filter(
    lambda text: not re.search("[\ud800-\udbff][\udc00-\udfff]", text)
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)
offsets = st.integers(-23 * 60, 23 * 60).map(lambda m: timezone(timedelta(minutes=m)))
moments = st.datetimes(timezones=offsets | st.just(UTC))


@settings(max_examples=300, deadline=None)
@given(
    data=json_values,
    timestamp=moments,
    seq_nr=st.integers(0, MAX_SEQ_NR),
    name=st.text(min_size=1),
    texts=st.tuples(words, words, words, words, words),
)
def test_line_loses_nothing(
    data: Any, timestamp: datetime, seq_nr: int, name: str, texts: tuple[str, ...]
) -> None:
    names = ("session_id", "correlation_id", "causation_id", "aggregate_id", "aggregate_type")
    subject = event(
        id=name,
        data=data,
        timestamp=timestamp,
        seq_nr=seq_nr,
        **dict(zip(names, texts, strict=True)),
    )
    line = subject.to_json_line()
    assert "\n" not in line
    back = Event.from_json_line(line)
    assert back == subject
    # == takes -0.0 for 0.0 and 1 for 1.0, so compare how they are written too.
    assert repr(back.data) == repr(subject.data)
    assert back.timestamp.utcoffset() == timestamp.utcoffset()


def test_line_of_a_go_tool_is_accepted() -> None:
    back = Event.from_json_line(
        b'{"id":"a","type":"t","timestamp":"2024-01-01T23:59:59.123456789+09:00",'
        b'"data":{"x":1},"future_key":[1],"schema_version":0}'
    )
    assert back.timestamp == datetime(2024, 1, 1, 14, 59, 59, 123456, tzinfo=UTC)
    assert back.schema_version == 1


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        "null",
        "{",
        '{"id":"a"}',
        '{"id":"a","type":"t","timestamp":"2024-01-01"}',
        '{"id":"a","type":"t","timestamp":"2024-01-01T00:00:00"}',
        '{"id":"a","type":"t","timestamp":"2024-02-30T00:00:00Z"}',
        '{"id":"a","type":"t","timestamp":"2024-01-01T00:00:00Z","data":NaN}',
        '{"id":"a","type":"t","timestamp":"2024-01-01T00:00:00Z","schema_version":9}',
        '{"id":"a","type":"t","timestamp":"2024-01-01T00:00:00+24:00"}',
        "[" * 100_000,
    ],
)
def test_bad_line_is_an_invalid_event(line: str) -> None:
    with pytest.raises(InvalidEventError):
        Event.from_json_line(line)


def test_offset_with_seconds_keeps_its_instant() -> None:
    amsterdam_1900 = datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Amsterdam"))
    subject = event(timestamp=amsterdam_1900)
    assert Event.from_json_line(subject.to_json_line()).timestamp == amsterdam_1900


def test_instant_orders_the_edges_of_time() -> None:
    first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    second = datetime(1, 1, 1, tzinfo=UTC)
    last = datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))
    assert sorted([last, second, first], key=instant) == [first, second, last]


def test_parse_timestamp_cuts_and_does_not_round() -> None:
    assert parse_timestamp("2024-01-01T00:00:00.999999999Z").microsecond == 999_999
