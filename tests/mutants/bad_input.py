"""Stores that take bad input, or trip over harmless input, over the in-memory adapter."""

from __future__ import annotations

import contextlib
import fnmatch
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from eventstore_reference import memory
from mutants.fidelity import ANY
from mutants.registry import mutant
from mutants.snapshots import Snapshots
from mutants.stores import ChangingStore, Store, change, map_text, with_store
from pytest_eventstore.ports import AppendResult, Event, LoadResult, Ports, Snapshot


class RenamingSnapshots(Snapshots):
    """Keeps snapshots under a name made from the aggregate type."""

    def key(self, name: str) -> str:
        return name

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        self.inner.save(self.key(aggregate_type), seq_nr, state)

    def load(self, aggregate_type: str) -> Snapshot | None:
        found = self.inner.load(self.key(aggregate_type))
        if found is None:
            return None
        return Snapshot(aggregate_type=aggregate_type, seq_nr=found.seq_nr, state=found.state)


def _with_snapshots(location: Path, snapshots: Callable[[Any], Any]) -> Ports:
    ports = memory.open_ports(location)
    ports.snapshot_store = snapshots(ports.snapshot_store)
    return ports


@mutant(fails="BAD-01", companions=("SNP", "BAD-03", "RES-04"), message="outside the location")
def the_snapshot_s_name_is_its_path(location: Path) -> Ports:
    class Files(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, seq_nr, state)
            with contextlib.suppress(OSError, ValueError):
                (location / f"{aggregate_type}.json").write_bytes(state)

    return _with_snapshots(location, Files)


@mutant(fails="BAD-01", companions=("RES-04",), message="outside the location")
def an_event_s_aggregate_type_is_a_folder(location: Path) -> Ports:
    class Folders(Store):
        def append(self, *events: Event) -> AppendResult:
            done = super().append(*events)
            for event in events:
                with contextlib.suppress(OSError, ValueError):
                    (location / event.aggregate_type).mkdir(exist_ok=True)
            return done

    return with_store(Folders, location)


@mutant(fails="BAD-01", message="the snapshot loaded is None")
def a_snapshot_elsewhere_is_loaded(location: Path) -> Ports:
    class Files(Snapshots):
        def load(self, aggregate_type: str) -> Snapshot | None:
            found = self.inner.load(aggregate_type)
            with contextlib.suppress(OSError, ValueError):
                state = (location / aggregate_type).read_bytes()
                found = Snapshot(aggregate_type=aggregate_type, seq_nr=1, state=state)
            return found

    return _with_snapshots(location, Files)


@mutant(fails="BAD-02", companions=("SNP-04",), message="the state loaded for 'Kind")
def snapshot_names_fold_case(location: Path) -> Ports:
    class Folding(RenamingSnapshots):
        def key(self, name: str) -> str:
            return name.casefold()

    return _with_snapshots(location, Folding)


@mutant(fails="BAD-02", companions=("SNP-04",), message="the state loaded for 'caf")
def snapshot_names_are_normalised(location: Path) -> Ports:
    class Normalising(RenamingSnapshots):
        def key(self, name: str) -> str:
            return unicodedata.normalize("NFC", name)

    return _with_snapshots(location, Normalising)


@mutant(fails="BAD-02", companions=("SNP-04", "BAD-01"), message="the state loaded for 'Kind")
def snapshot_names_lose_their_end(location: Path) -> Ports:
    class Trimming(RenamingSnapshots):
        def key(self, name: str) -> str:
            return name.rstrip(". ") or name

    return _with_snapshots(location, Trimming)


@mutant(
    fails="BAD-02",
    companions=("APP", "FID-01", "FID-03", "BAD-01", "BAD-03"),
    message="differs at aggregate_type",
)
def aggregate_types_of_events_fold_case(location: Path) -> Ports:
    class Folding(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, aggregate_type=event.aggregate_type.lower())

    return with_store(Folding, location)


@mutant(fails="BAD-03", message="the snapshot loaded for '*'")
def a_snapshot_s_name_is_a_pattern(location: Path) -> Ports:
    class Globbing(Snapshots):
        def load(self, aggregate_type: str) -> Snapshot | None:
            exact = self.inner.load(aggregate_type)
            matching = fnmatch.filter(self.stored, aggregate_type)
            return exact or next((self.stored[name] for name in matching), None)

    return _with_snapshots(location, Globbing)


@mutant(fails="BAD-03", companions=ANY, message="differs at ")
def strings_are_unquoted(location: Path) -> Ports:
    class Unquoting(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(event, data=map_text(event.data, unquote))

    return with_store(Unquoting, location)


@mutant(fails="BAD-03", message="differs at aggregate_id")
def percent_signs_are_formats(location: Path) -> Ports:
    class Formatting(ChangingStore):
        def change(self, event: Event) -> Event:
            return change(
                event, aggregate_id=event.aggregate_id.replace("%%", "%").replace("%s", "")
            )

    return with_store(Formatting, location)


@mutant(fails="BAD-03", companions=("BAD-02", "FID-03"), message="stars are wild")
def stars_in_ids_are_refused(location: Path) -> Ports:
    class Refusing(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                if event.aggregate_id == "*":
                    raise RuntimeError("stars are wild")
            return super().append(*events)

    return with_store(Refusing, location)


@mutant(fails="BAD-03", companions=ANY, message="OperationalError: near")
def strings_are_pasted_into_statements(location: Path) -> Ports:
    class Pasting(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                if "'" in event.to_json_line():
                    raise RuntimeError(f"OperationalError: near {event.id!r}")
            return super().append(*events)

    return with_store(Pasting, location)


def _whole(number: Any) -> Any:
    """Return what a lenient store makes of a number."""
    try:
        return number if type(number) is int and number >= 0 else abs(int(number))
    except (TypeError, ValueError):
        return number


@mutant(fails="BAD-04", message="load_after_seq_nr(-1) raises")
def a_read_takes_any_number(location: Path) -> Ports:
    class Lenient(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            return super().load_after_seq_nr(_whole(after_seq_nr))

    return with_store(Lenient, location)


@mutant(fails="BAD-04", message="load_after_seq_nr(True) raises")
def a_read_takes_true_for_1(location: Path) -> Ports:
    class Lenient(Store):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            if isinstance(after_seq_nr, bool):
                after_seq_nr = int(after_seq_nr)
            return super().load_after_seq_nr(after_seq_nr)

    return with_store(Lenient, location)


@mutant(fails="BAD-04", message="append of an event of seq_nr -1 raises")
def an_event_takes_any_number(location: Path) -> Ports:
    class Lenient(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                object.__setattr__(event, "seq_nr", _whole(event.seq_nr))
            return super().append(*events)

    return with_store(Lenient, location)


@mutant(fails="BAD-04", message="snapshots.save('kind', -1, …) raises")
def a_snapshot_takes_any_number(location: Path) -> Ports:
    class Lenient(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, _whole(seq_nr), state)

    return _with_snapshots(location, Lenient)


@mutant(fails="BAD-04", companions=("SEQ",), message="allocator.initialize_at(-1) raises")
def the_counter_takes_any_number(location: Path) -> Ports:
    ports = memory.open_ports(location)
    assert ports.seq_allocator is not None
    initialize_at = ports.seq_allocator.initialize_at

    def lenient(start_at: int) -> None:
        initialize_at(_whole(start_at))

    ports.seq_allocator.initialize_at = lenient  # type: ignore[method-assign]
    return ports


def _through(event: Event, encode: Callable[[Any], str]) -> Event:
    """Return the event with its data gone through an encoder that is not strict."""
    try:
        object.__setattr__(event, "data", json.loads(encode(event.data)))
    except (TypeError, ValueError, RecursionError):
        return event
    return event


@mutant(fails="BAD-05", companions=("APP-02",), message="append of data with object")
def anything_is_made_text(location: Path) -> Ports:
    class Textual(Store):
        def append(self, *events: Event) -> AppendResult:
            done = (_through(event, lambda data: json.dumps(data, default=str)) for event in events)
            return super().append(*done)

    return with_store(Textual, location)


@mutant(fails="BAD-05", message="append of data with tuple")
def what_the_encoder_takes_is_taken(location: Path) -> Ports:
    class Encoding(Store):
        def append(self, *events: Event) -> AppendResult:
            strict = (
                _through(event, lambda data: json.dumps(data, allow_nan=False)) for event in events
            )
            return super().append(*strict)

    return with_store(Encoding, location)


@mutant(fails="BAD-06", message="append of an event without an id raises")
def a_missing_id_is_made_up(location: Path) -> Ports:
    class Inventive(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                object.__setattr__(event, "id", event.id or "made-up")
            return super().append(*events)

    return with_store(Inventive, location)


@mutant(fails="BAD-06", message="append of an event without a type raises")
def a_missing_type_is_made_up(location: Path) -> Ports:
    class Inventive(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                object.__setattr__(event, "type", event.type or "unknown")
            return super().append(*events)

    return with_store(Inventive, location)


@mutant(fails="BAD-06", message="append of an event of a newer schema raises")
def a_newer_schema_is_taken(location: Path) -> Ports:
    class Optimistic(Store):
        def append(self, *events: Event) -> AppendResult:
            for event in events:
                object.__setattr__(event, "schema_version", 1)
            return super().append(*events)

    return with_store(Optimistic, location)
