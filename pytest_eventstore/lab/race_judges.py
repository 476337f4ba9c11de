"""What must hold of a race's history beyond what the checkers of `lab.checkers` say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from pytest_eventstore.lab.checkers import Verdict, check_log
from pytest_eventstore.lab.checkers.verdict import HOLDS, broken
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import Draft, Operation, Seen, seen_events

Judge = Callable[[History], Verdict]

PATIENCE = 0.5
"""A call that raised after it had waited so many seconds was a time-out, which is no violation."""

_AT_ONCE = 0.05


def never_refused_unless_it_waited(history: History) -> Verdict:
    """No call raised, except after a wait that can be a time-out under load."""
    return _refused(
        history,
        PATIENCE,
        expected="every event is stored; a call may give up after a long wait, not before",
        cause="losing a race is treated as an error, or opening a location that another opens",
    )


def never_refused_at_once(history: History) -> Verdict:
    """No call raised without having waited."""
    return _refused(
        history,
        _AT_ONCE,
        expected="a busy counter waits, and then succeeds or raises; it never fails at once",
        cause="no time to wait is set, or a read turns into a write while another one writes",
    )


def _refused(history: History, seconds: float, *, expected: str, cause: str) -> Verdict:
    for call in history:
        if call.error is None or call.returned is None:
            continue
        waited = (call.returned - call.called) / 1e9
        if waited < seconds:
            others = [other for other in history if other is not call and other.overlaps(call)]
            return broken(
                "refused",
                [call, *others[:5]],
                expected=expected,
                seen=f"{call.process}'s {call.operation} raised after {waited * 1e3:.1f} ms: "
                f"{call.error}",
                cause=cause,
            )
    return HOLDS


def pollers_collected_everything(history: History) -> Verdict:
    """The loads of each participant called a poller, put together, are what the last load gives."""
    loads = [call for call in history.of("load_after") if call.succeeded]
    if not loads:
        return HOLDS
    last = loads[-1]
    everything = [(seen.seq_nr, seen.id) for seen in seen_events(last.result)]
    collected: dict[str, list[tuple[int, str]]] = defaultdict(list)
    by_poller: dict[str, list[Call]] = defaultdict(list)
    for call in loads:
        if call.process.startswith("poller"):
            by_poller[call.process].append(call)
            collected[call.process] += [(seen.seq_nr, seen.id) for seen in seen_events(call.result)]
    for poller, found in collected.items():
        if found != everything:
            missing = [event for event in everything if event not in found]
            what = (
                f"without {missing[:3]}" if missing else f"{len(found)} events, some not in place"
            )
            return broken(
                "poller",
                [*by_poller[poller][-3:], last],
                expected="a reader that polls from its last number collects every event once",
                seen=f"{poller} collected {len(found)} of {len(everything)} events, {what}",
                cause="the reader keeps a tail of the log, or sees what is not stored yet",
            )
    return HOLDS


def one_chain(history: History) -> Verdict:
    """At the end each session's events name their predecessor, along ascending numbers."""
    loads = [call for call in history.of("load_after") if call.succeeded]
    if not loads:
        return HOLDS
    before: dict[str, Seen] = {}
    for seen in seen_events(loads[-1].result):
        previous = before.get(seen.session_id)
        expected = previous.id if previous else ""
        if seen.causation_id != expected:
            return broken(
                "chain",
                [*_writers(history, [seen.id, expected, seen.causation_id]), loads[-1]],
                expected="each event of a session names the one before it, the first none",
                seen=f"{seen.id} (number {seen.seq_nr}) names {seen.causation_id!r} and follows "
                f"{expected!r}",
                cause="the last id is read outside the critical section of the append",
            )
        before[seen.session_id] = seen
    return HOLDS


def _writers(history: History, ids: Sequence[str]) -> list[Call]:
    return [call for call in history.of("record") if call.operation.args[1][0] in ids]


def batches_are_contiguous(history: History) -> Verdict:
    """The numbers of each batch that was numbered under the lock follow each other."""
    for call in history.of("record_batch"):
        if call.succeeded:
            numbers = [seen.seq_nr for seen in seen_events(call.result)]
            if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                others = [c for c in history.of("record_batch") if c is not call]
                return broken(
                    "batch numbers",
                    [call, *(c for c in others if c.overlaps(call))],
                    expected="the numbers of a batch follow each other",
                    seen=f"{call.process}'s batch has the numbers {numbers}",
                    cause="a number is drawn outside the lock, or the lock does not exclude all",
                )
    return HOLDS


def batches_obey_the_log(history: History) -> Verdict:
    """Batches numbered under the lock are whole in every load, and obey the gap rule."""
    calls = []
    for call in history:
        if call.operation.name != "record_batch":
            calls.append(call)
        elif call.succeeded:
            drafts = [Draft(seen.id, seen.seq_nr) for seen in seen_events(call.result)]
            batch = Operation("append_batch", tuple(drafts))
            calls.append(Call(call.process, batch, call.called, call.returned, 0))
        else:
            return HOLDS  # the numbers of a batch that failed are not known
    return check_log(calls)


def after_succeeds(history: History) -> Verdict:
    """Whatever became of the participants, what is called afterwards succeeds."""
    for call in history:
        if call.process == "after" and call.unknown:
            return broken(
                "blocked",
                [*(c for c in history if c.returned is None), call],
                expected="a recorder that was killed does not stop the others",
                seen=f"afterwards {call.operation} {call.outcome()}",
                cause="a lock that a dead process holds is never released",
            )
    return HOLDS
