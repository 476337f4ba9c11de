"""Stores of any size, made quickly: batches, most of a day's events in one file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from eventstore_reference import FileEventStore
from eventstore_reference.lines import frame
from pytest_eventstore.ports import Event

START = datetime(2026, 1, 1, tzinfo=UTC)
PER_DAY = 20_000


def event(number: int) -> Event:
    return Event(
        id=f"0192f0c1-7d5e-7000-8000-{number:012}",
        type="order.placed",
        timestamp=START + timedelta(days=number // PER_DAY, seconds=number % PER_DAY),
        data={"order": number, "total": number % 997},
        session_id=f"session-{number // 1000}",
        correlation_id=f"session-{number // 1000}",
        seq_nr=number,
    )


def fill(location: Path, events: int) -> None:
    """Write the log as recorders would have, without waiting for the disk each time."""
    folder = location / "events"
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while number <= events:
        day = number // PER_DAY
        last = min(events, (day + 1) * PER_DAY - 1)
        name = (START + timedelta(days=day)).date().isoformat()
        with open(folder / f"{name}.jsonl", "wb") as log:
            log.writelines(frame([event(n).to_json_line()])[0] for n in range(number, last + 1))
        number = last + 1


def index(location: Path) -> None:
    """Have the index made, which the first reader does."""
    store = FileEventStore(location)
    store.latest_seq_nr()
    store.close()
