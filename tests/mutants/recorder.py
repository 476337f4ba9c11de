"""Recorders with one fault each, over the in-memory adapter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from eventstore_reference import memory
from mutants.registry import mutant
from pytest_eventstore.ports import Event, Ports


class ChainRecorder:
    """A correct recorder, in steps that a mutant overrides one of."""

    def __init__(self, ports: Ports, session_id: str) -> None:
        self.ports = ports
        self.session_id = session_id

    def record(self, event: Event) -> Event:
        assert self.ports.lock is not None
        with self.ports.lock:
            stored = self.stamped(event)
            self.ports.event_store.append(stored)
            return stored

    def stamped(self, event: Event) -> Event:
        return replace(
            event,
            session_id=self.session_id,
            correlation_id=self.session_id,
            causation_id=self.cause(event),
            seq_nr=self.number(),
        )

    def cause(self, event: Event) -> str:
        return event.causation_id or self.predecessor()

    def predecessor(self) -> str:
        store = self.ports.event_store
        return str(store.last_event_id(self.session_id))  # type: ignore[attr-defined]

    def number(self) -> int:
        allocator = self.ports.seq_allocator
        assert allocator is not None
        latest = self.ports.event_store.latest_seq_nr()
        if allocator.latest_seq_nr() < latest:
            allocator.initialize_at(latest)
        return allocator.alloc_seq_nr()


def _with(recorder: type[ChainRecorder], location: Path) -> Ports:
    ports = memory.open_ports(location)
    ports.recorder = lambda session_id: recorder(ports, session_id)
    return ports


@mutant(
    fails="REC-01",
    companions=("REC-02", "REC-03", "REC-05", "APP-08"),
    message="the session id of",
)
def the_callers_session_is_kept(location: Path) -> Ports:
    class Keeping(ChainRecorder):
        def stamped(self, event: Event) -> Event:
            return replace(super().stamped(event), session_id=event.session_id or self.session_id)

    return _with(Keeping, location)


@mutant(fails="REC-01", message="stamped with a correlation id")
def no_correlation_id_is_stamped(location: Path) -> Ports:
    class Keeping(ChainRecorder):
        def stamped(self, event: Event) -> Event:
            return replace(super().stamped(event), correlation_id=event.correlation_id)

    return _with(Keeping, location)


@mutant(fails="REC-01", companions=("CUT-04", "APP-08"), message="a number of the recorder's")
def the_callers_number_is_kept(location: Path) -> Ports:
    class Keeping(ChainRecorder):
        def stamped(self, event: Event) -> Event:
            return replace(super().stamped(event), seq_nr=event.seq_nr or self.number())

    return _with(Keeping, location)


@mutant(
    fails="REC-01",
    companions=("REC-02", "REC-03", "REC-05", "APP-08"),
    message="has the causation id ''",
)
def the_first_event_names_itself(location: Path) -> Ports:
    class Circular(ChainRecorder):
        def cause(self, event: Event) -> str:
            return super().cause(event) or event.id

    return _with(Circular, location)


@mutant(
    fails="REC-01",
    companions=("REC-02", "REC-03", "REC-05", "APP-08"),
    message="has the causation id",
)
def every_event_names_the_first(location: Path) -> Ports:
    class Flat(ChainRecorder):
        def predecessor(self) -> str:
            mine = [e for e in self.in_order() if e.session_id == self.session_id]
            return mine[0].id if mine else ""

        def in_order(self) -> list[Event]:
            return list(self.ports.event_store.load_after_seq_nr(0).events)

    return _with(Flat, location)


@mutant(fails="REC-02", companions=("APP-08",), message="kept in memory")
def the_chain_is_kept_in_memory(location: Path) -> Ports:
    class Forgetful(ChainRecorder):
        last = ""

        def record(self, event: Event) -> Event:
            stored = super().record(event)
            self.last = stored.id
            return stored

        def predecessor(self) -> str:
            return self.last

    return _with(Forgetful, location)


@mutant(fails="REC-02", companions=("REC-03", "APP-08"), message="is the last of the store")
def sessions_link_to_each_other(location: Path) -> Ports:
    class Crossing(ChainRecorder):
        def predecessor(self) -> str:
            events = self.ports.event_store.load_after_seq_nr(0).events
            recorded = [e for e in events if e.session_id]
            return recorded[-1].id if recorded else ""

    return _with(Crossing, location)


@mutant(fails="REC-02", companions=("REC-01", "APP-08"), message="looked for by its time")
def the_last_event_is_the_latest_by_time(location: Path) -> Ports:
    class ByTime(ChainRecorder):
        def predecessor(self) -> str:
            events = self.ports.event_store.load_all().events
            mine = [e for e in events if e.session_id == self.session_id]
            return mine[-1].id if mine else ""

    return _with(ByTime, location)


@mutant(fails="REC-02", companions=("APP-08",), message="is the last of the store")
def sessions_are_told_by_a_prefix(location: Path) -> Ports:
    class Prefix(ChainRecorder):
        def predecessor(self) -> str:
            events = self.ports.event_store.load_after_seq_nr(0).events
            mine = [e for e in events if e.session_id.startswith(self.session_id)]
            return mine[-1].id if mine else ""

    return _with(Prefix, location)


@mutant(fails="REC-03", message="the chain moved on before the append")
def the_chain_moves_on_before_the_append(location: Path) -> Ports:
    class Eager(ChainRecorder):
        last: str | None = None

        def stamped(self, event: Event) -> Event:
            stamped = super().stamped(event)
            self.last = event.id
            return stamped

        def predecessor(self) -> str:
            return super().predecessor() if self.last is None else self.last

        def record(self, event: Event) -> Event:
            try:
                return super().record(event)
            except Exception:
                self.last = event.id
                raise

    return _with(Eager, location)


@mutant(fails="REC-03", message="an append after a failed one is lost")
def nothing_is_stored_after_a_failure(location: Path) -> Ports:
    class Sulking(ChainRecorder):
        failed = False

        def record(self, event: Event) -> Event:
            if self.failed:
                return self.stamped(event)
            try:
                return super().record(event)
            except Exception:
                self.failed = True
                raise

    return _with(Sulking, location)


@mutant(fails="REC-05", message="whether or not there is one")
def a_cause_that_was_set_is_overwritten(location: Path) -> Ports:
    class Overwriting(ChainRecorder):
        def cause(self, event: Event) -> str:
            return self.predecessor()

    return _with(Overwriting, location)


@mutant(
    fails="REC-06", companions=("APP-08", "CUT-04"), message="record returns the event as stored"
)
def the_argument_is_returned(location: Path) -> Ports:
    class Returning(ChainRecorder):
        def record(self, event: Event) -> Event:
            super().record(event)
            return event

    return _with(Returning, location)


@mutant(
    fails="REC-06", companions=("APP-08", "CUT-04"), message="record returns the event as stored"
)
def the_number_is_missing_from_what_is_returned(location: Path) -> Ports:
    class Early(ChainRecorder):
        def record(self, event: Event) -> Event:
            return replace(super().record(event), seq_nr=0)

    return _with(Early, location)


@mutant(fails="REC-06", companions=("REC-01",), message="the caller's event stays")
def the_callers_event_is_stamped(location: Path) -> Ports:
    class InPlace(ChainRecorder):
        def record(self, event: Event) -> Event:
            stored = super().record(event)
            for name in ("session_id", "correlation_id", "causation_id", "seq_nr"):
                object.__setattr__(event, name, getattr(stored, name))
            return stored

    return _with(InPlace, location)
