"""Two processes' scripts on one location, and who judges what came of them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_eventstore.lab.checkers import Verdict
from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.operations import Operation

Judge: TypeAlias = Callable[[History], Verdict]
Fate: TypeAlias = Literal["held", "killed"]

BEFORE, HELD, OTHER, AFTER = "before", "A", "B", "after"
"""The processes of a history: who prepared the location, the two, and who looked at the end."""


@dataclass(frozen=True, kw_only=True)
class Duel:
    """One race: A stands before one of its calls while B runs from beginning to end.

    Args:
        name: What tokens call it, such as ``"record/record"``; unique.
        held: What A does.
        other: What B does meanwhile.
        then: What A does when both are done, undisturbed.
        judges: Each is given the history of all processes; module-level functions.
        before: What is on the location when they begin.
        after: What a fresh handle is asked at the end.
        opening: Whether A and B open the adapter as part of the race.
        fate: Whether A goes on after B's end, or is killed before its call.
        patience: How many seconds B really waits for A before A goes on; 0 lets
            A go on as soon as B is seen to wait.
        most: How many schedules at most, at any effort.
    """

    name: str
    held: tuple[Operation, ...]
    other: tuple[Operation, ...]
    judges: tuple[Judge, ...]
    then: tuple[Operation, ...] = ()
    before: tuple[Operation, ...] = ()
    after: tuple[Operation, ...] = ()
    opening: bool = False
    fate: Fate = "held"
    patience: float = 0.0
    most: int = sys.maxsize

    def token(self, point: int) -> str:
        """Return what replays one schedule."""
        return f"freeze:{self.name}:{point}"


def point_of(token: str, name: str) -> int | None:
    """Return the point that a token names for this duel; None if it is another's.

    Raises:
        ValueError: the token has no point.
    """
    kind, _, rest = token.partition(":")
    found, _, point = rest.rpartition(":")
    if kind != "freeze" or not point.isdigit():
        raise ValueError(f"a token such as freeze:record/record:47 was expected, not {token!r}")
    return int(point) if found == name else None
