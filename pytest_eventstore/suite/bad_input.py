"""Bad input: refused before anything is written, or plain data."""

from __future__ import annotations

import tempfile
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import TEXT_FIELDS, make_event, smuggle
from pytest_eventstore.lab.generators import HOSTILE_TEXT, hostile_text, is_plain
from pytest_eventstore.lab.roundtrip import round_trip
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.ports import SCHEMA_VERSION, Event

_ESCAPE = "the name goes into a path as it is, or a check of it is fooled"

_NOT_NUMBERS: tuple[Any, ...] = (-1, -(2**63), 1.5, True, "1")
_NOT_JSON: tuple[Any, ...] = (
    object(),
    {1, 2},
    b"bytes",
    (1, 2),
    datetime(2026, 1, 1, tzinfo=UTC),
    Decimal("1.5"),
    1 + 2j,
    {1: "a key that is no string"},
    {None: 1},
)


class BadInputTests:
    """The part *bad input* of the contract."""

    def test_bad_01_a_snapshot_never_leaves_the_location(self, eventstore_lab: Bench) -> None:
        """Whatever the aggregate type, saving is refused or stays inside, and can be loaded."""
        with _watched(eventstore_lab) as (told, watch):
            handle = told.open()
            for n, name in enumerate(watch.names()):
                state = b"state %d" % n
                try:
                    handle.snapshots.save(name, n + 1, state)
                except Exception:
                    watch.check(f"snapshots.save({name[:40]!r}, …)")
                    continue
                watch.check(f"snapshots.save({name[:40]!r}, …)")
                for opened in (handle, told.open("fresh")):
                    snapshot = opened.snapshots.load(name)
                    seen = None if snapshot is None else snapshot.state
                    told.expect_equal(seen, state, "the state loaded", cause=_ESCAPE)

    def test_bad_01_loading_a_snapshot_reads_nothing_outside(self, eventstore_lab: Bench) -> None:
        """A name that points at a file elsewhere does not bring that file's contents in."""
        with _watched(eventstore_lab) as (told, watch):
            handle = told.open()
            for name in watch.names():
                try:
                    snapshot = handle.snapshots.load(name)
                except Exception:
                    continue
                finally:
                    watch.check(f"snapshots.load({name[:40]!r})")
                told.expect_equal(snapshot, None, "the snapshot loaded", cause=_ESCAPE)

    def test_bad_01_an_event_never_leaves_the_location(self, eventstore_lab: Bench) -> None:
        """Whatever the aggregate type, appending is refused or stays inside, and can be loaded."""
        with _watched(eventstore_lab) as (told, watch):
            handle = told.open()
            stored = []
            for n, name in enumerate(watch.names()):
                event = make_event(n, aggregate_type=name, seq_nr=n + 1)
                try:
                    handle.events.append(event)
                except Exception:
                    watch.check(f"append(Event(aggregate_type={name[:40]!r}, …))")
                    continue
                watch.check(f"append(Event(aggregate_type={name[:40]!r}, …))")
                stored.append(event)
            for opened in (handle, told.open("fresh")):
                told.expect_events(opened.events.load_all(), stored, "load_all()", cause=_ESCAPE)

    def test_bad_02_similar_snapshot_names_never_collide(self, eventstore_lab: Bench) -> None:
        """Names that a file system may take for one another keep their own snapshots."""
        cause = "the name is the file's name, and the file system folds or trims it"

        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            examples = iter(range(10**9))

            def check(stem: str) -> None:
                told.diary.clear()
                stem = f"{stem}x{next(examples)}"
                saved = {}
                for n, name in enumerate(_lookalikes(stem), 1):
                    state = f"state of {name!a}".encode()
                    try:
                        handle.snapshots.save(name, n, state)
                    except Exception:
                        continue  # refused names cannot collide
                    saved[name] = state
                if stem.isascii():
                    told.expect_equal(stem in saved, True, f"saving under {stem!r} succeeding")
                for opened in (handle, told.open("fresh")):
                    for name, state in saved.items():
                        snapshot = opened.snapshots.load(name)
                        seen = None if snapshot is None else snapshot.state
                        what = f"the state loaded for {name!r}"
                        told.expect_equal(seen, state, what, cause=cause)

            check("Kind")
            check("caf\u00e9")
            eventstore_lab.for_all(
                check, stem=st.text("aAbBéÉßſKå.", min_size=1, max_size=6), examples=6
            )

    def test_bad_02_similar_names_in_events_stay_apart(self, eventstore_lab: Bench) -> None:
        """Events whose aggregate types look alike all come back as they were."""
        cause = "events are kept by aggregate type, in files or tables whose names fold case"
        with round_trip(eventstore_lab, cause=cause) as trip:
            for stem in ("Kind", "caf\u00e9"):
                names = _lookalikes(stem)
                trip(*(make_event(n, aggregate_type=name) for n, name in enumerate(names)))

    def test_bad_03_strings_are_data(self, eventstore_lab: Bench) -> None:
        """Text with a meaning to some interpreter comes back as it was, in every field."""
        cause = "a string is put into a statement, a pattern, a command or a path unescaped"
        with round_trip(eventstore_lab, cause=cause) as trip:

            def check(field: str, text: str) -> None:
                trip(make_event(1, data={text: [text]}))
                event = make_event(1, **{field: text})
                if is_plain(text):
                    trip(event)
                else:  # quotes may be refused there, but that is all
                    trip.offer(event)

            for text in HOSTILE_TEXT:
                trip(make_event(1, data={text: text}))
                event = make_event(1, **dict.fromkeys(TEXT_FIELDS, text))
                if not trip.offer(event):
                    for field in TEXT_FIELDS:
                        check(field, text)

            eventstore_lab.for_all(
                check, field=st.sampled_from(TEXT_FIELDS), text=hostile_text(), examples=12
            )

    def test_bad_03_snapshot_names_are_data(self, eventstore_lab: Bench) -> None:
        """A name that is also a pattern or a statement finds its own snapshot, or is refused."""
        cause = "the name is used as a pattern, or put into a statement unescaped"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            plain = {name: name.encode() for name in ("a", "ab", "kind")}
            for name, state in plain.items():
                handle.snapshots.save(name, 1, state)
            for text in HOSTILE_TEXT:
                try:
                    found = handle.snapshots.load(text)
                except Exception:
                    continue
                told.expect_equal(found, None, f"the snapshot loaded for {text!r}", cause=cause)
                try:
                    handle.snapshots.save(text, 2, b"its own")
                except Exception:
                    continue
                found = handle.snapshots.load(text)
                seen = None if found is None else found.state
                told.expect_equal(seen, b"its own", f"the state loaded for {text!r}", cause=cause)
            for name, state in plain.items():
                found = told.open("fresh").snapshots.load(name)
                seen = None if found is None else found.state
                told.expect_equal(seen, state, f"the state loaded for {name!r}", cause=cause)

    def test_bad_04_reads_refuse_what_is_no_number(self, eventstore_lab: Bench) -> None:
        """Negative, fractional, boolean and text numbers are refused by `load_after_seq_nr`."""
        cause = "the argument is compared or put into a query without a look at its type"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            handle.events.append(make_event(1, seq_nr=1))
            for number in _NOT_NUMBERS:
                told.expect_raises(
                    lambda n=number: handle.events.load_after_seq_nr(n),  # type: ignore[misc]
                    f"load_after_seq_nr({number!r})",
                    cause=cause,
                )

    def test_bad_04_events_with_no_number_are_refused(self, eventstore_lab: Bench) -> None:
        """So is an event that bypassed its own check and carries such a number."""
        cause = "the store trusts that events were constructed, and does not validate"
        _expect_refused(
            eventstore_lab,
            {
                f"an event of seq_nr {number!r}": smuggle(make_event(2), seq_nr=number)
                for number in _NOT_NUMBERS
            },
            cause,
        )

    def test_bad_04_snapshots_with_no_number_are_refused(self, eventstore_lab: Bench) -> None:
        """So is a snapshot, and the one that is stored stays."""
        cause = "the number is stored, or compared with the old one, as it came"
        with story(eventstore_lab, cause=cause) as told:
            handle = told.open()
            handle.snapshots.save("kind", 0, b"old")
            for number in _NOT_NUMBERS:
                for kind in ("kind", "other"):
                    told.expect_raises(
                        lambda n=number, k=kind: handle.snapshots.save(k, n, b"new"),  # type: ignore[misc]
                        f"snapshots.save({kind!r}, {number!r}, …)",
                        cause=cause,
                    )
            for opened in (handle, told.open("fresh")):
                snapshot = opened.snapshots.load("kind")
                seen = None if snapshot is None else (snapshot.seq_nr, snapshot.state)
                told.expect_equal(seen, (0, b"old"), "the snapshot", cause=cause)
                other = opened.snapshots.load("other")
                told.expect_equal(other, None, "the other snapshot", cause=cause)

    def test_bad_04_the_counter_refuses_what_is_no_number(self, eventstore_lab: Bench) -> None:
        """So does `initialize_at`, and the counter stays where it was."""
        cause = "the argument is compared or stored without a look at its type"
        with story(eventstore_lab, cause=cause) as told:
            allocator = told.open().allocator
            for number in _NOT_NUMBERS:
                told.expect_raises(
                    lambda n=number: allocator.initialize_at(n),  # type: ignore[misc]
                    f"allocator.initialize_at({number!r})",
                    cause=cause,
                )
            told.expect_equal(allocator.alloc_seq_nr(), 1, "alloc_seq_nr()", cause=cause)

    def test_bad_05_data_that_is_not_json_is_refused(self, eventstore_lab: Bench) -> None:
        """Data that came to hold something else is refused, at any depth, before any write."""
        cause = "the encoder turns the value into a near one, or fails when half is written"
        bad: dict[str, Event] = {}
        for value in _NOT_JSON:
            for data in ({"x": value}, {"a": [1, {"b": [value]}]}):
                bad[f"data with {type(value).__name__} {value!r:.30}"] = smuggle(
                    make_event(2, seq_nr=2), data=data
                )
        endless: list[Any] = []
        endless.append(endless)
        bad["data that holds itself"] = smuggle(make_event(2), data={"x": endless})
        _expect_refused(eventstore_lab, bad, cause)

    def test_bad_06_an_invalid_event_is_refused(self, eventstore_lab: Bench) -> None:
        """No id, no type, or a schema version newer than the store knows."""
        cause = "the store trusts that events were constructed, and does not validate"
        event = make_event(2, seq_nr=2)
        bad = {
            "an event without an id": smuggle(event, id=""),
            "an event without a type": smuggle(event, type=""),
            "an event of a newer schema": smuggle(event, schema_version=SCHEMA_VERSION + 1),
        }
        _expect_refused(eventstore_lab, bad, cause)


def _expect_refused(bench: Bench, bad: dict[str, Event], cause: str) -> None:
    """Fail unless each event is refused, alone and in a batch, and leaves nothing behind."""
    with story(bench, cause=cause) as told:
        handle, stored = told.open(), make_event(1, seq_nr=1)
        handle.events.append(stored)
        for what, event in bad.items():
            told.diary.clear()
            for batch in ([event], [make_event(3, seq_nr=3), event]):
                told.expect_raises(
                    lambda b=batch: handle.events.append(*b),  # type: ignore[misc]
                    f"append of {what}",
                    cause=cause,
                )
                _expect_just(told, handle, stored, cause)
        _expect_just(told, told.reopen(), stored, cause)


def _expect_just(told: Story, handle: ToldHandle, stored: Event, cause: str) -> None:
    told.expect_events(handle.events.load_all(), [stored], "load_all()", cause=cause)
    result = handle.events.load_after_seq_nr(0)
    told.expect_events(result, [stored], "load_after_seq_nr(0)", cause=cause)


def _lookalikes(stem: str) -> list[str]:
    """Return different names that some file system or collation takes for one."""
    variants: list[Callable[[str], str]] = [
        str,
        str.upper,
        str.lower,
        str.swapcase,
        lambda s: unicodedata.normalize("NFC", s),
        lambda s: unicodedata.normalize("NFD", s),
        lambda s: f"{s}.",
        lambda s: f"{s} ",
        lambda s: f"{s}. .",
    ]
    return list(dict.fromkeys(variant(stem) for variant in variants))


class _Watch:
    """What is around a location: nothing of it may change.

    Args:
        told: The story of the location.
        elsewhere: A folder that has nothing to do with it.
    """

    def __init__(self, told: Story, elsewhere: Path) -> None:
        self._told = told
        self._elsewhere = elsewhere
        self._token = uuid4().hex[:8]
        self._above = told.path.parent
        for folder in (self._above, elsewhere):
            for name in (f"victim-{self._token}", f"victim-{self._token}.json"):
                (folder / name).write_bytes(b"do not touch")
        self._before = self._tree()

    def names(self) -> Iterator[str]:
        """Give aggregate types that would leave the location, or that break a file's name."""
        token = self._token
        victim = f"victim-{token}"
        yield from (
            f"../{token}",
            f"../{victim}",
            f"../../{token}",
            f"../../{victim}",
            f"a/../../../{token}",
            f"..\\{token}",
            f"./../{token}/x",
            f"{self._elsewhere}/{token}",
            f"{self._elsewhere}/{victim}",
            f"file://{self._elsewhere}/{token}",
            f"~/{token}",
            f"{token}/x",
            f"/{token}",
            f"{token}\x00",
            f"../{token}\x00",
            "\x00",
            "",
            ".",
            "..",
            "/",
            "../",
            "x" * 300,
            "\u00e9" * 300,
            f"../{token}" + "x" * 300,
        )

    def check(self, deed: str) -> None:
        """Fail if anything around the location is not as it was."""
        now = self._tree()
        if now == self._before:
            return
        changed = sorted(
            name
            for name in now.keys() | self._before.keys()
            if now.get(name) != self._before.get(name)
        )
        self._told.violated(
            expected=f"{deed} touches nothing outside the location",
            seen=f"made, changed or removed: {', '.join(changed[:5])}",
            cause=_ESCAPE,
        )

    def clean_up(self) -> None:
        """Remove what an adapter made where no folder of ours is."""
        for path in self._far():
            if path.is_file():
                path.unlink()

    def _tree(self) -> dict[str, bytes | None]:
        inside = self._told.path
        tree: dict[str, bytes | None] = {}
        for folder in (self._above, self._elsewhere):
            for path in folder.rglob("*"):
                if path != inside and inside not in path.parents:
                    tree[str(path)] = path.read_bytes() if path.is_file() else None
        tree |= {str(path): None for path in self._far()}
        return tree

    def _far(self) -> list[Path]:
        folders = {
            self._above.parent,
            self._above.parent.parent,
            Path.cwd(),
            Path.home(),
            Path("/"),
        }
        return [path for folder in folders for path in folder.glob(f"*{self._token}*")]


@contextmanager
def _watched(bench: Bench) -> Iterator[tuple[Story, _Watch]]:
    with story(bench, cause=_ESCAPE) as told, tempfile.TemporaryDirectory() as folder:
        watch = _Watch(told, Path(folder))
        try:
            yield told, watch
        finally:
            watch.clean_up()
