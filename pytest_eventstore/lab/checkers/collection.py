"""The collection: unnumbered events, of which each load shows a growing part.

Nothing orders unnumbered appends of different writers, so each batch is judged
by itself, as a bit that its append sets and that every load reads: a load that
begins after the append returned, or after another load showed the batch, shows
it too, whole. Within a load, each writer's events keep the writer's order.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict, broken
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import seen_events

_WRITES = ("append", "append_batch", "record")


def check_collection(calls: Iterable[Call]) -> Verdict:
    """Judge the appends and records of a history by its `load_all`s.

    Each process's calls come in the order in which it made them. Events of other
    types than the lab's own are passed over: a cutover's, or what was there before.
    """
    writers: dict[str, Call] = {}
    turn: dict[str, tuple[int, int]] = {}
    loads: list[Call] = []
    for number, call in enumerate(calls):
        name = call.operation.name
        if name == "load_all" and call.succeeded:
            loads.append(call)
        elif name in _WRITES:
            args = call.operation.args
            for index, draft in enumerate(args[1:] if name == "record" else args):
                if draft[0] in writers:
                    raise ValueError(f"two calls write the id {draft[0]!r}")
                writers[draft[0]] = call
                turn[draft[0]] = number, index
    loads.sort(key=attrgetter("called"))
    judge = _Judge(writers, turn)
    for load in loads:
        if not (verdict := judge.take(load)):
            return verdict
    return HOLDS


class _Judge:
    """Takes loads in the order in which they began."""

    def __init__(self, writers: dict[str, Call], turn: dict[str, tuple[int, int]]) -> None:
        self._writers = writers
        self._turn = turn
        self._batches = {id(call): call for call in writers.values()}
        self._due = sorted(
            (call for call in self._batches.values() if not call.unknown), key=_returned
        )
        self._due_at = 0
        self._shown: list[tuple[int, Call, set[int]]] = []  # loads by return, not yet due
        self._required: dict[int, tuple[Call, Call]] = {}  # batch → it, and who vouches for it

    def take(self, load: Call) -> Verdict:
        """Judge one load against everything that returned before it began."""
        self._fall_due(load.called)
        order: dict[str, tuple[int, int]] = {}
        count: dict[int, int] = {}
        ids: set[str] = set()
        for seen in seen_events(load.result):
            if seen.type != "lab.noted":
                continue
            writer = self._writers.get(seen.id)
            if writer is None or _returned(load) < writer.called:
                return _phantom(load, writer, seen.id)
            if seen.id in ids:
                return _twice(load, writer, seen.id)
            if seen.fault:
                return _torn(load, writer, f"{seen.id}: {seen.fault}")
            ids.add(seen.id)
            count[id(writer)] = count.get(id(writer), 0) + 1
            place = self._turn[seen.id]
            if order.get(writer.process, (-1, -1)) > place:
                return _reordered(load, writer, seen.id)
            order[writer.process] = place
        for batch, (writer, witness) in self._required.items():
            if batch not in count:
                return _lost(load, writer, witness)
        for seen_id in ids:
            writer = self._writers[seen_id]
            if count[id(writer)] < _size(writer):
                return _part(load, writer)
        self._shown.append((_returned(load), load, set(count)))
        return HOLDS

    def _fall_due(self, now: int) -> None:
        while self._due_at < len(self._due) and _returned(self._due[self._due_at]) < now:
            call = self._due[self._due_at]
            self._required.setdefault(id(call), (call, call))
            self._due_at += 1
        later = []
        for returned, load, batches in self._shown:
            if returned >= now:
                later.append((returned, load, batches))
                continue
            for batch in batches - self._required.keys():
                self._required[batch] = (self._batches[batch], load)
        self._shown = later


def _returned(call: Call) -> int:
    assert call.returned is not None
    return call.returned


def _size(writer: Call) -> int:
    return 1 if writer.operation.name == "record" else len(writer.operation.args)


def _phantom(load: Call, writer: Call | None, event_id: str) -> Verdict:
    return broken(
        "phantom",
        [load, writer],
        expected="a load gives only events whose append has begun",
        seen=f"{load.process} loaded {event_id!r}, which nobody had begun to append",
        cause="a reader decodes what was half written",
    )


def _twice(load: Call, writer: Call, event_id: str) -> Verdict:
    return broken(
        "stored twice",
        [load, writer],
        expected="each event is there once",
        seen=f"{load.process} loaded {event_id!r} twice",
        cause="a write was repeated, or a reader read one part twice",
    )


def _torn(load: Call, writer: Call, what: str) -> Verdict:
    return broken(
        "torn",
        [load, writer],
        expected="an event reads back as it was appended",
        seen=what,
        cause="the writes of two processes interleave",
    )


def _reordered(load: Call, writer: Call, event_id: str) -> Verdict:
    return broken(
        "writer's order",
        [load, writer],
        expected="each writer's events stay in the order in which it appended them",
        seen=f"{load.process} loaded {event_id!r} behind a later event of {writer.process}",
        cause="a buffer is written out of order",
    )


def _lost(load: Call, writer: Call, witness: Call) -> Verdict:
    how = "was acknowledged" if writer is witness else f"had been shown to {witness.process}"
    return broken(
        "lost",
        [load, writer, witness],
        expected="an acknowledged event, and one that was shown, is in every load that begins "
        "afterwards",
        seen=f"{writer.process}'s {writer.operation} {how} and is missing in {load.process}'s load",
        cause="two writers replace each other's data, or the reader keeps an old copy",
    )


def _part(load: Call, writer: Call) -> Verdict:
    return broken(
        "batch",
        [load, writer],
        expected="a reader sees all of a batch or nothing of it",
        seen=f"{load.process} loaded a part of {writer.process}'s batch",
        cause="the events of a batch become visible one by one",
    )
