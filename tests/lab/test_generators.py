"""Generated input: valid, and leaning towards what breaks stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from itertools import pairwise
from typing import Any

import hypothesis
import pytest
from hypothesis import strategies as st

from pytest_eventstore.lab import generators
from pytest_eventstore.lab.examples import EPOCH, make_event, numbered, smuggle
from pytest_eventstore.ports import SYSTEM_CUTOVER, Event, InvalidEventError


def is_found(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]) -> bool:
    settings = hypothesis.settings(
        database=None, max_examples=1000, deadline=None, phases=[hypothesis.Phase.generate]
    )
    try:
        hypothesis.find(strategy, condition, settings=settings)
    except hypothesis.errors.NoSuchExample:
        return False
    return True


@hypothesis.given(event=generators.events())
@hypothesis.settings(database=None, max_examples=100, deadline=None)
def test_events_are_valid_and_survive_the_format(event: Event) -> None:
    event.validate()
    assert Event.from_json_line(event.to_json_line()) == event
    assert event.type != SYSTEM_CUTOVER


@hypothesis.given(moment=generators.timestamps())
@hypothesis.settings(database=None, max_examples=100, deadline=None)
def test_timestamps_exist_in_utc_and_around(moment: Any) -> None:
    assert moment.tzinfo is not None
    assert moment.astimezone(UTC) == moment
    assert moment - timedelta(days=1) < moment < moment + timedelta(days=1)


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [
        (generators.json_values(), lambda v: isinstance(v, int) and v > 2**53),
        (generators.json_values(), lambda v: v == {} or v == []),
        (generators.awkward_text(), lambda t: "\x00" in t),
        (generators.awkward_text(), lambda t: any(c > "\uffff" for c in t)),
        (generators.timestamps(), lambda m: m.microsecond % 1000 > 0),
        (generators.timestamps(), lambda m: m.year < 100),
        (generators.events(), lambda e: e.seq_nr == 0),
        (generators.events(), lambda e: e.seq_nr > 2**53),
        (
            generators.ascending_seq_nrs(),
            lambda ns: any(b - a > 1 for a, b in pairwise(ns)),
        ),
    ],
)
def test_what_breaks_stores_is_among_the_examples(
    strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]
) -> None:
    assert is_found(strategy, condition)


def test_aggregate_types_need_no_refusal() -> None:
    assert not is_found(
        generators.aggregate_types(),
        lambda name: not name or name.strip(" .") != name or "/" in name or len(name) > 40,
    )


def test_the_lists_of_text_hold_what_they_say() -> None:
    for text in (*generators.AWKWARD_TEXT, *generators.HOSTILE_TEXT):
        assert json.loads(json.dumps(text)) == text
        text.encode()
    for text in generators.LONE_SURROGATES:
        with pytest.raises(UnicodeEncodeError):
            text.encode()


def test_made_events_differ_and_ascend() -> None:
    events = [make_event(n) for n in range(5)]

    assert len({event.id for event in events}) == 5
    assert [event.timestamp for event in events] == sorted(event.timestamp for event in events)
    assert make_event(0).timestamp == EPOCH
    assert [(e.id, e.seq_nr) for e in numbered(4, 9)] == [("e1", 4), ("e2", 9)]


def test_a_smuggled_event_bypassed_validation() -> None:
    smuggled = smuggle(make_event(1), seq_nr=-1)

    assert smuggled.seq_nr == -1
    assert smuggled.id == "e1"
    with pytest.raises(InvalidEventError, match="seq_nr"):
        smuggled.validate()
