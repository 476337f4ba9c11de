"""The allocator: fetch-and-increment, with gaps or without.

A history of allocations is possible exactly if the numbers are distinct and
agree with real time, because their order is then the order of the calls. An
`initialize_at(n)` can be put anywhere behind the numbers up to n, so it is
possible exactly if none of those was asked for after it returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter

from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict, broken
from pytest_eventstore.lab.history import Call

_UNIQUE = "every number is handed out once"
_ORDER = "a call that began after another had returned gets the higher number"
_CAUSE_UNIQUE = (
    "the number is read and written in two steps that another caller can come between, "
    "or is cached by each caller"
)
_CAUSE_ORDER = (
    "numbers are cached by each caller, or the number that is returned was read "
    "after others had moved the counter"
)


def check_allocator(calls: Iterable[Call], *, gapless_after: int | None = None) -> Verdict:
    """Judge the `allocate` and `initialize_at` calls of a history.

    Args:
        calls: The history; other calls are passed over.
        gapless_after: The number handed out last before the history began, if
            no number may be skipped; a number may only be missing where an
            allocation of unknown outcome can have taken it.
    """
    done: list[Call] = []
    unknown: list[Call] = []
    moved: list[Call] = []
    for call in calls:
        name = call.operation.name
        if name == "allocate":
            known = call.returned is not None and call.error is None
            (done if known else unknown).append(call)
        elif name == "initialize_at" and call.returned is not None and call.error is None:
            moved.append(call)
    done.sort(key=attrgetter("result"))
    verdict = _in_order(done, sorted(moved, key=_target))
    if verdict and gapless_after is not None:
        if moved:
            raise ValueError("a counter that is moved may skip numbers")
        return _without_gaps(done, unknown, gapless_after)
    return verdict


def _in_order(done: list[Call], moved: list[Call]) -> Verdict:
    """Sweep from the highest number down, with the earliest return seen so far."""
    earliest = float("inf")
    witness = higher = None
    earliest_move = float("inf")
    mover = None
    for call in reversed(done):
        number = call.result
        if higher is not None and higher.result == number:
            return _twice(call, higher)
        while moved and _target(moved[-1]) >= number:
            move = moved.pop()
            assert move.returned is not None
            if move.returned < earliest_move:
                earliest_move, mover = move.returned, move
        called = call.called
        if earliest < called:
            assert witness is not None
            return _against_time(witness, call)
        if earliest_move < called:
            assert mover is not None
            return _below_move(mover, call)
        returned = call.returned
        assert returned is not None
        if returned < earliest:
            earliest, witness = returned, call
        higher = call
    return HOLDS


def _without_gaps(done: list[Call], unknown: list[Call], after: int) -> Verdict:
    """Match each missing number with an unknown call that began early enough to take it."""
    if done and done[0].result <= after:
        return broken(
            "unique",
            [done[0]],
            expected=f"numbers above {after}, which was handed out before",
            seen=f"{done[0].process} got {done[0].result}",
            cause=_CAUSE_UNIQUE,
        )
    takers = sorted(unknown, key=attrgetter("called"))
    for used, (number, deadline, next_call) in enumerate(_missing(done, after)):
        if used == len(takers) or takers[used].called > deadline:
            return broken(
                "gap",
                [next_call],
                expected="no number is skipped",
                seen=f"nobody was given {number}, and {next_call.process} got {next_call.result}",
                cause="a number is consumed by something other than an allocation",
            )
    return HOLDS


def _missing(done: list[Call], after: int) -> Iterator[tuple[int, int, Call]]:
    """Yield each missing number, when the first call above it returned, and the next call.

    Deadlines ascend with the numbers, so taking the calls in order is enough.
    """
    deadlines: list[int] = []
    earliest: int | None = None
    for call in reversed(done):
        assert call.returned is not None
        earliest = call.returned if earliest is None else min(earliest, call.returned)
        deadlines.append(earliest)
    deadlines.reverse()
    last = after
    for call, deadline in zip(done, deadlines, strict=True):
        for number in range(last + 1, call.result):
            yield number, deadline, call
        last = call.result


def _target(move: Call) -> int:
    target: int = move.operation.args[0]
    return target


def _twice(first: Call, second: Call) -> Verdict:
    return broken(
        "unique",
        [first, second],
        expected=_UNIQUE,
        seen=f"{first.process} and {second.process} were both given {first.result}",
        cause=_CAUSE_UNIQUE,
    )


def _against_time(earlier: Call, later: Call) -> Verdict:
    return broken(
        "real time",
        [earlier, later],
        expected=_ORDER,
        seen=(
            f"{later.process} began after {earlier.process} had returned with "
            f"{earlier.result}, and got {later.result}"
        ),
        cause=_CAUSE_ORDER,
    )


def _below_move(move: Call, later: Call) -> Verdict:
    return broken(
        "moved back",
        [move, later],
        expected=f"after initialize_at({_target(move)}) every number is above {_target(move)}",
        seen=f"{later.process} began after it had returned, and got {later.result}",
        cause="initialize_at, or an allocation racing with it, writes a number it read before",
    )
