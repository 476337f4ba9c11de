"""What the mutants of event stores are built from: a store that passes every call on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from eventstore_reference import memory
from pytest_eventstore.ports import JSON, AppendResult, Event, LoadResult, Ports


class Store:
    """The in-memory store; a mutant overrides what it does wrong.

    Attributes:
        shared: What all handles on the location have in common.
    """

    def __init__(self, inner: Any, location: Path) -> None:
        self.inner = inner
        self.location = location
        self.shared: dict[str, Any] = vars(inner._location).setdefault("shared", {})

    def append(self, *events: Event) -> AppendResult:
        return self.inner.append(*events)  # type: ignore[no-any-return]

    def load_all(self) -> LoadResult:
        return self.inner.load_all()  # type: ignore[no-any-return]

    def load_since(self, after: datetime) -> LoadResult:
        return self.inner.load_since(after)  # type: ignore[no-any-return]

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        return self.inner.load_after_seq_nr(after_seq_nr)  # type: ignore[no-any-return]

    def latest_seq_nr(self) -> int:
        return self.inner.latest_seq_nr()  # type: ignore[no-any-return]

    def close(self) -> None:
        self.inner.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class ChangingStore(Store):
    """Changes every event before it is stored."""

    def append(self, *events: Event) -> AppendResult:
        return super().append(*map(self.change, events))

    def change(self, event: Event) -> Event:
        return event


class FilteringStore(Store):
    """Changes what every load gives."""

    def load_all(self) -> LoadResult:
        return result(self.select(super().load_all().events))

    def load_since(self, after: datetime) -> LoadResult:
        return result(self.select(super().load_since(after).events))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        return result(self.select(super().load_after_seq_nr(after_seq_nr).events))

    def select(self, events: Sequence[Event]) -> Sequence[Event]:
        return events


def result(events: Sequence[Event]) -> LoadResult:
    """Return a load's result."""
    return LoadResult(events=list(events))


def with_store(store: Callable[[Any, Path], Any], location: Path) -> Ports:
    """Return the in-memory adapter's ports with a store of another kind around its own."""
    ports = memory.open_ports(location)
    ports.event_store = store(ports.event_store, location)
    return ports


def change(event: Event, **fields: Any) -> Event:
    """Return the event with fields replaced, unless it is one that the suite smuggled."""
    try:
        event.validate()
    except ValueError:
        return event
    return dataclasses.replace(event, **fields)


def map_text(data: JSON, each: Callable[[str], str]) -> JSON:
    """Return data with every string and key changed."""
    return map_leaves(data, lambda leaf: each(leaf) if isinstance(leaf, str) else leaf, each)


def map_leaves(
    data: JSON, each: Callable[[Any], Any], each_key: Callable[[str], str] = lambda key: key
) -> JSON:
    """Return data with every value that is no container changed."""
    if isinstance(data, dict):
        return {each_key(key): map_leaves(value, each, each_key) for key, value in data.items()}
    if isinstance(data, list):
        return [map_leaves(value, each, each_key) for value in data]
    return each(data)  # type: ignore[no-any-return]
