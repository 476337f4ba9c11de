"""The words for what can be wrong with a log."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_eventstore.lab.checkers.verdict import Verdict, broken
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Seen

_READS = ("load_after", "load_all", "latest")
_TWO_STEPS = (
    "the number is allocated in one step and the event appended in another, "
    "without a lock around both"
)


def number_twice(one: Seen, other: Seen, calls: Sequence[Call]) -> Verdict:
    """Two events have one number."""
    return broken(
        "number twice",
        calls,
        expected="every event has a number of its own",
        seen=f"{one.id} and {other.id} both have number {one.seq_nr}",
        cause="the number is read and written in two steps that another writer can come between",
    )


def stored_twice(one: Seen, other: Seen, calls: Sequence[Call]) -> Verdict:
    """One event has two numbers."""
    return broken(
        "stored twice",
        calls,
        expected="every event is stored once",
        seen=f"{one.id} stands at number {one.seq_nr} and at number {other.seq_nr}",
        cause="a write was repeated, or two writers did the same work",
    )


def never_written(seen: Seen, calls: Sequence[Call]) -> Verdict:
    """An event was read that nobody wrote, or not under that number."""
    return broken(
        "phantom",
        calls,
        expected="a load gives only events that were written, with the number they got",
        seen=f"{seen.id!r} (type {seen.type!r}) at number {seen.seq_nr}, which nobody wrote there",
        cause="writers share a buffer, or a reader decodes what was half written",
    )


def torn(seen: Seen, calls: Sequence[Call]) -> Verdict:
    """An event's content is not what was written."""
    return broken(
        "torn",
        calls,
        expected="an event reads back as it was written",
        seen=f"{seen.id}: {seen.fault}",
        cause="the writes of two processes interleave",
    )


def hole(missing: Seen, given: Seen, read: Call, calls: Sequence[Call]) -> Verdict:
    """A load passed over an event below one that it gave."""
    return broken(
        "gap rule",
        [read, *calls],
        expected=f"a reader that is given number {given.seq_nr} has been given all below it",
        seen=(
            f"{read.process} was given number {given.seq_nr} without "
            f"{missing.id} at number {missing.seq_nr}"
        ),
        cause=_TWO_STEPS,
    )


def out_of_order(seen: Seen, read: Call) -> Verdict:
    """A load is not ascending, or gives what was not asked for."""
    return broken(
        "order",
        [read],
        expected="a load ascends by number and gives each event once",
        seen=f"{read.process} was given number {seen.seq_nr} ({seen.id}) out of its place",
        cause="the result is put together from parts that are read at different times",
    )


def batch_in_pieces(calls: Sequence[Call]) -> Verdict:
    """A batch does not stand in one piece."""
    return broken(
        "batch",
        calls,
        expected="a batch is stored whole or not at all, in one piece and in the order given",
        seen=f"only a part of {calls[0].process}'s batch is there, or others stand within it",
        cause="the events of a batch are written one by one",
    )


def part_of_batch(read: Call, batch: Call) -> Verdict:
    """A reader saw a part of a batch."""
    return broken(
        "batch",
        [read, batch],
        expected="a reader sees all of a batch or nothing of it",
        seen=f"what {read.process} was given ends within {batch.process}'s batch",
        cause="the events of a batch become visible one by one",
    )


def unknown_latest(latest: Call) -> Verdict:
    """The latest number is no event's."""
    return broken(
        "phantom",
        [latest],
        expected="latest_seq_nr is the highest number that a load can give",
        seen=f"{latest.process} was told {latest.result}, which no event has",
        cause="the number is taken from the counter, which moves before the event is written",
    )


def latest_not_loaded(latest: Call, read: Call) -> Verdict:
    """The latest number is missing in a load that goes beyond it."""
    return broken(
        "gap rule",
        [latest, read],
        expected="latest_seq_nr is the number of an event that loads give",
        seen=f"{latest.process} was told {latest.result}, and {read.process} was not given it",
        cause=_TWO_STEPS,
    )


def against_time(earlier: Call, later: Call) -> Verdict:
    """A call that returned first stands behind one that began afterwards."""
    if later.operation.name in _READS:
        if earlier.operation.name in _READS:
            return broken(
                "went back",
                [earlier, later],
                expected="what one load has shown, every later load shows",
                seen=f"{later.process} was given less than {earlier.process} had been before",
                cause="the reader keeps the tail of the log and misses what another appended",
            )
        return broken(
            "lost",
            [earlier, later],
            expected="an acknowledged event is in every load that begins afterwards",
            seen=f"{later.process} was not given what {earlier.process} had written before",
            cause="the reader keeps the tail of the log, or the write was not finished when it "
            "was acknowledged",
        )
    if earlier.operation.name in _READS:
        return broken(
            "gap rule",
            [earlier, later],
            expected="once a reader has been given a number, no event at or below it appears later",
            seen=(
                f"{later.process} began to write {later.operation} after {earlier.process} "
                f"had been given a higher number"
            ),
            cause=_TWO_STEPS,
        )
    return broken(
        "real time",
        [earlier, later],
        expected="an event recorded after another was acknowledged has the higher number",
        seen=f"{later.process} began after {earlier.process} had returned, and got a lower number",
        cause=_TWO_STEPS,
    )
