"""Snapshot stores with one fault each, over the in-memory adapter."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from eventstore_reference import memory
from eventstore_reference.memory import MemoryEventStore
from mutants.registry import mutant
from pytest_eventstore.ports import EventStoreError, LoadResult, Ports, Snapshot, SnapshotStore


class Snapshots:
    """Passes every call on; a mutant overrides one."""

    def __init__(self, inner: Any) -> None:
        self.inner: SnapshotStore = inner

    def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
        self.inner.save(aggregate_type, seq_nr, state)

    def load(self, aggregate_type: str) -> Snapshot | None:
        return self.inner.load(aggregate_type)

    def close(self) -> None:
        self.inner.close()  # type: ignore[attr-defined]  # the in-memory one has it

    @property
    def stored(self) -> dict[str, Snapshot]:
        stored: dict[str, Snapshot] = self.inner._location.snapshots  # type: ignore[attr-defined]
        return stored


def _with(snapshots: type[Snapshots], location: Path) -> Ports:
    ports = memory.open_ports(location)
    ports.snapshot_store = snapshots(ports.snapshot_store)
    return ports


@mutant(fails="SNP-01", message="decoded, parsed, stripped or cut")
def state_is_stripped(location: Path) -> Ports:
    class Stripping(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, seq_nr, state.strip())

    return _with(Stripping, location)


@mutant(fails="SNP-01", message="decoded, parsed, stripped or cut")
def state_is_encoded_again(location: Path) -> Ports:
    class Encoding(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            with suppress(ValueError):
                state = json.dumps(json.loads(state)).encode()
            self.inner.save(aggregate_type, seq_nr, state)

    return _with(Encoding, location)


@mutant(fails="SNP-01", message="a limit on the size of a value")
def state_over_16_mib_is_refused(location: Path) -> Ports:
    class Limited(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            if len(state) > 1 << 24:
                raise EventStoreError("packet too large")
            self.inner.save(aggregate_type, seq_nr, state)

    return _with(Limited, location)


@mutant(fails="SNP-01", message="differs from byte 65536 on")
def long_state_is_cut(location: Path) -> Ports:
    class Cutting(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, seq_nr, state[: 1 << 16])

    return _with(Cutting, location)


@mutant(fails="SNP-01", message="as a double")
def number_is_a_double(location: Path) -> Ports:
    class Doubles(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, min(int(float(seq_nr)), 2**63 - 1), state)

    return _with(Doubles, location)


@mutant(fails="SNP-02", companions=("CUT-01", "APP-08"), message="gives None")
def no_snapshot_is_an_empty_one(location: Path) -> Ports:
    class NeverNone(Snapshots):
        def load(self, aggregate_type: str) -> Snapshot | None:
            found = self.inner.load(aggregate_type)
            return found or Snapshot(aggregate_type=aggregate_type, seq_nr=0, state=b"")

    return _with(NeverNone, location)


@mutant(fails="SNP-02", companions=("CUT-01", "APP-08"), message="taken for no snapshot")
def the_sentinel_is_none(location: Path) -> Ports:
    class NullIsNone(Snapshots):
        def load(self, aggregate_type: str) -> Snapshot | None:
            found = self.inner.load(aggregate_type)
            sentinel = found is not None and (found.seq_nr, found.state) == (0, b"null")
            return None if sentinel else found

    return _with(NullIsNone, location)


@mutant(fails="SNP-03", companions=("APP-08",), message="a newer snapshot by an older one")
def older_replaces_newer(location: Path) -> Ports:
    class Overwriting(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.stored.pop(aggregate_type, None)
            self.inner.save(aggregate_type, seq_nr, state)

    return _with(Overwriting, location)


@mutant(fails="SNP-03", companions=("APP-08", "CUT-06"), message="turned away")
def equal_is_turned_away(location: Path) -> Ports:
    class Strict(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            stored = self.stored.get(aggregate_type)
            if stored is None or stored.seq_nr < seq_nr:
                self.inner.save(aggregate_type, seq_nr, state)

    return _with(Strict, location)


@mutant(fails="SNP-03", companions=("SNP-04", "APP-08"), message="a newer snapshot by an older one")
def numbers_are_compared_as_text(location: Path) -> Ports:
    class AsText(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            stored = self.stored.get(aggregate_type)
            if stored is None or str(stored.seq_nr) <= str(seq_nr):
                self.stored.pop(aggregate_type, None)
                self.inner.save(aggregate_type, seq_nr, state)

    return _with(AsText, location)


@mutant(fails="SNP-04", message="names share a row")
def names_are_made_into_file_names(location: Path) -> Ports:
    class Slugs(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(_slug(aggregate_type), seq_nr, state)

        def load(self, aggregate_type: str) -> Snapshot | None:
            found = self.inner.load(_slug(aggregate_type))
            if found is None:
                return None
            return Snapshot(aggregate_type=aggregate_type, seq_nr=found.seq_nr, state=found.state)

    def _slug(name: str) -> str:
        return "".join(c if c.isalnum() else "_" for c in name)

    return _with(Slugs, location)


@mutant(fails="SNP-04", companions=("APP-08", "CUT-01"), message="a highest number")
def one_highest_number_for_all(location: Path) -> Ports:
    class OneHighest(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            if seq_nr >= max((s.seq_nr for s in self.stored.values()), default=0):
                self.inner.save(aggregate_type, seq_nr, state)

    return _with(OneHighest, location)


@mutant(
    fails="SNP-07",
    companions=("APP-08", "CUT-04"),
    message="includes the snapshot's own event",
)
def the_snapshots_own_event_comes_again(location: Path) -> Ports:
    ports = memory.open_ports(location)
    snapshots = ports.snapshot_store
    assert snapshots is not None

    class Inclusive(MemoryEventStore):
        def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
            numbers = {s.seq_nr for s in self._location.snapshots.values()}
            less = 1 if after_seq_nr and after_seq_nr in numbers else 0
            return super().load_after_seq_nr(after_seq_nr - less)

    ports.event_store = Inclusive(snapshots._location)  # type: ignore[attr-defined]
    return ports


@mutant(fails="APP-08", message="stored events changed, were lost")
def saving_drops_the_events_it_covers(location: Path) -> Ports:
    class Compacting(Snapshots):
        def save(self, aggregate_type: str, seq_nr: int, state: bytes) -> None:
            self.inner.save(aggregate_type, seq_nr, state)
            numbered = self.inner._location.by_number  # type: ignore[attr-defined]
            numbered[:] = [entry for entry in numbered if entry[0] > seq_nr]

    return _with(Compacting, location)
