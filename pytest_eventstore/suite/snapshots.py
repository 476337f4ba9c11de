"""Snapshots: exact bytes, one for each aggregate type, never an older one."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.expect import show
from pytest_eventstore.lab.generators import aggregate_types, ascending_seq_nrs, seq_nrs
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.ports import MAX_SEQ_NR, Event, Snapshot

MIB = 1 << 20

ODD_STATES = (
    b"",
    b"null",
    b' {\r\n\t"b" : 1e2 ,"a":[ ]\n}\n',
    b'{"a":1,"a":2}',
    b"\xef\xbb\xbf{}",
    b"\x00",
    b"\xff\xfe\x80",
    b"\n\n",
    bytes(range(256)),
)
"""States that a store changes if it takes them for text or for JSON."""

NOT_OPAQUE = "the state is decoded, parsed, stripped or cut, or the number converted"
OVERWRITES = "a save overwrites whatever is there, a newer snapshot by an older one too"
SHARED = "names share a row, a file or a highest number"


class SnapshotTests:
    """Requirements on `Ports.snapshot_store`, in sequential use."""

    @pytest.mark.parametrize("state", ODD_STATES, ids=range(len(ODD_STATES)))
    def test_snp_01_odd_states_are_exact(self, eventstore_lab: Bench, state: bytes) -> None:
        with story(eventstore_lab) as told:
            saves = _Saves(told)
            saves.save("kind", 1, state)
            saves.check("kind", cause=NOT_OPAQUE)
            saves.reopen()
            saves.check("kind", cause=NOT_OPAQUE)

    def test_snp_01_any_state_and_number_are_exact(self, eventstore_lab: Bench) -> None:
        def check(state: bytes, number: int) -> None:
            with story(eventstore_lab) as told:
                saves = _Saves(told)
                saves.save("kind", number, state)
                saves.check("kind", cause=NOT_OPAQUE)

        eventstore_lab.for_all(
            check, state=st.binary(max_size=200), number=seq_nrs(min_value=0), examples=12
        )

    def test_snp_01_numbers_of_every_size_are_exact(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            saves = _Saves(told)
            for number in (0, 1, 2**31, 2**32 + 1, 2**53 + 1, MAX_SEQ_NR):
                saves.save("kind", number)
                saves.check("kind", cause="the number is kept in 32 bits, or as a double")

    def test_snp_01_64_mib_are_exact(self, eventstore_lab: Bench) -> None:
        state = eventstore_lab.rng.randbytes(64 * MIB)
        with story(eventstore_lab, cause="a limit on the size of a value") as told:
            # Told by hand, for quoting the state takes longer than storing it.
            save = told.open().plain.snapshots.save
            told.diary.call("save('kind', 1, 64 MiB)", save, "kind", 1, state)
            load = told.reopen().plain.snapshots.load
            seen: list[Snapshot | None] = []
            told.diary.call("load('kind')", lambda: seen.append(load("kind")))
            _expect_snapshot(told, seen[0], ("kind", 1, state), NOT_OPAQUE)

    def test_snp_02_none_where_nothing_was_saved(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            handle = told.open()
            _expect_none(told, handle, "kind")
            handle.snapshots.save("other", 3, b"state")
            _expect_none(told, handle, "kind")
            _expect_none(told, told.open("B"), "kind")
            _expect_none(told, told.reopen(), "kind")

    @pytest.mark.parametrize("state", [b"null", b""], ids=["sentinel", "no bytes"])
    def test_snp_02_number_0_is_not_none(self, eventstore_lab: Bench, state: bytes) -> None:
        with story(eventstore_lab) as told:
            saves = _Saves(told)
            saves.save("kind", 0, state)
            saves.check("kind", cause=f"number 0 or the state {state!r} is taken for no snapshot")
            saves.reopen()
            saves.check("kind", cause=f"number 0 or the state {state!r} is taken for no snapshot")

    @pytest.mark.eventstore_tier("u")
    def test_snp_03_older_never_replaces_newer(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            saves = _Saves(told)
            for number in (5, 4, 0):
                saves.save("kind", number)
                saves.check("kind", cause=OVERWRITES)
            saves.reopen()
            saves.save("kind", 1)
            saves.check("kind", cause=OVERWRITES)

    @pytest.mark.eventstore_tier("u")
    def test_snp_03_equal_replaces(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            saves = _Saves(told)
            for number in (0, 0, 7, 7):
                saves.save("kind", number)
                saves.check("kind", cause="a number equal to the stored one is turned away")

    @pytest.mark.eventstore_tier("u")
    def test_snp_03_the_highest_stays_in_any_order(self, eventstore_lab: Bench) -> None:
        def check(numbers: list[int]) -> None:
            with story(eventstore_lab) as told:
                saves = _Saves(told)
                for number in numbers:
                    saves.save("kind", number)
                    saves.check("kind", cause=OVERWRITES)

        numbers = st.lists(st.integers(0, 120), min_size=2, max_size=8)
        eventstore_lab.for_all(check, numbers=numbers, examples=12)

    def test_snp_04_similar_names_are_isolated(self, eventstore_lab: Bench) -> None:
        names = ("a", "b", "a.b", "a-b", "a_b", "a b", "ab", "a.b.c", "amadeus.state", "amadeus")
        with story(eventstore_lab) as told:
            saves = _Saves(told)
            for number, name in enumerate(names):
                saves.save(name, len(names) - number)
            for name in names:
                saves.check(name, cause=SHARED)

    def test_snp_04_any_names_are_isolated(self, eventstore_lab: Bench) -> None:
        def check(calls: list[tuple[str, int]]) -> None:
            with story(eventstore_lab) as told:
                saves = _Saves(told)
                for name, number in calls:
                    saves.save(name, number)
                saves.reopen()
                for name, _ in calls:
                    saves.check(name, cause=SHARED)

        # Names that differ in case only are the subject of BAD-02.
        calls = st.lists(
            st.tuples(aggregate_types(), st.integers(0, 120)),
            min_size=2,
            max_size=6,
            unique_by=lambda call: call[0].casefold(),
        )
        eventstore_lab.for_all(check, calls=calls, examples=10)

    def test_snp_07_snapshot_and_rest_equal_full_replay(self, eventstore_lab: Bench) -> None:
        def check(numbers: list[int], at: int, later: int) -> None:
            events = [make_event(n, seq_nr=number) for n, number in enumerate(numbers)]
            at = min(at, len(events))
            later = max(at, len(events) - later)
            with story(eventstore_lab) as told:
                handle = told.open()
                handle.events.append(*events[:later])
                number = events[at - 1].seq_nr if at else 0
                handle.snapshots.save("kind", number, _fold(b"[]", events[:at]))
                handle.events.append(*events[later:])
                _expect_recovered(told, handle, events)
                _expect_recovered(told, told.reopen(), events)

        eventstore_lab.for_all(
            check,
            numbers=ascending_seq_nrs(),
            at=st.integers(0, 8),
            later=st.integers(0, 4),
            examples=15,
        )


class _Saves:
    """Saves that alternate between two handles, beside what should be stored."""

    def __init__(self, told: Story) -> None:
        self._story = told
        self._handles = [told.open("A"), told.open("B")]
        self._stored: dict[str, tuple[int, bytes]] = {}
        self._count = 0

    def reopen(self) -> None:
        """Close both handles and open new ones."""
        self._handles = [self._story.reopen("A"), self._story.open("B")]

    def save(self, name: str, number: int, state: bytes | None = None) -> None:
        """Save a state; by default one that no other save has."""
        self._count += 1
        state = f"state {self._count} at {number}".encode() if state is None else state
        self._handles[self._count % 2].snapshots.save(name, number, state)
        if number >= self._stored.get(name, (0, b""))[0]:
            self._stored[name] = (number, state)

    def check(self, name: str, *, cause: str) -> None:
        """Compare what both handles load with what should be stored."""
        for handle in self._handles:
            seen = handle.snapshots.load(name)
            _expect_snapshot(self._story, seen, (name, *self._stored[name]), cause)


def _expect_snapshot(
    told: Story, seen: object, expected: tuple[str, int, bytes], cause: str
) -> None:
    if isinstance(seen, Snapshot):
        parts = (seen.aggregate_type, seen.seq_nr, seen.state)
        types = (str, int, bytes)
        if parts == expected and all(type(p) is t for p, t in zip(parts, types, strict=True)):
            return
    name, number, state = expected
    told.violated(
        expected=f"load({name!r}) gives the snapshot at {number} with the state {_cut(state)}",
        seen=_show_snapshot(seen, state),
        cause=cause,
    )


def _expect_none(told: Story, handle: ToldHandle, name: str) -> None:
    seen = handle.snapshots.load(name)
    if seen is not None:
        told.violated(
            expected=f"load({name!r}) gives None, for nothing was saved under that name",
            seen=_show_snapshot(seen, b""),
            cause="an empty snapshot stands for none, or all types share one",
        )


def _show_snapshot(seen: object, expected: bytes) -> str:
    if not isinstance(seen, Snapshot) or not isinstance(seen.state, bytes):
        return show(seen)
    text = f"the snapshot of {seen.aggregate_type!r} at {seen.seq_nr!r} with {_cut(seen.state)}"
    if seen.state != expected and len(seen.state) > 64:
        pairs = enumerate(zip(seen.state, expected, strict=False))
        first = next((i for i, (a, b) in pairs if a != b), min(len(seen.state), len(expected)))
        text += f", which differs from byte {first} on"
    return text


def _cut(state: bytes) -> str:
    if len(state) <= 64:
        return repr(state)
    return f"{state[:32]!r}… ({len(state)} bytes)"


def _fold(state: bytes, events: Sequence[Event]) -> bytes:
    """Return a state that shows which events went in, how often and in what order."""
    return json.dumps([*json.loads(state), *([e.id, e.seq_nr, e.data] for e in events)]).encode()


def _expect_recovered(told: Story, handle: ToldHandle, events: Sequence[Event]) -> None:
    snapshot = handle.snapshots.load("kind")
    if snapshot is None:
        told.violated(
            expected="load('kind') gives the snapshot that was saved",
            seen="None",
            cause="number 0 is taken for no snapshot",
        )
    rest = handle.events.load_after_seq_nr(snapshot.seq_nr).events
    told.expect_equal(
        json.loads(_fold(snapshot.state, rest)),
        json.loads(_fold(b"[]", events)),
        f"the state from the snapshot at {snapshot.seq_nr} and the {len(rest)} events after it",
        cause="load_after_seq_nr includes the snapshot's own event, or leaves out the next",
    )
