"""Whether what was found agrees with what was acknowledged.

What returned must be there, exactly. What raised or never came back is there whole
or not at all. What was never called is not there. Nothing else is asserted: a store
may leave gaps, count damage, and lay its data out as it likes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_eventstore.lab.faults.observing import Observation, Probe, Reading
from pytest_eventstore.lab.faults.scenarios import Tried
from pytest_eventstore.lab.operations import SENTINEL, TORN, Draft, Seen, SeenSnapshot
from pytest_eventstore.ports import SYSTEM_CUTOVER, Event

Clause: TypeAlias = Literal[
    "opens",  # it can be opened and read
    "kept",  # what was acknowledged is there, as it was
    "whole",  # what was not is there whole or not at all, and once
    "snapshot",  # the snapshot is the last that was acknowledged, or a later one that was tried
    "numbers",  # no number is handed out twice
    "cutover",  # the cutover completes, once
    "goes on",  # the next operations work, and what is there stays
]

CLAUSES: frozenset[Clause] = frozenset(
    ("opens", "kept", "whole", "snapshot", "numbers", "cutover", "goes on")
)


@dataclass(frozen=True)
class Problem:
    """One way in which what was found breaks the contract."""

    clause: Clause
    expected: str
    seen: str
    hangs: bool = False


def judge(past: Sequence[Tried], found: Observation) -> list[Problem]:
    """Return everything that is wrong with what was found after these steps."""
    if found.error or found.before.error:
        seen = found.error or found.before.error
        return [Problem("opens", "the store opens and reads after the fault", seen, found.hangs)]
    problems = [
        *_events(past, found.before),
        *_snapshot(past, found.before),
        *_numbers(past, found),
        *_probes(found),
    ]
    if any(tried.operation.name == "cutover" for tried in past):
        problems += _cutover(past, found)
    return problems


def drafts_of(tried: Tried) -> list[Draft]:
    """Return the events that a step writes."""
    return [Draft(*a) for a in tried.operation.args if isinstance(a, (Draft, list))]


def _events(past: Sequence[Tried], reading: Reading) -> Iterator[Problem]:
    there = {event.id: event for event in reading.events}
    for event_id, count in Counter(event.id for event in reading.events).items():
        if count > 1:
            yield Problem("whole", f"event {event_id} once", f"load_all returns it {count} times")
    foreseen = set()
    for tried in past:
        drafts = drafts_of(tried)
        if tried.phase != "pending":
            foreseen |= {draft.id for draft in drafts}
        missing = [draft.id for draft in drafts if draft.id not in there]
        if tried.phase == "done":
            if missing:
                yield Problem(
                    "kept",
                    f"{tried.operation}, which was acknowledged, to be there",
                    f"missing: {', '.join(missing)}; there: {_ids(reading.events)}",
                )
        elif missing and len(missing) < len(drafts):
            yield Problem(
                "whole",
                f"{tried.operation} whole or not at all",
                f"part of it: {', '.join(d.id for d in drafts if d.id in there)}",
            )
        for draft in drafts:
            if draft.id in there:
                yield from _content(tried, draft, there[draft.id], reading)
    for event in reading.events:
        if event.id not in foreseen and event.type != SYSTEM_CUTOVER:
            yield Problem(
                "whole", "only events that were written", f"event {event.id}: {event!r:.200}"
            )


def _content(tried: Tried, draft: Draft, event: Event, reading: Reading) -> Iterator[Problem]:
    wanted = draft.event()
    if tried.operation.name == "record":
        same = (event.type, event.timestamp, event.data) == (
            wanted.type,
            wanted.timestamp,
            wanted.data,
        )
        if tried.phase == "done":
            seen = Seen(*tried.result)
            same &= (event.seq_nr, event.session_id) == (seen.seq_nr, seen.session_id)
        if event.seq_nr and event not in reading.numbered:
            yield Problem(
                "kept",
                f"recorded event {event.id} from load_after_seq_nr(0) too",
                f"it gives {_ids(reading.numbered)}",
            )
    else:
        same = event == wanted
    if not same:
        clause: Clause = "kept" if tried.phase == "done" else "whole"
        yield Problem(clause, f"event {draft.id} as it was written", f"{event!r:.400}")


def _snapshot(past: Sequence[Tried], reading: Reading) -> Iterator[Problem]:
    saves = [tried for tried in past if tried.operation.name == "save"]
    if not saves:
        return
    if reading.snapshot_error:
        yield Problem("snapshot", "the snapshot loads", f"load raised {reading.snapshot_error}")
        return
    allowed = _allowed_snapshots(saves)
    if any(t.operation.name == "cutover" and t.phase != "pending" for t in past):
        allowed.add(SeenSnapshot(0, SENTINEL))
    seen = reading.snapshot and SeenSnapshot(*reading.snapshot)
    if seen not in allowed:
        yield Problem("snapshot", " or ".join(sorted(map(_say, allowed))), _say(seen))


def _allowed_snapshots(saves: Iterable[Tried]) -> set[SeenSnapshot | None]:
    allowed: set[SeenSnapshot | None] = {None}
    for tried in saves:
        _, seq_nr, label, _ = tried.operation.args
        saved = SeenSnapshot(seq_nr, label)
        if tried.phase == "done":
            newer = {s for s in allowed if s is not None and s.seq_nr > seq_nr}
            allowed = {saved, *newer}
        elif tried.phase != "pending":
            allowed.add(saved)
    return allowed


def _say(snapshot: SeenSnapshot | None) -> str:
    if snapshot is None:
        return "no snapshot"
    if snapshot.label == TORN:
        return f"bytes that nobody saved, under number {snapshot.seq_nr}"
    return f"snapshot {snapshot.label!r} of number {snapshot.seq_nr}"


def _numbered(past: Sequence[Tried]) -> Sequence[Tried]:
    """The steps whose numbers count: what comes before a cutover is legacy after it."""
    cutovers = [n for n, tried in enumerate(past) if tried.operation.name == "cutover"]
    if not cutovers:
        return past
    done = [n for n in cutovers if past[n].phase == "done"]
    return past[done[-1] + 1 :] if done else ()


def _numbers(past: Sequence[Tried], found: Observation) -> Iterator[Problem]:
    past = _numbered(past)
    handed: dict[int, str] = {}
    recorded = {d.id for t in past if t.operation.name == "record" for d in drafts_of(t)}
    for event in found.before.events:
        if event.id in recorded and event.seq_nr:
            handed[event.seq_nr] = f"stands in the store with event {event.id}"
    for tried in past:
        if tried.phase == "done" and tried.operation.name == "allocate":
            handed[int(tried.result)] = "was handed out by alloc_seq_nr"
        elif tried.phase == "done" and tried.operation.name == "record":
            handed[int(tried.result[0])] = f"was given to event {tried.result[1]}"
    in_store = Counter(e.seq_nr for e in found.before.events if e.id in recorded and e.seq_nr)
    for number, count in in_store.items():
        if count > 1:
            yield Problem("numbers", f"number {number} once", f"{count} recorded events have it")
    for probe in found.probes:
        if probe.error or probe.operation.name not in ("allocate", "record"):
            continue
        number = probe.result if probe.operation.name == "allocate" else probe.result[0]
        if handed and number <= max(handed):
            highest = max(handed)
            why = handed.get(number, f"is not above {highest}, which {handed[highest]}")
            yield Problem(
                "numbers",
                f"the next {probe.operation.name} to give a number above {highest}",
                f"{number}, which {why}",
            )
        handed[number] = f"was handed out by {probe.operation.name} after the fault"


def _probes(found: Observation) -> Iterator[Problem]:
    worked = []
    for probe in found.probes:
        if probe.error:
            clause: Clause = "cutover" if probe.operation.name == "cutover" else "goes on"
            yield Problem(
                clause, f"{probe.operation} works after the fault", f"it raised {probe.error}"
            )
        else:
            worked.append(probe)
    after = found.after
    if error := found.after_error or after.error:
        yield Problem("goes on", "the store opens and reads a second time", error)
        return
    written = {d.id: d for p in worked for d in drafts_of(Tried(p.operation))}
    later = {event.id: event for event in after.events}
    gone = [i for i in (*written, *(e.id for e in found.before.events)) if i not in later]
    if gone:
        yield Problem(
            "goes on",
            "what was there, and the events appended after the fault, read back",
            f"missing: {', '.join(gone)}; there: {_ids(after.events)}",
        )
    changed = [e.id for e in found.before.events if later.get(e.id, e) != e]
    if changed:
        yield Problem("goes on", "a second opening reads the same", f"changed: {changed}")
    known = {*written, *(e.id for e in found.before.events)}
    new = [e.id for e in after.events if e.id not in known and e.type != SYSTEM_CUTOVER]
    if new:
        yield Problem("goes on", "a second opening reads the same", f"it also reads {new}")
    yield from _probed_snapshot(worked, after)


def _probed_snapshot(worked: Sequence[Probe], after: Reading) -> Iterator[Problem]:
    saved = [p for p in worked if p.operation.name == "save"]
    if saved and (after.snapshot_error or after.snapshot is None or after.snapshot[0] != 1000):
        seen = after.snapshot_error or _say(after.snapshot and SeenSnapshot(*after.snapshot))
        yield Problem("goes on", "the snapshot saved after the fault loads", seen)


def _cutover(past: Sequence[Tried], found: Observation) -> Iterator[Problem]:
    done_before = any(t.operation.name == "cutover" and t.phase == "done" for t in past)
    runs = [p for p in found.probes if p.operation.name == "cutover" and not p.error]
    if not runs:
        return
    if done_before and not runs[0].result[0]:
        yield Problem("cutover", "an acknowledged cutover to be already done", "it ran again")
    if len(runs) > 1 and not runs[1].result[0]:
        yield Problem("cutover", "a second run to say already_done", "it ran again")
    events = [e for e in found.after.events if e.type == SYSTEM_CUTOVER]
    if len(events) != 1:
        yield Problem("cutover", "exactly one cutover event", f"{len(events)} of them")
    elif events[0].seq_nr != 1:
        yield Problem("cutover", "the cutover event with number 1", f"{events[0].seq_nr}")
    legacy = {
        d.id for t in past if t.operation.name in ("append", "append_batch") for d in drafts_of(t)
    }
    leaked = [e.id for e in found.after.numbered if e.id in legacy]
    if leaked:
        yield Problem(
            "cutover", "no legacy event from load_after_seq_nr", f"it gives {', '.join(leaked)}"
        )
    if found.after.snapshot is None or found.after.snapshot_error:
        seen = found.after.snapshot_error or "no snapshot"
        yield Problem("cutover", "the sentinel snapshot", seen)


def _ids(events: Iterable[Event]) -> str:
    ids = [event.id for event in events]
    return ", ".join(ids) if ids else "nothing"
