"""The log: numbered events in one order, of which every reader sees a beginning.

The numbers are the order. Every call has a place on that scale: a write at its
number, a load and a `latest` right behind the last number they gave. A history
is possible exactly if no call that returned before another began stands behind
it, which one sweep from the last place to the first finds out. The gap rule is
part of that: an event that turns up late stands in front of a load that was
made without it.

Two kinds of calls have no place of their own and are judged by the room that
the others leave: a load that gave nothing, and a write of unknown outcome that
no load showed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from pytest_eventstore.lab.checkers import log_faults as faults
from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Draft, Seen, seen_events
from pytest_eventstore.ports import SYSTEM_CUTOVER

_NEVER = float("inf")
_WRITES = ("record", "append", "append_batch")


class _Placed(NamedTuple):
    place: int
    called: float
    returned: float
    call: Call


@dataclass(slots=True)
class _Log:
    """What the calls say together: each numbered event, who wrote it and who read it."""

    writers: dict[str, Call] = field(default_factory=dict)
    reads: list[tuple[Call, list[Seen]]] = field(default_factory=list)
    latests: list[Call] = field(default_factory=list)
    events: dict[int, Seen] = field(default_factory=dict)
    numbers: list[int] = field(default_factory=list)
    order: list[Seen] = field(default_factory=list)


def check_log(calls: Iterable[Call]) -> Verdict:
    """Judge a history's records, numbered appends, `load_after`s and `latest`s.

    The history begins with an empty log. The numbers of a batch stand next to
    each other. The numbers come from recorders, or each from one caller, not from
    both. If there are cutovers among the calls, their event is passed over;
    `check_run_once` judges it.
    """
    log = _Log()
    cutover = False
    for call in calls:
        cutover = cutover or call.operation.name == "cutover"
        _sort_in(log, call)
    if cutover:
        log.reads = [
            (call, [row for row in rows if row.type != SYSTEM_CUTOVER]) for call, rows in log.reads
        ]
    return (
        _collect(log)
        and _events_are_clean(log)
        and _batches_are_whole(log)
        and _reads_are_slices(log)
        and _places_agree_with_time(log)
    )


def _sort_in(log: _Log, call: Call) -> None:
    name = call.operation.name
    if name == "load_after":
        if call.succeeded:
            log.reads.append((call, seen_events(call.result)))
    elif name == "latest":
        if call.succeeded:
            log.latests.append(call)
    elif name in _WRITES:
        args = call.operation.args
        for draft in args[1:] if name == "record" else args:
            if draft[0] in log.writers:
                raise ValueError(f"two calls write the id {draft[0]!r}")
            log.writers[draft[0]] = call


def _collect(log: _Log) -> Verdict:
    """Learn the event of each number from acknowledged writes and from all loads."""
    events = log.events
    for event_id, call in log.writers.items():
        if call.unknown:
            continue
        seen = Seen(*call.result) if call.operation.name == "record" else _given(event_id, call)
        if (other := events.setdefault(seen.seq_nr, seen)) is not seen and seen.seq_nr:
            return faults.number_twice(seen, other, [call, log.writers[other.id]])
    events.pop(0, None)
    for call, rows in log.reads:
        for row in rows:
            if (other := events.setdefault(row[0], row))[1] != row[1]:
                return faults.number_twice(row, other, [call, *_showing(log, other)])
    _complete_the_batches(log)
    log.numbers = sorted(events)
    log.order = [events[number] for number in log.numbers]
    return HOLDS


def _complete_the_batches(log: _Log) -> None:
    """An append of unknown outcome of which anything was seen has stored all its events."""
    shown = {call.result for call in log.latests} | log.events.keys()
    for call in log.writers.values():
        if call.unknown and call.operation.name != "record":
            given = [Seen(Draft(*d).seq_nr, Draft(*d).id) for d in call.operation.args]
            if any(seen.seq_nr in shown for seen in given):
                for seen in given:
                    log.events.setdefault(seen.seq_nr, seen)


def _given(event_id: str, call: Call) -> Seen:
    """Return an appended event with the number that the caller gave it."""
    return next(Seen(Draft(*d).seq_nr, event_id) for d in call.operation.args if d[0] == event_id)


def _showing(log: _Log, event: Seen) -> list[Call]:
    """Return the call that wrote an event and the first load that showed it."""
    shown = [call for call, rows in log.reads if any(row[:2] == event[:2] for row in rows)][:1]
    return [*(call for call in [log.writers.get(event.id)] if call), *shown]


def _events_are_clean(log: _Log) -> Verdict:
    """Each event was written by someone, stands there once, and is whole."""
    at: dict[str, Seen] = {}
    for seen in log.order:
        if seen.fault:
            return faults.torn(seen, _showing(log, seen))
        if other := at.get(seen.id):
            return faults.stored_twice(other, seen, [*_showing(log, other), *_showing(log, seen)])
        at[seen.id] = seen
        if not _has_a_writer(log, seen):
            return faults.never_written(seen, _showing(log, seen))
    return HOLDS


def _has_a_writer(log: _Log, seen: Seen) -> bool:
    call = log.writers.get(seen.id)
    if call is None or seen.seq_nr < 1:
        return False
    return call.operation.name == "record" or _given(seen.id, call).seq_nr == seen.seq_nr


def _batches_are_whole(log: _Log) -> Verdict:
    """A batch stands in one piece, in the order given, and no read ends within it."""
    batches = {id(c): c for c in log.writers.values() if c.operation.name == "append_batch"}
    if not batches:
        return HOLDS
    ranks = {seen.id: rank for rank, seen in enumerate(log.order)}
    spans: list[tuple[int, int, Call]] = []
    for call in batches.values():
        drafts = [Draft(*draft) for draft in call.operation.args]
        at = [ranks[draft.id] for draft in drafts if draft.id in ranks]
        if not at:
            continue
        if len(at) < len(drafts) or at != list(range(at[0], at[0] + len(at))):
            return faults.batch_in_pieces([call, *_showing(log, log.order[at[0]])])
        spans.append((at[0], at[-1] + 1, call))
    spans.sort()
    starts = [start for start, _, _ in spans]
    ends = [(call, bisect_right(log.numbers, rows[-1].seq_nr)) for call, rows in log.reads if rows]
    ends += [(call, bisect_right(log.numbers, call.result)) for call in log.latests]
    for call, end in ends:
        before = bisect_left(starts, end) - 1
        if before >= 0 and spans[before][1] > end:
            return faults.part_of_batch(call, spans[before][2])
    return HOLDS


def _reads_are_slices(log: _Log) -> Verdict:
    """Each load is what stands behind the number asked for, whole and without a hole."""
    order, numbers = log.order, log.numbers
    for call, rows in log.reads:
        start = bisect_right(numbers, call.operation.args[0])
        if order[start : start + len(rows)] == rows:
            continue
        if not (verdict := _differs(log, call, rows, order[start : start + len(rows)])):
            return verdict
    return HOLDS


def _differs(log: _Log, call: Call, rows: list[Seen], wanted: list[Seen]) -> Verdict:
    for row, want in zip(rows, wanted, strict=False):
        if row.seq_nr > want.seq_nr:
            return faults.hole(want, row, call, _showing(log, want))
        if row.seq_nr < want.seq_nr:
            return faults.out_of_order(row, call)
        if row.fault:
            return faults.torn(row, [*_showing(log, want), call])
    return HOLDS if len(rows) == len(wanted) else faults.out_of_order(rows[-1], call)


def _places_agree_with_time(log: _Log) -> Verdict:
    placed = [_place(2 * rows[-1].seq_nr + 1, call) for call, rows in log.reads if rows]
    placed += [_place(2 * call.result + 1, call) for call in log.latests]
    placed += [_place(2 * seen.seq_nr, log.writers[seen.id]) for seen in log.order]
    empty = [call for call, rows in log.reads if not rows]
    return _give_latests_a_writer(log, placed) and _sweep(placed) and _empty_fit(placed, empty)


def _place(place: int, call: Call) -> _Placed:
    return _Placed(place, call.called, _ended(call), call)


def _ended(call: Call) -> float:
    return _NEVER if call.unknown or call.returned is None else call.returned


def _give_latests_a_writer(log: _Log, placed: list[_Placed]) -> Verdict:
    """Place an unseen record at each number that a `latest` gave and no load showed.

    Which of them has the number nobody knows. The lowest number leaves the
    least time, so it goes to the record that began first.
    """
    strange = sorted({call.result for call in log.latests} - log.events.keys() - {0})
    if not strange:
        return HOLDS
    seen_ids = {seen.id for seen in log.order}
    unseen = sorted(
        (
            call
            for event_id, call in log.writers.items()
            if call.operation.name == "record" and call.unknown and event_id not in seen_ids
        ),
        key=attrgetter("called"),
    )
    for number, call in zip(strange, unseen, strict=False):
        placed.append(_place(2 * number, call))
    for number in strange[len(unseen) :]:
        return faults.unknown_latest(next(c for c in log.latests if c.result == number))
    for call, rows in log.reads:
        at = bisect_right(strange, call.operation.args[0])
        if rows and at < len(strange) and strange[at] < rows[-1].seq_nr:
            latest = next(c for c in log.latests if c.result == strange[at])
            return faults.latest_not_loaded(latest, call)
    return HOLDS


def _sweep(placed: list[_Placed]) -> Verdict:
    """From the last place to the first, compare with the earliest return further behind."""
    placed.sort(key=attrgetter("place"))
    earliest = behind = _Placed(0, 0, _NEVER, placed[0].call) if placed else None
    place = None
    for one in reversed(placed):
        assert earliest is not None
        assert behind is not None
        if one.place != place:  # calls at one place do not stand behind each other
            place, behind = one.place, earliest
        if behind.returned < one.called:
            return faults.against_time(behind.call, one.call)
        if one.returned < earliest.returned:
            earliest = one
    return HOLDS


def _empty_fit(placed: list[_Placed], empty: list[Call]) -> Verdict:
    """Nothing that returned before an empty load began stands behind the number it asked for."""
    if not empty or not placed:
        return HOLDS
    by_return = sorted(placed, key=attrgetter("returned"))
    returns = [one.returned for one in by_return]
    furthest = by_return[:1]
    for one in by_return[1:]:
        furthest.append(max(furthest[-1], one, key=attrgetter("place")))
    for call in empty:
        before = bisect_left(returns, call.called) - 1
        if before >= 0 and furthest[before].place > 2 * call.operation.args[0] + 1:
            return faults.against_time(furthest[before].call, call)
    return HOLDS
