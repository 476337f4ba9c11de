"""The recorder: every event stamped, and linked to the one before it in its session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.expect import event_difference, show
from pytest_eventstore.lab.generators import batches, events
from pytest_eventstore.lab.readers import now_and_reopened
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.outcomes import inconclusive
from pytest_eventstore.ports import Event, Recorder

STRAY_NUMBER = 987_654
"""The number that events carry before they are recorded."""

FROM_MEMORY = "the last id is kept in memory, or is the last of the store and not of the session"

Turn: TypeAlias = tuple[str, str]
"""What is done, and for which session."""

EVENTS = batches(
    events(
        session_id=st.just("stray session"),
        correlation_id=st.just("stray correlation"),
        causation_id=st.just(""),
        seq_nr=st.just(STRAY_NUMBER),
    ),
    max_size=4,
)

TURNS = st.lists(
    st.tuples(
        st.sampled_from(["record", "record", "record", "move", "reopen"]),
        st.sampled_from(["s", "t", "s t"]),
    ),
    max_size=12,
)


class RecorderTests:
    """Requirements on `Ports.recorder`, one call at a time."""

    def test_rec_01_each_names_the_one_before(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            handle = told.open()
            recorder = handle.recorder("s")
            for n in range(1, 5):
                recorder.record(make_event(n))
            for reader in now_and_reopened(told, handle):
                _expect_chain(told, reader, "s", ["e1", "e2", "e3", "e4"])

    def test_rec_01_any_events_are_stamped_and_linked(self, eventstore_lab: Bench) -> None:
        def check(given: list[Event]) -> None:
            with story(eventstore_lab) as told:
                handle = told.open()
                recorder = handle.recorder("s")
                for event in given:
                    recorder.record(event)
                for reader in now_and_reopened(told, handle):
                    _expect_chain(told, reader, "s", [event.id for event in given])
                    _expect_stamps(told, reader, given)

        eventstore_lab.for_all(check, given=EVENTS, examples=10)

    def test_rec_02_goes_on_after_reopening(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            told.open().recorder("s").record(make_event(1))
            told.reopen().recorder("s").record(make_event(2))
            told.open("B").recorder("s").record(make_event(3))
            _expect_chain(told, told.reopen(), "s", ["e1", "e2", "e3"], cause=FROM_MEMORY)

    def test_rec_02_a_clock_that_goes_back_does_not_matter(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab, cause="the last event is looked for by time") as told:
            for n in (300_000, 200_000, 100_000):
                told.reopen().recorder("s").record(make_event(n))
            ids = ["e300000", "e200000", "e100000"]
            _expect_chain(
                told, told.open(), "s", ids, cause="the last event is looked for by its time"
            )

    def test_rec_02_sessions_with_similar_ids_do_not_link(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            sessions = _Sessions(told)
            for session in ("s", "s t", "s", "S", "t", "s", "s t", "t", "S"):
                sessions.take("record", session)
            for session, ids in sessions.recorded.items():
                _expect_chain(told, told.open(), session, ids, cause=FROM_MEMORY)

    def test_rec_02_sessions_in_any_order_do_not_link(self, eventstore_lab: Bench) -> None:
        def check(turns: list[Turn]) -> None:
            with story(eventstore_lab) as told:
                sessions = _Sessions(told)
                for what, session in turns:
                    sessions.take(what, session)
                for session, ids in sessions.recorded.items():
                    _expect_chain(told, told.open(), session, ids, cause=FROM_MEMORY)

        eventstore_lab.for_all(check, turns=TURNS, examples=10)

    def test_rec_03_a_refused_event_leaves_the_chain(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            handle = told.open()
            recorder = handle.recorder("s")
            refused = _refused(recorder, _not_json(10))
            recorder.record(make_event(1))
            refused += _refused(recorder, _not_json(11))
            recorder.record(make_event(2))
            recorder.record(make_event(3))
            _expect_refused(refused)
            for reader in now_and_reopened(told, handle):
                _expect_chain(
                    told,
                    reader,
                    "s",
                    ["e1", "e2", "e3"],
                    cause="the chain moved on before the append",
                )

    def test_rec_03_a_doubled_id_leaves_the_chain(self, eventstore_lab: Bench) -> None:
        with story(eventstore_lab) as told:
            handle = told.open()
            handle.events.append(make_event(10), make_event(11))
            recorder = handle.recorder("s")
            refused = _refused(recorder, make_event(10, data="other"))
            recorder.record(make_event(1))
            refused += _refused(recorder, make_event(11, data="other"))
            recorder.record(make_event(2))
            told.open("B").recorder("t").record(make_event(3))
            _expect_refused(refused)
            for reader in now_and_reopened(told, handle):
                _expect_chain(
                    told, reader, "s", ["e1", "e2"], cause="the chain moved on before the append"
                )
                _expect_chain(
                    told, reader, "t", ["e3"], cause="a lock or transaction outlived the error"
                )

    def test_rec_05_a_cause_that_was_set_is_kept(self, eventstore_lab: Bench) -> None:
        def check(causes: list[str]) -> None:
            with story(eventstore_lab) as told:
                handle = told.open()
                recorder = handle.recorder("s")
                expected, before = {}, ""
                for n, cause in enumerate(causes):
                    recorder.record(make_event(n, causation_id=cause))
                    expected[f"e{n}"] = cause or before
                    before = f"e{n}"
                for reader in now_and_reopened(told, handle):
                    _expect_causes(
                        told, reader, expected, "a cause is stamped whether or not there is one"
                    )

        causes = st.lists(st.sampled_from(["", "command-7", "e0"]), min_size=1, max_size=5)
        eventstore_lab.for_all(check, causes=causes, examples=8)

    def test_rec_06_the_stored_event_is_returned(self, eventstore_lab: Bench) -> None:
        def check(given: list[Event]) -> None:
            with story(eventstore_lab) as told:
                recorder = told.open().recorder("s")
                returned = [recorder.record(event) for event in given]
                stored = _stored(told.reopen())
                for event in returned:
                    _expect_same(told, event, stored)

        eventstore_lab.for_all(check, given=EVENTS, examples=8)

    def test_rec_06_the_callers_event_is_not_changed(self, eventstore_lab: Bench) -> None:
        def check(given: list[Event]) -> None:
            with story(eventstore_lab) as told:
                recorder = told.open().recorder("s")
                for event in given:
                    before = Event.from_json_line(event.to_json_line())
                    recorder.record(event)
                    if (difference := event_difference(before, event)) is not None:
                        told.violated(
                            expected=f"the caller's event stays {show(before)}",
                            seen=difference,
                            cause="the recorder writes into the event or its data",
                        )

        eventstore_lab.for_all(check, given=EVENTS, examples=8)


class _Sessions:
    """Sessions that take turns, each on one of two handles at a time."""

    def __init__(self, told: Story) -> None:
        self.recorded: dict[str, list[str]] = {}
        self._story = told
        self._handles = [told.open("A"), told.open("B")]
        self._recorders: dict[str, Recorder] = {}
        self._count = 0

    def take(self, what: str, session: str) -> None:
        """Take one turn."""
        self._count += 1
        if what == "reopen":
            self._handles = [self._story.reopen("A"), self._story.open("B")]
            self._recorders.clear()
        elif what == "move" or session not in self._recorders:
            self._recorders[session] = self._handles[self._count % 2].recorder(session)
        if what == "record":
            self._recorders[session].record(make_event(self._count))
            self.recorded.setdefault(session, []).append(f"e{self._count}")


def _not_json(n: int) -> Event:
    event = make_event(n, data={"members": []})
    assert isinstance(event.data, dict)
    event.data["members"] = {1, 2}  # type: ignore[assignment]  # what validation must find
    return event


def _refused(recorder: Recorder, event: Event) -> int:
    try:
        recorder.record(event)
    except Exception:
        return 1
    return 0


def _expect_refused(count: int) -> None:
    if count != 2:
        # That is the subject of BAD-05 and APP-06, and nothing is known about this one then.
        inconclusive(f"of 2 events that a store should refuse the adapter refused {count}")


def _stored(reader: ToldHandle) -> dict[str, Event]:
    return {event.id: event for event in reader.events.load_all().events}


def _expect_chain(
    told: Story,
    reader: ToldHandle,
    session: str,
    ids: Sequence[str],
    *,
    cause: str = "the cause that is named is not the session's last event",
) -> None:
    causes = dict(zip(ids, ["", *ids], strict=False))
    seen = _expect_causes(told, reader, causes, cause)
    strangers = [e.id for e in seen.values() if e.session_id == session and e.id not in causes]
    if strangers:
        told.violated(
            expected=f"the events of session {session!r} are {show(list(ids))}",
            seen=f"{show(strangers)} too",
            cause="an event that was refused is stored, or another session's is stamped with it",
        )


def _expect_causes(
    told: Story, reader: ToldHandle, causes: dict[str, str], cause: str
) -> dict[str, Event]:
    seen = _stored(reader)
    for event_id, causation_id in causes.items():
        if event_id not in seen:
            told.violated(
                expected=f"{show(event_id)} was recorded and is stored",
                seen=f"load_all() gives {show(list(seen))}",
                cause="an append after a failed one is lost",
            )
        if seen[event_id].causation_id != causation_id:
            told.violated(
                expected=f"the stored {show(event_id)} has the causation id {causation_id!r}",
                seen=repr(seen[event_id].causation_id),
                cause=cause,
            )
    return seen


def _expect_stamps(told: Story, reader: ToldHandle, given: Sequence[Event]) -> None:
    stored = _stored(reader)
    for before in given:
        event = stored[before.id]
        told.expect_equal(
            event.session_id,
            "s",
            f"the session id of {show(event.id)}",
            cause="the session id that the caller's event carried is stored, or none",
        )
        if event.correlation_id in ("", before.correlation_id):
            told.violated(
                expected=f"{show(event.id)} is stamped with a correlation id of the session",
                seen=repr(event.correlation_id),
                cause="the caller's correlation id, or none, is stored",
            )
        if event.seq_nr == before.seq_nr:
            told.violated(
                expected=f"{show(event.id)} is stored with a number of the recorder's",
                seen=f"{event.seq_nr}, which the caller's event carried",
                cause="the caller's number is stored",
            )


def _expect_same(told: Story, returned: object, stored: dict[str, Event]) -> None:
    kept = stored.get(getattr(returned, "id", ""))
    if kept is None:
        told.violated(
            expected="record returns the stored event",
            seen=show(returned),
            cause="it returns something else, or nothing",
        )
    if (difference := event_difference(kept, returned)) is not None:
        told.violated(
            expected=f"record returns the event as stored, {show(kept)}",
            seen=difference,
            cause="the argument is returned, or a copy from before the stamping",
        )
