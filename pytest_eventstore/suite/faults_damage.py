"""Faults: what lies still on the disk is damaged, or a part of it is lost."""

from __future__ import annotations

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.faults.verdict import replays, sweep

UNCHECKED = "what is read is not held against a checksum"
PARTIAL = "an error of the snapshot or the archive is taken for there being none"
ANEW = "the counter is trusted without a look at the log"


class DamageTests:
    """Requirements on what a store makes of damaged files."""

    @replays("damage")
    def test_snp_06_damaged_snapshot_is_never_returned(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "damage",
            ("snapshot",),
            points=(5, 18, 100),
            cause="no checksum, or one that leaves out the number",
        )

    @replays("damage")
    def test_snp_09_recovery_never_goes_on_from_damage(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(
            eventstore_lab,
            "damage",
            ("recovery", "archived", "archive"),
            points=(2, 8, 60),
            cause=PARTIAL,
        )

    @replays("damage")
    def test_cra_04_damaged_log_is_counted_or_raised(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "damage", ("log",), points=(4, 16, 100), cause=UNCHECKED)

    @replays("counter")
    def test_seq_03_lost_counter_starts_above_the_store(self, eventstore_lab: Bench) -> None:
        eventstore_lab.need_durability("process")
        sweep(eventstore_lab, "counter", ("records", "cutover"), cause=ANEW)
