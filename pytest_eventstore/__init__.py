"""A conformance suite for event stores: the ports, the contract, and the proof.

An adapter author needs the names below and one command::

    pytest --eventstore=mypackage.testing:open_ports

Importing this package imports neither pytest nor hypothesis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_eventstore.ports import (
    JSON,
    MAX_SEQ_NR,
    SCHEMA_VERSION,
    SYSTEM_CUTOVER,
    AppendResult,
    ArchiveResult,
    Capabilities,
    ClosedError,
    CorruptionError,
    CutoverResult,
    DuplicateEventError,
    Event,
    EventStore,
    EventStoreError,
    InvalidEventError,
    LoadResult,
    LockTimeoutError,
    Ports,
    Projection,
    Recorder,
    Recovery,
    SeqAllocator,
    SeqNrExhaustedError,
    Snapshot,
    SnapshotStore,
)

if TYPE_CHECKING:
    from pytest_eventstore.suite import EventStoreSuite

__all__ = [
    "JSON",
    "MAX_SEQ_NR",
    "SCHEMA_VERSION",
    "SYSTEM_CUTOVER",
    "AppendResult",
    "ArchiveResult",
    "Capabilities",
    "ClosedError",
    "CorruptionError",
    "CutoverResult",
    "DuplicateEventError",
    "Event",
    "EventStore",
    "EventStoreError",
    "EventStoreSuite",
    "InvalidEventError",
    "LoadResult",
    "LockTimeoutError",
    "Ports",
    "Projection",
    "Recorder",
    "Recovery",
    "SeqAllocator",
    "SeqNrExhaustedError",
    "Snapshot",
    "SnapshotStore",
]


def __getattr__(name: str) -> Any:
    # The suite needs hypothesis, so it is imported only when somebody asks for it.
    if name == "EventStoreSuite":
        from pytest_eventstore.suite import EventStoreSuite

        return EventStoreSuite
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
