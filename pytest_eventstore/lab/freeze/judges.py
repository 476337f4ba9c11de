"""What must hold of a duel's history beyond what the checkers of `lab.checkers` say."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pytest_eventstore.lab.checkers import (
    Verdict,
    check_allocator,
    check_collection,
    check_log,
    check_register,
    check_run_once,
)
from pytest_eventstore.lab.checkers.verdict import HOLDS, broken
from pytest_eventstore.lab.freeze.duel import AFTER, HELD
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import (
    SENTINEL,
    Operation,
    Seen,
    SeenSnapshot,
    load_after,
    seen_events,
)
from pytest_eventstore.ports import SYSTEM_CUTOVER


def allocator(history: History) -> Verdict:
    """Every number once, in real-time order."""
    return check_allocator(history)


def register(history: History) -> Verdict:
    """The snapshot with the highest number wins, whole."""
    return check_register(history)


def run_once(history: History) -> Verdict:
    """One cutover, found done by all others."""
    return check_run_once(history)


def collection(history: History) -> Verdict:
    """Nothing lost, nothing twice, batches whole, in every load of all events."""
    return check_collection(history)


def log(history: History) -> Verdict:
    """The gap rule and all else of `check_log`; polls count as the reads that they are."""
    last: dict[str, int] = {}
    calls = []
    for call in history:
        if call.operation.name != "poll":
            calls.append(call)
            continue
        calls.append(replace(call, operation=load_after(last.get(call.process, 0))))
        if call.succeeded and call.result:
            last[call.process] = Seen(*call.result[-1]).seq_nr
    return check_log(calls)


def recovery(history: History) -> Verdict:
    """Recovery from the reader's snapshot equals full replay."""
    for call in history.of("replay"):
        if not call.succeeded or call.result is None:
            continue
        number, recovered, full = call.result
        if recovered != full:
            reads = history.of("poll", "record")
            return broken(
                "recovery",
                [*reads, call],
                expected="the state from a snapshot and the events after it is that of all events",
                seen=_difference(number, recovered, full),
                cause="an event appeared below a number that a reader had been given already",
            )
    return HOLDS


def _difference(number: int, recovered: list[str], full: list[str]) -> str:
    missing = [i for i in full if i not in recovered]
    extra = [i for i in recovered if i not in full]
    words = f"recovery from the snapshot at number {number}"
    if missing:
        return f"{words} never sees {', '.join(missing)}"
    if extra:
        return f"{words} keeps {', '.join(extra)}, which full replay does not know"
    return f"{words} gives {recovered}, full replay {full}"


def none_failed(history: History) -> Verdict:
    """Every call came back, and without an error."""
    for call in history:
        if call.unknown:
            return broken(
                "failed",
                [call],
                expected="every call returns normally, however the others are timed",
                seen=f"{call.process}'s {call.operation} {call.outcome()}",
                cause="losing a race is treated as an error",
            )
    return HOLDS


def through_the_cutover(history: History) -> Verdict:
    """Recorded events are all there, and numbered ones from the cutover on.

    What is appended before the cutover event is legacy, whatever its number; so
    a record that overlaps the cutover may be either. It may not if it began
    after somebody knew of the cutover, or was read by number beside its event.
    """
    everything = _last_of(history, "load_all")
    numbered = _last_of(history, "load_after")
    if everything is None or numbered is None:
        return HOLDS
    times = Counter(event.id for event in seen_events(everything.result))
    events = seen_events(numbered.result)
    boundary = next((event.seq_nr for event in events if event.type == SYSTEM_CUTOVER), 0)
    read = {event.id: event.seq_nr for event in events}
    if len(set(read.values())) < len(events):
        return _cutover_broke(numbered, numbered, "a number twice")
    known, numbers = _witnesses(history)
    for call in history.of("record"):
        if not call.succeeded:
            continue
        stored = Seen(*call.result)
        after = stored.id in numbers or any((seen.returned or 0) < call.called for seen in known)
        if times[stored.id] != 1:
            return _cutover_broke(call, everything, f"{stored.id} {times[stored.id]} times")
        if after and read.get(stored.id) != stored.seq_nr:
            return _cutover_broke(call, numbered, f"no {stored.id} at number {stored.seq_nr}")
        if after and stored.seq_nr <= boundary:
            return _cutover_broke(call, numbered, f"{stored.id} below the cutover's {boundary}")
    return HOLDS


def _witnesses(history: History) -> tuple[list[Call], set[str]]:
    """Return the calls that knew of the cutover, and the events that were read beside its event."""
    known = [call for call in history.of("cutover") if call.succeeded]
    beside: set[str] = set()
    for load in history.of("load_after"):
        events = seen_events(load.result) if load.succeeded else []
        if any(event.type == SYSTEM_CUTOVER for event in events):
            known.append(load)
            beside |= {event.id for event in events}
    return known, beside


def _last_of(history: History, name: str) -> Call | None:
    return next((call for call in reversed(history.of(name)) if call.succeeded), None)


def _cutover_broke(write: Call, load: Call, seen: str) -> Verdict:
    return broken(
        "through the cutover",
        [write, load],
        expected="events recorded during a cutover are stored once, and from the cutover event on "
        "they are read by number, above the cutover's",
        seen=f"{load.process} loaded {seen}",
        cause="the recorder takes its number before the cutover and appends after it",
    )


def latest_is_read(history: History) -> Verdict:
    """The highest number at the end is that of the last event read."""
    loads = [call for call in history.of("load_after") if call.succeeded]
    latests = [call for call in history.of("latest") if call.succeeded]
    if not loads or not latests or loads[-1].operation != Operation("load_after", (0,)):
        return HOLDS
    events = seen_events(loads[-1].result)
    highest = max((event.seq_nr for event in events), default=0)
    if latests[-1].result != highest:
        return broken(
            "latest",
            [loads[-1], latests[-1]],
            expected="latest_seq_nr is the highest number that can be read",
            seen=f"it gave {latests[-1].result}, and the last event read has {highest}",
            cause="the latest number is kept apart from the events",
        )
    return HOLDS


def others_succeed(history: History) -> Verdict:
    """What B and the last look called came back without an error, whatever happened to A."""
    return none_failed(History(call for call in history if call.process != HELD))


def one_sentinel(history: History) -> Verdict:
    """At the end the sentinel stands there, and one cutover event."""
    for call in history.of("load_snapshot"):
        if call.succeeded and (call.result is None or SeenSnapshot(*call.result).label != SENTINEL):
            return broken(
                "sentinel",
                [*history.of("cutover"), call],
                expected="after a cutover the sentinel snapshot stands: number 0, state null",
                seen=f"{call.process} loaded {call.outcome()}",
                cause="whoever loses the race removes or replaces what the winner wrote",
            )
    for call in history.of("load_all"):
        count = sum(event.type == SYSTEM_CUTOVER for event in seen_events(call.result or []))
        if call.process == AFTER and count != 1:
            return broken(
                "cutover events",
                [*history.of("cutover"), call],
                expected="there is exactly one cutover event",
                seen=f"{call.process} loaded {count} of them",
                cause="the check whether it is done and the doing are two steps",
            )
    return HOLDS
