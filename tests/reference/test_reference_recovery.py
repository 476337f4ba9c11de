"""Recovery, rebuilding and snapshots taken by themselves."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from eventstore_reference import (
    SessionRecorder,
    SnapshotPolicy,
    Snapshotter,
    archive,
    open_memory,
    open_ports,
    rebuild,
    recover,
    run_cutover,
)
from eventstore_reference.recovery import pack_state
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.ports import CorruptionError, Event, Ports, SnapshotStore

KIND = "amadeus.state"


class Seen:
    """The ids applied, in order: any event lost, doubled or out of order shows."""

    def __init__(self, version: int = 1) -> None:
        self.version = version
        self.ids: list[str] = []

    def apply(self, event: Event) -> None:
        self.ids.append(event.id)

    def serialize(self) -> bytes:
        return json.dumps(self.ids).encode()

    def deserialize(self, state: bytes) -> None:
        self.ids = ["half done"]
        self.ids = json.loads(state)


@pytest.fixture(params=[open_ports, open_memory])
def ports(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ports]:
    with ExitStack() as stack:
        ports: Ports = request.param(tmp_path)
        stack.callback(ports.close)
        yield ports


def snapshots_of(ports: Ports) -> SnapshotStore:
    assert ports.snapshot_store is not None
    return ports.snapshot_store


def fill(ports: Ports) -> list[str]:
    """Three legacy events, the cutover, six recorded ones; return all ids as replayed."""
    ports.event_store.append(*(make_event(n, seq_nr=n % 2) for n in range(3)))
    run_cutover(ports, KIND)
    recorder = SessionRecorder.over(ports, "s")
    for n in range(6):
        recorder.record(make_event(10 + n))
    legacy = [f"e{n}" for n in range(3)]
    return legacy + [event.id for event in ports.event_store.load_after_seq_nr(0).events]


def test_without_a_snapshot_everything_is_replayed(ports: Ports) -> None:
    ids = fill(ports)
    state = Seen()
    recovery = recover(state, ports, KIND)
    assert state.ids == ids
    assert recovery.seq_nr == 7
    assert recovery.replayed == len(ids) == 10
    assert (recovery.snapshot_seq_nr, recovery.fell_back) == (None, "")


def test_from_a_snapshot_at_any_position_the_state_is_the_same(ports: Ports) -> None:
    ids = fill(ports)
    for number in range(1, 8):
        packed = Seen()
        packed.ids = ids[: 3 + number]
        snapshots_of(ports).save(KIND, number, pack_state(packed))
        state = Seen()
        recovery = recover(state, ports, KIND)
        assert state.ids == ids
        assert (recovery.snapshot_seq_nr, recovery.replayed) == (number, 7 - number)
        assert (recovery.seq_nr, recovery.fell_back) == (7, "")


def test_a_state_saved_without_version_is_used(ports: Ports) -> None:
    fill(ports)
    snapshots_of(ports).save(KIND, 7, b'["only"]')
    state = Seen()
    assert recover(state, ports, KIND).snapshot_seq_nr == 7
    assert state.ids == ["only"]


def test_a_snapshot_of_another_version_is_not_used(ports: Ports) -> None:
    ids = fill(ports)
    snapshots_of(ports).save(KIND, 7, pack_state(Seen(version=1)))
    state = Seen(version=2)
    recovery = recover(state, ports, KIND)
    assert state.ids == ids
    assert "version 1" in recovery.fell_back


def test_a_snapshot_ahead_of_the_log_is_noticed(ports: Ports) -> None:
    ids = fill(ports)
    snapshots_of(ports).save(KIND, 8, pack_state(Seen()))
    state = Seen()
    recovery = recover(state, ports, KIND)
    assert state.ids == ids
    assert (recovery.seq_nr, recovery.snapshot_seq_nr) == (7, None)
    assert "ahead of the log" in recovery.fell_back


def test_a_state_that_is_not_accepted_leaves_nothing_behind(ports: Ports) -> None:
    ids = fill(ports)
    snapshots_of(ports).save(KIND, 7, b"not json")
    state = Seen()
    assert "not accepted" in recover(state, ports, KIND).fell_back
    assert state.ids == ids


def test_a_damaged_snapshot_falls_back_with_the_archive(tmp_path: Path) -> None:
    ports = open_ports(tmp_path)
    ids = fill(ports)
    packed = Seen()
    packed.ids = ids
    snapshots_of(ports).save(KIND, 7, pack_state(packed))
    assert archive(ports, 6).through_seq_nr == 5
    path = tmp_path / "snapshots" / f"{KIND}.json"
    path.write_bytes(path.read_bytes()[:-1])
    state = Seen()
    recovery = recover(state, ports, KIND)
    assert state.ids == ids
    assert recovery.fell_back.startswith("the snapshot cannot be read")
    ports.close()


def test_a_damaged_event_that_is_needed_is_an_error(tmp_path: Path) -> None:
    ports = open_ports(tmp_path)
    ids = fill(ports)
    (path,) = [p for p in (tmp_path / "events").iterdir() if b'"e12"' in p.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b'"e12"', b'"x12"'))
    state = Seen()
    with pytest.raises(CorruptionError, match="damaged"):
        recover(state, ports, KIND)
    assert state.ids == []
    packed = Seen()
    packed.ids = ids[:8]
    snapshots_of(ports).save(KIND, 5, pack_state(packed))  # e12 is number 4
    assert recover(state, ports, KIND).replayed == 2
    assert state.ids == ids
    ports.close()


def test_rebuilding_ends_in_a_fresh_snapshot(ports: Ports) -> None:
    ids = fill(ports)
    snapshots_of(ports).save(KIND, 5, b"rubbish")
    state = Seen()
    recovery = rebuild(state, ports, KIND)
    assert state.ids == ids
    assert (recovery.replayed, recovery.snapshot_seq_nr) == (10, None)
    again = Seen()
    assert recover(again, ports, KIND).replayed == 0
    assert again.ids == ids


def test_rebuilding_deals_with_a_snapshot_ahead_of_the_log(ports: Ports) -> None:
    ids = fill(ports)
    snapshots_of(ports).save(KIND, 99, pack_state(Seen()))
    recovery = rebuild(Seen(), ports, KIND)
    state = Seen()
    after = recover(state, ports, KIND)
    assert state.ids == ids
    if hasattr(ports.snapshot_store, "remove"):
        assert after.snapshot_seq_nr == 7
    else:
        assert "stays" in recovery.fell_back


# Snapshots taken by themselves


def with_snapshots(ports: Ports, every: int) -> SessionRecorder:
    snapshotter = Snapshotter(Seen, ports, KIND, SnapshotPolicy(every=every))
    return SessionRecorder(
        "s",
        event_store=ports.event_store,
        seq_allocator=ports.seq_allocator,
        lock=ports.lock,
        after=[snapshotter.after],
    )


def test_a_snapshot_is_taken_every_so_many_events(ports: Ports) -> None:
    recorder = with_snapshots(ports, every=3)
    found = []
    for n in range(10):
        recorder.record(make_event(n))
        stored = snapshots_of(ports).load(KIND)
        found.append(0 if stored is None else stored.seq_nr)
    assert found == [0, 0, 3, 3, 3, 6, 6, 6, 9, 9]
    state = Seen()
    assert recover(state, ports, KIND).replayed == 1
    assert state.ids == [f"e{n}" for n in range(10)]


def test_two_recorders_share_the_work(ports: Ports) -> None:
    recorders = [with_snapshots(ports, every=4) for _ in range(2)]
    saves = []
    real = snapshots_of(ports).save
    with pytest.MonkeyPatch.context() as patch:

        def save(kind: str, number: int, state: bytes) -> None:
            saves.append(number)
            real(kind, number, state)

        patch.setattr(ports.snapshot_store, "save", save)
        for n in range(16):
            recorders[n % 2].record(make_event(n))
    assert saves == [4, 8, 12, 16]


def test_a_failing_snapshot_costs_no_event(ports: Ports, caplog: pytest.LogCaptureFixture) -> None:
    recorder = with_snapshots(ports, every=2)
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):

        def refuse(*args: object) -> None:
            raise OSError("no space left")

        patch.setattr(ports.snapshot_store, "save", refuse)
        for n in range(3):
            recorder.record(make_event(n))
    assert ports.event_store.latest_seq_nr() == 3
    assert "no snapshot of amadeus.state was taken" in caplog.text
    recorder.record(make_event(3))
    assert snapshots_of(ports).load(KIND) is not None


@pytest.mark.parametrize("every", [0, -1, 1.5, True, "500"])
def test_a_policy_that_makes_no_sense_is_refused(every: int) -> None:
    with pytest.raises(ValueError, match="makes no sense"):
        SnapshotPolicy(every=every)


def test_the_default_policy() -> None:
    is_due: Callable[[int, int], bool] = SnapshotPolicy().is_due
    assert not is_due(499, 0)
    assert is_due(500, 0)
    assert not is_due(999, 500)
