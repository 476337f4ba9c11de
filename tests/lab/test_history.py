"""Histories: who overlapped whom, and how that reads."""

from __future__ import annotations

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import Draft, Seen

A = Call("p1", op.record("s", Draft("a")), 1_000_000, 3_000_000, Seen(1, "a"))
B = Call("p2", op.record("s", Draft("b")), 2_000_000, 4_000_000, Seen(2, "b"))
C = Call("p1", op.load_after(0), 5_000_000, 6_000_000, [Seen(1, "a"), Seen(2, "b")])


def test_calls_come_in_the_order_in_which_they_began() -> None:
    assert [call.process for call in History([C, B, A])] == ["p1", "p2", "p1"]


def test_overlap_is_counted_among_different_processes_only() -> None:
    assert History([A, B, C]).overlapping() == 1
    assert History([A, C]).overlapping() == 0


def test_a_call_that_never_came_back_overlaps_all_that_follow() -> None:
    lost = Call("p3", op.allocate(), 0)
    assert History([lost, A, C]).overlapping() == 2
    assert lost.unknown
    assert not lost.succeeded


def test_lines_show_who_what_when_and_the_overlap() -> None:
    lines = History([A, B, C]).as_lines()
    assert len(lines) == 4
    assert "record(s, a)" in lines[0]
    assert "0.000 to 2.000 ms" in lines[0]
    assert lines[0].index("┤") > lines[1].index("├"), "the bars overlap"
    assert "[#1 a, #2 b]" in lines[2]
    assert lines[3] == "p1's record(s, a) overlaps p2's record(s, b)"


def test_an_error_is_the_outcome() -> None:
    failed = Call("p1", op.allocate(), 0, 1, None, "OSError: disk full")
    assert failed.outcome() == "raised OSError: disk full"
    assert failed.unknown


def test_the_timeline_counts_from_the_first_call() -> None:
    timeline = History([A, B]).as_timeline()
    assert [(entry["called"], entry["returned"]) for entry in timeline] == [
        (0, 2_000_000),
        (1_000_000, 3_000_000),
    ]


def test_an_operation_survives_json() -> None:
    for operation in (op.record("s", Draft("a", size=3)), op.allocate(), op.load_after(3)):
        assert op.Operation.from_json(operation.as_json()) == operation


def test_a_state_tells_whole_from_torn() -> None:
    state = op.state_of(7, "label", 1000)
    assert op.label_of(7, state) == "label"
    assert op.label_of(8, state) == op.TORN
    assert op.label_of(7, state[:-1]) == op.TORN
    assert op.label_of(7, state[:500] + op.state_of(7, "other", 1000)[500:]) == op.TORN
    assert op.label_of(0, b"null") == op.SENTINEL


def test_an_event_tells_whole_from_mixed() -> None:
    event = Draft("a", size=100).event()
    assert op.see(event).fault == ""
    data = dict(event.data)  # type: ignore[arg-type]
    data["fill"] = "x" + str(data["fill"])[1:]
    mixed = type(event)(id="a", type=event.type, timestamp=event.timestamp, data=data)
    assert op.see(mixed).fault == "its data is mixed with another's"
