"""Something that is done once, by whoever comes first: the cutover.

The object is one bit. A cutover that reports having done it sets the bit; one
that reports `already_done`, and a load that shows the event, have seen it set;
a load that shows no such event has seen it clear.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict, broken
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import seen_events
from pytest_eventstore.ports import SYSTEM_CUTOVER

_ONE = "however many run it, exactly one does the cutover and the others find it done"
_CAUSE = "the check whether it is done and the doing are two steps that another can come between"


def check_run_once(calls: Iterable[Call]) -> Verdict:
    """Judge the `cutover` calls of a history, and what `load_all` showed of them."""
    winners: list[Call] = []
    unknown: list[Call] = []
    saw_set: list[Call] = []
    saw_clear: list[Call] = []
    for call in calls:
        if call.operation.name == "cutover":
            if call.unknown:
                unknown.append(call)
            else:
                (saw_set if call.result[0] else winners).append(call)
        elif call.operation.name == "load_all" and call.succeeded:
            count = sum(event.type == SYSTEM_CUTOVER for event in seen_events(call.result))
            if count > 1:
                return broken(
                    "twice",
                    [*winners, *unknown, call],
                    expected="there is exactly one cutover event",
                    seen=f"{call.process} loaded {count} of them",
                    cause=_CAUSE,
                )
            (saw_set if count else saw_clear).append(call)
    if len(winners) > 1:
        return broken(
            "twice",
            winners[:2],
            expected=_ONE,
            seen=f"{winners[0].process} and {winners[1].process} both report having done it",
            cause=_CAUSE,
        )
    return _bit(winners or sorted(unknown, key=_began)[:1], saw_set, saw_clear)


def _bit(setters: list[Call], saw_set: list[Call], saw_clear: list[Call]) -> Verdict:
    """Put all that saw it clear before the setter, and all that saw it set behind it."""
    first_set = min(saw_set, key=_ended, default=None)
    last_clear = max(saw_clear, key=_began, default=None)
    if first_set is not None:
        if not setters or _ended(first_set) < setters[0].called:
            return broken(
                "nobody did it",
                [first_set, *setters],
                expected=_ONE,
                seen=f"{first_set.process} found it done before anyone had begun to do it",
                cause="what says that it is done moves before it is done",
            )
        if last_clear is not None and _ended(first_set) < last_clear.called:
            return _gone(first_set, last_clear)
    if setters and last_clear is not None and _ended(setters[0]) < last_clear.called:
        return _gone(setters[0], last_clear)
    return HOLDS


def _gone(earlier: Call, later: Call) -> Verdict:
    return broken(
        "not done",
        [earlier, later],
        expected="a cutover that is done is seen by every later load",
        seen=f"{later.process} loaded no cutover event after {earlier.process} knew of one",
        cause="what says that it is done moves before the event is written",
    )


_began = attrgetter("called")


def _ended(call: Call) -> float:
    unknown = call.returned is None or call.error is not None
    return float("inf") if unknown or call.returned is None else call.returned
