"""Comparisons that report: what is equal, what is not, and how it reads."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from pytest_eventstore.lab.examples import EPOCH, make_event, numbered, smuggle
from pytest_eventstore.lab.expect import (
    event_difference,
    events_of,
    expect_equal,
    expect_events,
    expect_raises,
    json_difference,
    key_order_difference,
    show,
    show_events,
)
from pytest_eventstore.lab.generators import SummerTime
from pytest_eventstore.outcomes import ContractViolation
from pytest_eventstore.ports import InvalidEventError, LoadResult


@pytest.mark.parametrize(
    ("expected", "seen"),
    [
        (1, 1),
        (1.0, 1),  # a store of decimals may give an integer for a whole double
        (1e308, 10**308 + int(1e308) - 10**308),
        ([None, {"a": []}], [None, {"a": []}]),
        ((1, b"x"), (1, b"x")),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ],
)
def test_values_that_are_equal(expected: object, seen: object) -> None:
    assert json_difference(expected, seen, "data") is None


@pytest.mark.parametrize(
    ("expected", "seen", "difference"),
    [
        (1, 1.0, "data: 1.0 instead of 1"),
        (1, True, "data: True instead of 1"),
        (False, 0, "data: 0 instead of False"),
        (-0.0, 0.0, "data: 0.0 instead of -0.0"),
        (-0.0, 0, "data: 0 instead of -0.0"),
        (0.0, None, "data: None instead of 0.0"),
        (2**53 + 1, 2**53, "data: 9007199254740992 instead of 9007199254740993"),
        ({"a": [1, {"b": "x"}]}, {"a": [1, {"b": "y"}]}, "data['a'][1]['b']: 'y' instead of 'x'"),
        ({"a": None}, {}, "data['a'] is missing"),
        ({}, {"a": None}, "data['a'] is unexpected"),
        ([1, 2], [1], "data: 1 items instead of 2"),
        ([], {}, "data: {} instead of []"),
        ({}, None, "data: None instead of {}"),
        ("\u00e9", "e\u0301", r"data: 'e\u0301' instead of '\xe9'"),
    ],
)
def test_values_that_differ(expected: object, seen: object, difference: str) -> None:
    assert json_difference(expected, seen, "data") == difference


def test_the_order_of_keys_differs_at_any_depth() -> None:
    assert key_order_difference({"a": 1, "b": 2}, {"a": 1, "b": 2}, "data") is None
    assert (
        key_order_difference([{"x": {"a": 1, "b": 2}}], [{"x": {"b": 2, "a": 1}}], "data")
        == "data[0]['x']: keys ['b', 'a'] instead of ['a', 'b']"
    )


def test_the_same_instant_in_another_zone_is_equal() -> None:
    there = make_event(1, timestamp=EPOCH.astimezone(timezone(timedelta(hours=5))))

    assert event_difference(make_event(1, timestamp=EPOCH), there) is None


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=SummerTime())
    first = make_event(1, timestamp=twice)
    second = make_event(1, timestamp=twice.replace(fold=1))

    assert event_difference(first, make_event(1, timestamp=twice.astimezone(UTC))) is None
    assert event_difference(first, second) is not None


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"type": "other"}, "type: 'other' instead of 'test.happened'"),
        ({"seq_nr": 2}, "seq_nr: 2 instead of 0"),
        (
            {"timestamp": EPOCH},
            "timestamp: 2026-01-01T12:00:00Z instead of 2026-01-01T12:00:01Z",
        ),
    ],
)
def test_events_that_differ_in_a_field(changed: dict[str, Any], difference: str) -> None:
    event = make_event(1)

    assert event_difference(event, event) is None
    assert event_difference(event, replace(event, **changed)) == difference


def test_an_event_without_a_zone_or_that_is_none_differs() -> None:
    naive = smuggle(make_event(1), timestamp=datetime(2026, 1, 1))  # noqa: DTZ001

    assert "no time zone" in str(event_difference(make_event(1), naive))
    assert event_difference(make_event(1), {"id": "e1"}) == "{'id': 'e1'} is not an Event"


@pytest.mark.parametrize(
    ("seen", "problem"),
    [
        (numbered(1, 2), "missing: e3 #3"),
        (numbered(1, 2, 3, 4), "too many: e4 unexpected"),
        ([*numbered(1, 2, 3), *numbered(1)], "too many: e1 twice"),
        ([*numbered(1, 2), *numbered(9, first=3)], "e3 differs at seq_nr: 9 instead of 3"),
        (numbered(1, 2, 3)[::-1], "the order is wrong"),
        ([], "no events; missing: e1 #1, e2 #2, e3 #3"),
    ],
)
def test_loads_that_differ(seen: list[Any], problem: str) -> None:
    with pytest.raises(ContractViolation) as caught:
        expect_events(
            LoadResult(events=seen),
            numbered(1, 2, 3),
            "load_all()",
            cause="a cause",
            history=["append()"],
        )

    finding = caught.value.finding
    assert finding.expected == "load_all() gives 3 events: e1 #1, e2 #2, e3 #3"
    assert finding.seen.endswith(problem)
    assert finding.history == ("append()",)
    assert finding.cause == "a cause"


def test_a_load_that_is_equal_passes() -> None:
    expect_events(LoadResult(events=tuple(numbered(1, 2))), numbered(1, 2), "load_all()")


@pytest.mark.parametrize("result", [None, 7, LoadResult(events=None)])  # type: ignore[arg-type]
def test_what_is_no_result_of_a_load_is_told(result: object) -> None:
    with pytest.raises(ContractViolation, match=r"expected: load_all\(\) gives a LoadResult"):
        events_of(result, "load_all()")


def test_an_unequal_value_is_told_with_its_place() -> None:
    with pytest.raises(ContractViolation) as caught:
        expect_equal({"a": [1]}, {"a": [2]}, "the files")

    assert caught.value.finding.expected == "the files is {'a': [2]}"
    assert caught.value.finding.seen == "{'a': [1]}; the files['a'][0]: 1 instead of 2"


def test_true_is_not_1() -> None:
    with pytest.raises(ContractViolation, match="seen:     True"):
        expect_equal(True, 1, "latest_seq_nr()")


def test_any_exception_is_a_rejection() -> None:
    def refuse() -> None:
        raise InvalidEventError("no")

    assert isinstance(expect_raises(refuse, "append"), InvalidEventError)


def test_no_rejection_is_told() -> None:
    with pytest.raises(ContractViolation, match="append raises\nseen:     it returned 7"):
        expect_raises(lambda: 7, "append")


def test_a_skip_is_no_rejection() -> None:
    with pytest.raises(pytest.skip.Exception):
        expect_raises(lambda: pytest.skip("not offered"), "append")


def test_events_are_shown_in_few_words() -> None:
    assert show(make_event(1)) == "Event(id='e1', timestamp=2026-01-01T12:00:01Z)"
    assert show_events(numbered(7)) == "1 event: e1 #7"
    assert show_events([make_event(1, id="a\nb")]) == "1 event: 'a\\nb'"
    assert show_events(numbered(*range(1, 30))).endswith("e12 #12, …")
    assert len(show(make_event(1, data="x" * 10_000))) < 400
    endless: list[Any] = []
    endless.append(endless)
    assert "data=" in show(smuggle(make_event(1), data=endless, timestamp=None))
