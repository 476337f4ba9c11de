"""Faults: power is lost, and with it everything that was not synced."""

from __future__ import annotations

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.faults.verdict import replays, sweep

UNSYNCED = "no fsync before the answer, or a rename before the data of the file is synced"
NAMELESS = "the directory is not synced after a create or rename, or its parent after mkdir"
ROLLED_BACK = "the counter's last commit was not synced, as with SQLite's synchronous=NORMAL"
RETRIED = "an fsync is tried again after it failed: its data is gone, and it says ok"


class PowerLossTests:
    """Requirements on stores that declare durability "power"."""

    @replays("forget")
    def test_cra_03_acknowledged_writes_survive_power_loss(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("power")
        sweep(
            eventstore_lab,
            "forget",
            ("append", "batch", "record", "snapshot", "cutover"),
            states=(16, 120, 0),
            cause=UNSYNCED,
        )

    @replays("forget")
    def test_cra_06_names_survive_power_loss(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("power")
        sweep(
            eventstore_lab,
            "forget",
            ("append", "first-snapshot", "snapshot"),
            states=(16, 80, 0),
            names_only=True,
            cause=NAMELESS,
        )

    @replays("forget")
    def test_seq_03_no_number_twice_after_power_loss(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("power")
        sweep(
            eventstore_lab,
            "forget",
            ("allocate", "record"),
            clauses=("numbers",),
            states=(20, 100, 0),
            cause=ROLLED_BACK,
        )

    @replays("lostsync")
    def test_cra_05_failed_sync_is_never_made_good(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("power")
        sweep(
            eventstore_lab,
            "lostsync",
            ("append", "record", "snapshot", "allocate"),
            points=(2, 7, 0),
            states=(6, 14, 0),
            cause=RETRIED,
        )

    @replays("forget")
    def test_arc_01_power_lost_while_archiving(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("power")
        sweep(
            eventstore_lab,
            "forget",
            ("archive",),
            states=(16, 120, 0),
            cause="events leave the log before the archive is synced",
        )
