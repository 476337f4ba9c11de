"""The story of a test: calls are noted, and errors of the adapter become findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from eventstore_reference import memory
from mutants.append import a_retry_is_refused
from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.roundtrip import round_trip
from pytest_eventstore.lab.story import Diary, story
from pytest_eventstore.outcomes import ContractViolation, NotOffered
from pytest_eventstore.ports import DuplicateEventError, Ports
from pytest_eventstore.targets import Target


@pytest.fixture
def bench() -> Bench:
    return Bench(Target("memory", "", memory.open_ports))


def test_calls_are_noted_with_what_came_of_them(bench: Bench) -> None:
    with story(bench) as told:
        handle = told.open("one")
        handle.events.append(make_event(1, seq_nr=1))
        handle.events.load_all()
        handle.events.latest_seq_nr()
        handle.snapshots.save("kind", 1, b"x")
        handle.allocator.alloc_seq_nr()
        handle.close()
        lines = told.diary.lines

    assert [line.partition(" → ")[0] for line in lines] == [
        "one = open()",
        "one.append(Event(id='e1', seq_nr=1, timestamp=2026-01-01T12:00:01Z))",
        "one.load_all()",
        "one.latest_seq_nr()",
        "one.snapshots.save('kind', 1, b'x')",
        "one.allocator.alloc_seq_nr()",
        "one.close()",
    ]
    assert lines[2:4] == ["one.load_all() → 1 event: e1 #1", "one.latest_seq_nr() → 1"]


def test_an_error_of_the_adapter_is_a_finding() -> None:
    bench = Bench(Target("t", "", a_retry_is_refused))

    def append_twice() -> None:
        with story(bench, cause="why") as told:
            handle = told.open()
            handle.events.append(make_event(1))
            handle.events.append(make_event(1))

    with pytest.raises(ContractViolation) as caught:
        append_twice()

    finding = caught.value.finding
    assert finding.seen == "DuplicateEventError: e1"
    assert finding.history[-1].endswith("raised DuplicateEventError: e1")
    assert finding.cause == "why"
    assert isinstance(caught.value.__cause__ or caught.value.__context__, DuplicateEventError)


def test_an_error_of_the_test_itself_passes_through(bench: Bench) -> None:
    def divide() -> None:
        with story(bench) as told:
            told.open()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        divide()


def test_what_is_not_offered_passes_through() -> None:
    def only_events(location: Path) -> Ports:
        return Ports(event_store=memory.open_ports(location).event_store)

    with pytest.raises(NotOffered), story(Bench(Target("t", "", only_events))) as told:
        told.open().snapshots.load("kind")


def test_an_expected_error_is_no_finding(bench: Bench) -> None:
    with story(bench) as told:
        store = told.open().events
        error = told.expect_raises(lambda: store.load_after_seq_nr(-1), "load_after_seq_nr(-1)")

        assert type(error).__name__ == "InvalidEventError"
        with pytest.raises(ContractViolation, match="it returned no events"):
            told.expect_raises(store.load_all, "load_all()")


def test_a_long_story_is_cut_in_the_middle() -> None:
    diary = Diary()
    for n in range(100):
        diary.note(str(n))

    assert len(diary.lines) == 41
    assert diary.lines[:2] == ["0", "1"]
    assert diary.lines[12] == "… 60 more calls …"
    assert diary.lines[-1] == "99"


def test_a_round_trip_holds_of_a_correct_store(bench: Bench) -> None:
    with round_trip(bench) as trip:
        trip(make_event(1), make_event(2, seq_nr=5))
        assert trip.offer(make_event(1))


def test_a_round_trip_finds_what_a_refusal_left() -> None:
    def halving(location: Path) -> Ports:
        ports = memory.open_ports(location)
        append = ports.event_store.append

        def refuse(*events: object) -> None:
            append(events[0])  # type: ignore[arg-type]
            raise ValueError("full")

        ports.event_store.append = refuse  # type: ignore[method-assign, assignment]
        return ports

    with (
        pytest.raises(ContractViolation, match=r"after the refusal: load_all\(\) gives no events"),
        round_trip(Bench(Target("t", "", halving))) as trip,
    ):
        trip.offer(make_event(1), make_event(2))
