"""Cutovers with one fault each, over the in-memory adapter and the reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from eventstore_reference import memory
from eventstore_reference.memory import MemoryEventStore
from mutants.registry import mutant
from pytest_eventstore.ports import (
    SYSTEM_CUTOVER,
    AppendResult,
    CutoverResult,
    Event,
    LoadResult,
    Ports,
    Snapshot,
)


def _with(
    location: Path, cutover: Callable[[Callable[[str], CutoverResult], str], CutoverResult]
) -> Ports:
    """Return ports whose cutover is given the right one, and the aggregate type."""
    ports = memory.open_ports(location)
    right = ports.cutover
    assert right is not None
    ports.cutover = lambda aggregate_type: cutover(right, aggregate_type)
    return ports


def _with_store(location: Path, store: type[MemoryEventStore]) -> Ports:
    """Return ports over a faulty event store."""
    ports = memory.open_ports(location)
    ports.event_store = store(ports.event_store._location)  # type: ignore[attr-defined]
    return ports


@mutant(fails="CUT-01", message="the first cutover gives")
def its_own_event_is_counted(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        result = right(aggregate_type)
        return (
            result if result.already_done else replace(result, event_count=result.event_count + 1)
        )

    return _with(location, cutover)


@mutant(fails="CUT-01", message="pre_cutover_event_count")
def the_events_data_counts_wrongly(location: Path) -> Ports:
    class Miscounting(MemoryEventStore):
        def append(self, *events: Event) -> AppendResult:
            return super().append(
                *(
                    replace(e, data={"pre_cutover_event_count": 0, "aggregate_type": "x"})
                    if e.type == SYSTEM_CUTOVER
                    else e
                    for e in events
                )
            )

    return _with_store(location, Miscounting)


@mutant(fails="CUT-01", companions=("APP-08",), message="already_done")
def a_later_run_says_it_did_it(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        return replace(right(aggregate_type), already_done=False)

    return _with(location, cutover)


@mutant(fails="CUT-01", companions=("APP-08",), message="appends its event again")
def a_later_run_appends_again(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        result = right(aggregate_type)
        if result.already_done:
            found = [e for e in ports.event_store.load_all().events if e.type == SYSTEM_CUTOVER]
            ports.event_store.append(replace(found[0], id=f"again {len(found)}"))
        return result

    ports = _with(location, cutover)
    return ports


@mutant(
    fails="CUT-01",
    companions=("APP-08", "CUT-04", "LAT-04", "SNP-07"),
    message=f"one event of type {SYSTEM_CUTOVER}",
)
def no_event_is_written(location: Path) -> Ports:
    class Dropping(MemoryEventStore):
        def append(self, *events: Event) -> AppendResult:
            return super().append(*(e for e in events if e.type != SYSTEM_CUTOVER))

    return _with_store(location, Dropping)


@mutant(fails="CUT-01", companions=("APP-08",), message="no sentinel is saved")
def no_sentinel_is_saved(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        snapshots = ports.event_store._location.snapshots  # type: ignore[attr-defined]
        before = dict(snapshots)
        result = right(aggregate_type)
        snapshots.clear()
        snapshots.update(before)
        return result

    ports = _with(location, cutover)
    return ports


@mutant(
    fails="CUT-01",
    companions=("APP-08", "CUT-06", "SNP-07", "LAT-04"),
    message="the first cutover gives",
)
def an_empty_store_counts_as_done(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        if not ports.event_store.load_all().events:
            return CutoverResult(already_done=True)
        return right(aggregate_type)

    ports = _with(location, cutover)
    return ports


def _numbered_where(
    store: MemoryEventStore, after_seq_nr: int, keep: Callable[[Event], bool]
) -> LoadResult:
    """Return what `load_after_seq_nr` would, were legacy events told by `keep`."""
    events = [e for e in store.load_all().events if e.seq_nr > after_seq_nr and keep(e)]
    return LoadResult(events=sorted(events, key=lambda e: e.seq_nr))


@mutant(fails="CUT-04", companions=("APP-08", "SNP-07"), message="told by their number or time")
def legacy_is_told_by_its_number(location: Path) -> Ports:
    class ByNumber(MemoryEventStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            return _numbered_where(self, after_seq_nr, lambda e: e.seq_nr > 0)

    return _with_store(location, ByNumber)


@mutant(fails="CUT-04", companions=("APP-08", "SNP-07"), message="told by their number or time")
def legacy_is_told_by_its_time(location: Path) -> Ports:
    class ByTime(MemoryEventStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            markers = [e for e in self.load_all().events if e.type == SYSTEM_CUTOVER]
            return _numbered_where(
                self,
                after_seq_nr,
                lambda e: not markers or e.timestamp >= markers[0].timestamp,
            )

    return _with_store(location, ByTime)


@mutant(fails="CUT-04", companions=("APP-08", "SNP-07"), message="told by their number or time")
def the_boundary_is_kept_in_memory(location: Path) -> Ports:
    class Forgetful(MemoryEventStore):
        legacy: frozenset[str] = frozenset()

        def append(self, *events: Event) -> AppendResult:
            if any(e.type == SYSTEM_CUTOVER for e in events):
                self.legacy = frozenset(e.id for e in self.load_all().events)
            return super().append(*events)

        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            return _numbered_where(self, after_seq_nr, lambda e: e.id not in self.legacy)

    return _with_store(location, Forgetful)


@mutant(
    fails="CUT-04",
    companions=("APP-08", "CUT-01", "CUT-05", "SNP-07"),
    message="legacy events are dropped from load_all",
)
def legacy_is_gone_from_load_all(location: Path) -> Ports:
    class Dropping(MemoryEventStore):
        def load_all(self) -> LoadResult:
            found = super().load_all()
            if not self._location.cutover_done:
                return found
            numbered = {entry[-1] for entry in self._location.by_number}
            return LoadResult(events=[e for e in found.events if e.id in numbered])

    return _with_store(location, Dropping)


@mutant(fails="CUT-05", companions=("APP-08", "CUT-04", "SNP-07"), message="the cutover rewrites")
def legacy_numbers_are_cleared(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        result = right(aggregate_type)
        if not result.already_done:
            lines = ports.event_store._location.lines  # type: ignore[attr-defined]
            for event_id, line in lines.items():
                event = Event.from_json_line(line)
                if event.type != SYSTEM_CUTOVER:
                    lines[event_id] = replace(event, seq_nr=0).to_json_line()
        return result

    ports = _with(location, cutover)
    return ports


@mutant(fails="CUT-05", message="begins with the")
def legacy_lines_are_written_anew(location: Path) -> Ports:
    """Keeps a copy of the events in a file, as the log of which it then is."""
    log = location / "log.jsonl"

    class Copying(MemoryEventStore):
        def append(self, *events: Event) -> AppendResult:
            result = super().append(*events)
            if any(e.type == SYSTEM_CUTOVER for e in events):
                lines = [json.loads(line) for line in log.read_text().splitlines()]
                log.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
            with log.open("a") as file:
                file.writelines(f"{e.to_json_line()}\n" for e in events)
            return result

    log.touch()
    return _with_store(location, Copying)


@mutant(fails="CUT-06", companions=("APP-08",), message="the sentinel is saved before")
def every_run_saves_the_sentinel(location: Path) -> Ports:
    def cutover(right: Callable[[str], CutoverResult], aggregate_type: str) -> CutoverResult:
        snapshots = ports.event_store._location.snapshots  # type: ignore[attr-defined]
        snapshots[aggregate_type] = Snapshot(aggregate_type=aggregate_type, seq_nr=0, state=b"null")
        return right(aggregate_type)

    ports = _with(location, cutover)
    return ports
