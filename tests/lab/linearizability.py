"""A search for an order of calls, with nothing clever in it: what the checkers are held to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from pytest_eventstore.lab.history import Call

State = TypeVar("State", bound=Hashable)

NEVER = 10**9


def possible(
    calls: Sequence[Call], start: State, step: Callable[[State, Call], Iterable[State]]
) -> bool:
    """Return whether some order of the calls agrees with real time and with all results.

    `step` gives the states that a call can lead to, none if its result is
    impossible there. A call of unknown outcome may also be left out.
    """
    ends = [NEVER if c.unknown or c.returned is None else c.returned for c in calls]
    needed = sum(1 << n for n, call in enumerate(calls) if not call.unknown)
    todo = [(0, start)]
    seen = {(0, start)}
    while todo:
        done, state = todo.pop()
        if done & needed == needed:
            return True
        first_end = min(end for n, end in enumerate(ends) if not done >> n & 1)
        for n, call in enumerate(calls):
            if not done >> n & 1 and call.called <= first_end:
                for following in step(state, call):
                    entry = (done | 1 << n, following)
                    if entry not in seen:
                        seen.add(entry)
                        todo.append(entry)
    return False
