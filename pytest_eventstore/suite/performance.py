"""Performance: what a call costs follows what it does, not how long the history is."""

from __future__ import annotations

import json
from itertools import count

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.costs import Histories, histories, timed, timed_in_new_process
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.ports import Event

KIND = "tally"
BACK = 10
"""How many events come after the snapshot, or after the position read from."""

SCANS = "the whole log is read, or an index that only lives in memory is built anew"


class PerformanceTests:
    """Requirements on cost; each is measured as a ratio, on two histories in turn."""

    def test_per_01_append_at_a_long_history(self, eventstore_lab: Bench) -> None:
        with histories(eventstore_lab) as past:
            stores = [location.open().events for location in past.locations]
            number = count(max(past.heads) + 1)

            def append(which: int) -> float:
                n = next(number)
                return timed(lambda: stores[which].append(make_event(n, seq_nr=n)))

            past.expect_flat(
                "an append", append, 50, cause="the log is read for doubles or for the last number"
            )

    def test_per_02_reading_after_a_number(self, eventstore_lab: Bench) -> None:
        with histories(eventstore_lab) as past:
            stores = [location.open().events for location in past.locations]

            def read(which: int) -> float:
                return timed(lambda: stores[which].load_after_seq_nr(past.heads[which] - BACK))

            past.expect_flat(f"reading the last {BACK} events", read, 50, cause=SCANS)

    def test_per_02_reading_after_a_number_from_a_new_handle(self, eventstore_lab: Bench) -> None:
        with histories(eventstore_lab) as past:

            def open_and_read(which: int) -> float:
                handles = []

                def call() -> None:
                    handles.append(past.locations[which].open())
                    handles[0].events.load_after_seq_nr(past.heads[which] - BACK)

                seconds = timed(call)
                handles[0].close()
                return seconds

            past.expect_flat(
                f"opening and reading the last {BACK} events", open_and_read, 25, cause=SCANS
            )

    def test_per_02_reading_after_a_number_in_a_new_process(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_processes()
        with histories(eventstore_lab) as past:

            def read_elsewhere(which: int) -> float:
                return timed_in_new_process(
                    eventstore_lab.target.reference,
                    past.locations[which].path,
                    past.heads[which] - BACK,
                )

            what = f"opening and reading the last {BACK} events in a new process"
            past.expect_flat(what, read_elsewhere, 5, cause=SCANS)

    def test_per_02_recovery_from_a_snapshot(self, eventstore_lab: Bench) -> None:
        with histories(eventstore_lab) as past:
            handles = [location.open() for location in past.locations]
            for handle, head in zip(handles, past.heads, strict=True):
                handle.snapshots.save(KIND, head - BACK, _Tally(head - BACK).serialize())

            def recover(which: int) -> float:
                tally = _Tally()
                seconds = timed(lambda: handles[which].recover(tally, KIND))
                _check(tally, past, which)
                return seconds

            past.expect_flat(
                f"recovery from a snapshot {BACK} events back", recover, 30, cause=SCANS
            )

    def test_per_03_latest_seq_nr_at_a_long_history(self, eventstore_lab: Bench) -> None:
        with histories(eventstore_lab) as past:
            stores = [location.open().events for location in past.locations]

            def ask(which: int) -> float:
                return timed(stores[which].latest_seq_nr)

            past.expect_flat(
                "latest_seq_nr()", ask, 100, cause="a maximum over all events, without an index"
            )


class _Tally:
    """A projection whose state is of one size, however many events went into it."""

    version = 1

    def __init__(self, total: int = 0) -> None:
        self.total = total

    def apply(self, event: Event) -> None:
        """Count the event."""
        self.total += 1 if event.seq_nr else 0

    def serialize(self) -> bytes:
        """Return the count."""
        return json.dumps(self.total).encode()

    def deserialize(self, state: bytes) -> None:
        """Take the count."""
        self.total = int(json.loads(state))


def _check(tally: _Tally, past: Histories, which: int) -> None:
    """A recovery that is quick and wrong proves nothing; SNP-07 says what is wrong with it."""
    if tally.total != past.heads[which]:
        raise AssertionError(f"recovered {tally.total} events of {past.heads[which]}")
