"""Stores of which it is known what a kill, a torn write or a loss of power does to them."""

from __future__ import annotations

from pathlib import Path

from mutants.storage import FileSnapshots, LineLog, SqliteCounter, ports
from pytest_eventstore.ports import Ports


def write_and_rename(location: Path) -> Ports:
    """Not synced at all."""
    store = FileSnapshots(location, sync_file=False, sync_names=False)
    return ports(location, snapshots=store)


def file_synced(location: Path) -> Ports:
    """The rename may be undone."""
    return ports(location, snapshots=FileSnapshots(location, sync_names=False))


def directory_synced(location: Path) -> Ports:
    """The rename may be done, and the data not be there."""
    return ports(location, snapshots=FileSnapshots(location, sync_file=False))


def both_synced(location: Path) -> Ports:
    """As it should be."""
    return ports(location, snapshots=FileSnapshots(location))


def in_place(location: Path) -> Ports:
    """Overwritten: for a while it is neither old nor new."""
    return ports(location, snapshots=FileSnapshots(location, how="in place"))


def unlink_and_rename(location: Path) -> Ports:
    """For a while there is none."""
    return ports(location, snapshots=FileSnapshots(location, how="unlink first"))


def naive_log(location: Path) -> Ports:
    """A torn line is an error for ever."""
    return ports(location, log=LineLog(location / "log", tail="raise"))


def tolerant_log(location: Path) -> Ports:
    """A torn line is skipped, and the next one is written onto its end."""
    return ports(location, log=LineLog(location / "log", tail="skip"))


def repairing_log(location: Path) -> Ports:
    """A torn line is cut off before the next one is written."""
    return ports(location, log=LineLog(location / "log"))


def _counter(location: Path, journal: str, synchronous: str) -> Ports:
    counter = SqliteCounter(location / "seq.db", journal=journal, synchronous=synchronous)
    return ports(location, counter=counter)


def wal_full(location: Path) -> Ports:
    return _counter(location, "WAL", "FULL")


def wal_normal(location: Path) -> Ports:
    return _counter(location, "WAL", "NORMAL")


def wal_off(location: Path) -> Ports:
    return _counter(location, "WAL", "OFF")


def delete_full(location: Path) -> Ports:
    return _counter(location, "DELETE", "FULL")


def delete_extra(location: Path) -> Ports:
    return _counter(location, "DELETE", "EXTRA")


def truncate_full(location: Path) -> Ports:
    return _counter(location, "TRUNCATE", "FULL")


def persist_full(location: Path) -> Ports:
    return _counter(location, "PERSIST", "FULL")
