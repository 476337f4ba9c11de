"""What a checker says of a history."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.outcomes import violated


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a history is possible, and if not, the fewest calls that show it.

    Args:
        rule: The broken rule in a word or two; empty if none is broken.
        expected: What the object promises.
        seen: What the calls show instead.
        cause: What usually breaks this rule.
        history: The calls that cannot be put in order.
    """

    rule: str = ""
    expected: str = ""
    seen: str = ""
    cause: str = ""
    history: History = field(default_factory=History)

    def __bool__(self) -> bool:
        return not self.rule

    def require(self, *, token: str = "") -> None:
        """Fail the test with the explaining calls unless the history is possible."""
        if self.rule:
            violated(
                expected=self.expected,
                seen=self.seen,
                cause=self.cause,
                history=self.history.as_lines(),
                timeline=self.history.as_timeline(),
                token=token,
            )


HOLDS = Verdict()


def broken(
    rule: str, calls: Iterable[Call | None], *, expected: str, seen: str, cause: str
) -> Verdict:
    """Return the verdict on a broken rule; calls that are None or come twice are dropped."""
    distinct = {id(call): call for call in calls if call is not None}
    return Verdict(
        rule=rule, expected=expected, seen=seen, cause=cause, history=History(distinct.values())
    )
