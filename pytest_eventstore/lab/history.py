"""What was called when, by whom, and what came back: the evidence that checkers judge."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_eventstore.lab.operations import Operation, Seen

_CHART = 32


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one process, with the monotonic nanoseconds around it.

    Args:
        process: Who called; a process or a thread, which makes one call at a time.
        operation: What was called.
        called: When the call began.
        returned: When it came back; None if it never did, by death or by time-out.
        result: What it gave, JSON-able.
        error: What it raised, or None.
    """

    process: str
    operation: Operation
    called: int
    returned: int | None = None
    result: Any = None
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the call came back without an error."""
        return self.returned is not None and self.error is None

    @property
    def unknown(self) -> bool:
        """Whether the call may or may not have had its effect: it failed or never came back."""
        return self.returned is None or self.error is not None

    def overlaps(self, other: Call) -> bool:
        """Return whether neither call came back before the other began."""
        return (self.returned is None or other.called <= self.returned) and (
            other.returned is None or self.called <= other.returned
        )

    def outcome(self) -> str:
        """Return what came of the call, in few words."""
        if self.error is not None:
            return f"raised {self.error}"
        if self.returned is None:
            return "never came back"
        return "ok" if self.result is None else f"→ {_brief(self.result)}"

    def as_dict(self, since: int = 0) -> dict[str, Any]:
        """Return the call as JSON, with its times counted from `since`."""
        return {
            "process": self.process,
            "operation": str(self.operation),
            "called": self.called - since,
            "returned": None if self.returned is None else self.returned - since,
            "outcome": self.outcome(),
            "error": self.error,
        }


@dataclass(frozen=True)
class History:
    """Calls in the order in which they began."""

    calls: tuple[Call, ...]

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        object.__setattr__(self, "calls", tuple(sorted(calls, key=_began)))

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)

    def __len__(self) -> int:
        return len(self.calls)

    def of(self, *names: str) -> list[Call]:
        """Return the calls of these operations."""
        return [call for call in self.calls if call.operation.name in names]

    def overlapping(self) -> int:
        """Return how many calls began while a call of another process was open."""
        count = 0
        open_until: dict[str, float] = {}
        for call in self.calls:
            if any(
                until >= call.called
                for process, until in open_until.items()
                if process != call.process
            ):
                count += 1
            end = float("inf") if call.returned is None else call.returned
            open_until[call.process] = max(end, open_until.get(call.process, 0))
        return count

    def as_lines(self) -> tuple[str, ...]:
        """Return one line a call: who, when, what, what came back, with whom it overlapped.

        The bars are drawn by order of beginnings and ends, not by duration, so
        that the shortest overlap can be seen.
        """
        if not self.calls:
            return ()
        since = self.calls[0].called
        column = _columns(self.calls)
        who = max(len(call.process) for call in self.calls)
        what = max(len(str(call.operation)) for call in self.calls)
        width = 1 + max(column.values())
        lines = []
        for number, call in enumerate(self.calls):
            left = column[number, 0]
            right = column.get((number, 1), width - 1)
            open_end = "…" if call.returned is None else "┤"
            bar = " " * left + "├" + "─" * (right - left - 1) + open_end
            lines.append(
                f"{call.process:<{who}}  {bar:<{width}}  {_when(call, since)}  "
                f"{call.operation!s:<{what}}  {call.outcome()}"
            )
        return (*lines, *self._overlap_lines())

    def as_timeline(self) -> tuple[dict[str, Any], ...]:
        """Return the calls as JSON, with times in nanoseconds since the first call."""
        since = self.calls[0].called if self.calls else 0
        return tuple(call.as_dict(since) for call in self.calls)

    def _overlap_lines(self) -> Iterator[str]:
        if len(self.calls) > 8:
            return
        for number, call in enumerate(self.calls):
            for other in self.calls[number + 1 :]:
                if call.process != other.process and call.overlaps(other):
                    yield (
                        f"{call.process}'s {call.operation} overlaps "
                        f"{other.process}'s {other.operation}"
                    )


def _began(call: Call) -> int:
    return call.called


def _columns(calls: Sequence[Call]) -> dict[tuple[int, int], int]:
    """Return the chart column of each beginning (n, 0) and end (n, 1)."""
    ends = [(call.called, 0, n) for n, call in enumerate(calls)]
    ends += [(call.returned, 1, n) for n, call in enumerate(calls) if call.returned is not None]
    ends.sort()
    step = min(2.0, max(1, _CHART - 1) / max(1, len(ends)))
    columns: dict[tuple[int, int], int] = {}
    for rank, (_, side, n) in enumerate(ends):
        columns[n, side] = max(int(rank * step), columns[n, 0] + 1 if side else 0)
    return columns


def _when(call: Call, since: int) -> str:
    start = f"{(call.called - since) / 1e6:.3f}"
    end = "never" if call.returned is None else f"{(call.returned - since) / 1e6:.3f} ms"
    return f"{start} to {end}"


def _brief(result: Any) -> str:
    if isinstance(result, (list, tuple)) and result and isinstance(result[0], (list, tuple)):
        shown = [_brief_event(item) for item in result]
        if len(shown) > 12:
            shown[6:-6] = [f"… {len(shown) - 12} more …"]
        return f"[{', '.join(shown)}]"
    if isinstance(result, Seen):
        return _brief_event(result)
    if isinstance(result, tuple):
        return " ".join(map(str, result))
    return f"{result!r:.200}"


def _brief_event(item: Sequence[Any]) -> str:
    seq_nr, event_id = item[0], item[1]
    fault = f" ({item[5]})" if len(item) > 5 and item[5] else ""
    return f"#{seq_nr} {event_id}{fault}"
