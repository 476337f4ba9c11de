"""What is known of simple stores, the sweeps find out: neither more nor less."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.tracer import shared_helper, why_not
from pytest_eventstore.targets import TargetReference

pytestmark = pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}")

SNAPSHOTS = {
    # store: caught by kill, caught by forget, and what forget finds
    "write_and_rename": (False, True, "is damaged"),
    "file_synced": (False, True, "snapshot 'first' of number 1"),
    "directory_synced": (False, True, "is damaged"),
    "both_synced": (False, False, ""),
    "in_place": (True, True, "is damaged"),
    "unlink_and_rename": (True, True, "no snapshot"),
}
LOGS = {
    "naive_log": "load_all raised CorruptionError",
    "tolerant_log": "missing: probe-appended",
    "repairing_log": "",
}
COUNTERS = {
    "wal_full": False,
    "wal_normal": True,
    "wal_off": True,
    "delete_full": True,
    "delete_extra": False,
    "truncate_full": False,
    "persist_full": False,
}


def swept(verb: str, store: str, scenario: str, settings: Settings | None = None) -> Report:
    reference = TargetReference(f"mutants.known_truths:{store}", tuple(sys.path))
    function = f"pytest_eventstore.lab.faults.{verb}:sweep"
    report: Report = shared_helper().call(function, reference, scenario, settings or Settings())
    assert report.doubts == []
    assert report.not_offered == ""
    assert sum(report.figures.values()) > 0
    return report


def seen(report: Report) -> Iterator[str]:
    return (found.problem.seen for found in report.found)


@pytest.mark.parametrize("store", SNAPSHOTS)
def test_a_snapshot_under_kill(store: str) -> None:
    caught, _, _ = SNAPSHOTS[store]

    assert bool(swept("kill", store, "snapshot").found) == caught


@pytest.mark.parametrize("store", SNAPSHOTS)
def test_a_snapshot_after_power_loss(store: str) -> None:
    _, caught, what = SNAPSHOTS[store]
    report = swept("forget", store, "snapshot")

    assert bool(report.found) == caught
    assert not caught or any(what in text for text in seen(report)), list(seen(report))


def test_a_lost_rename_is_told_apart_from_a_torn_file() -> None:
    names_only = Settings(names_only=True)

    assert swept("forget", "file_synced", "snapshot", names_only).found
    assert not swept("forget", "directory_synced", "snapshot", names_only).found


@pytest.mark.parametrize("store", LOGS)
def test_a_log_passes_kill(store: str) -> None:
    assert not swept("kill", store, "append").found


@pytest.mark.parametrize("store", LOGS)
def test_a_log_under_torn_writes(store: str) -> None:
    report = swept("tear", store, "append")

    assert bool(report.found) == bool(LOGS[store])
    assert all(LOGS[store] in text for text in seen(report)), list(seen(report))


@pytest.mark.parametrize("store", COUNTERS)
def test_a_counter_after_power_loss(store: str) -> None:
    report = swept("forget", store, "allocate", Settings(states=0))

    assert bool(report.found) == COUNTERS[store]
    assert not report.found or any(f.problem.clause == "numbers" for f in report.found)


@pytest.mark.parametrize("store", ["wal_full", "wal_off", "delete_full"])
def test_a_counter_passes_kill(store: str) -> None:
    assert not swept("kill", store, "allocate", Settings(points=20)).found


def test_the_journal_that_comes_back_is_named() -> None:
    found = swept("forget", "delete_full", "allocate").found[0]

    assert any("unlink seq.db-journal" in line and "LOST" in line for line in found.history)
    assert "seq.db-journal" in found.disk["files"]


def test_what_is_found_does_not_change_from_run_to_run() -> None:
    def tokens() -> list[str]:
        drawn = Settings(states=40, seed=7)
        return [f.token for f in swept("forget", "wal_normal", "allocate", drawn).found]

    first = tokens()

    assert first
    assert all(tokens() == first for _ in range(2))


def test_a_token_brings_one_disk_back_and_keeps_it() -> None:
    import pathlib
    import shutil

    found = swept("forget", "file_synced", "snapshot").found[0]
    again = swept("forget", "file_synced", "snapshot", Settings(only=found.token.split(":", 2)[2]))
    kept = pathlib.Path(again.kept)

    assert [f.token for f in again.found if f.problem == found.problem] == [found.token]
    assert sorted(found.disk["files"]) == sorted(p.name for p in kept.iterdir())
    shutil.rmtree(kept)
