"""What a fresh process finds on a location, and whether the store goes on from there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import Answer, map_isolated
from pytest_eventstore.lab.faults.scenarios import DAY, KIND, Scenario, brief
from pytest_eventstore.lab.handles import Handle, open_handle
from pytest_eventstore.lab.operations import Draft, Operation, Runner, SeenSnapshot
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.ports import Event
from pytest_eventstore.targets import Factory

PROBE_SAVE = op.save(KIND, 1000, "probe", 32)
PROBE_APPEND = op.append(Draft("probe-appended", at=2 * DAY + 5, size=24))
PROBE_RECORD = op.record("s1", Draft("probe-recorded", at=2 * DAY + 6, size=24))

PATIENCE = 20.0
"""How long a process may take to open, read and use a store of a handful of events."""


@dataclass(frozen=True)
class Reading:
    """What one handle reads; `error` says which call raised what."""

    error: str = ""
    events: tuple[Event, ...] = ()
    numbered: tuple[Event, ...] = ()
    latest: int = 0
    corrupt: int = 0
    snapshot: SeenSnapshot | None = None
    snapshot_error: str = ""


@dataclass(frozen=True)
class Probe:
    """An operation made on what was found: it has to work."""

    operation: Operation
    result: Any = None
    error: str = ""


@dataclass(frozen=True)
class Observation:
    """What was there, what the next operations gave, what was there then.

    `error` is what kept the store from being opened at all.
    """

    error: str = ""
    before: Reading = field(default_factory=Reading)
    probes: tuple[Probe, ...] = ()
    after: Reading = field(default_factory=Reading)
    after_error: str = ""
    hangs: bool = False


def observe(factory: Factory, path: Path, scenario: Scenario) -> Observation:
    """Open, read and use a location in a process of its own; it is changed by that."""
    (answer,) = map_isolated(lambda _: _observe(factory, path, scenario), [None], timeout=PATIENCE)
    return _observation(answer)


def observe_all(
    factory: Factory, path: Path, scenario: Scenario, images: Sequence[Image]
) -> Iterator[Observation]:
    """Put and observe images one after the other in one process; stop where one hangs."""

    def look(image: Image) -> Observation:
        image.put(path)
        return _observe(factory, path, scenario)

    for answer in map_isolated(look, images, timeout=PATIENCE):
        yield _observation(answer)
        if answer.kind == "hung":
            return


def _observation(answer: Answer) -> Observation:
    if answer.kind == "hung":
        return Observation(error=f"opening, reading and using it hangs: {answer.value}", hangs=True)
    if answer.kind == "died":
        return Observation(error=f"the process that opened it died: {answer.value}")
    if answer.kind == "raised":
        return Observation(error=f"opening it raised {answer.value}")
    found: Observation = answer.result()
    return found


def _observe(factory: Factory, path: Path, scenario: Scenario) -> Observation:
    try:
        handle = open_handle(factory, path)
    except Exception as error:
        return Observation(error=f"opening it raised {brief(error)}")
    before = read(handle, scenario)
    if before.error:
        return Observation(before=before)
    runner = Runner(handle)
    probes = [p for o in probe_operations(scenario) if (p := _probe(runner, o)) is not None]
    try:
        handle.close()
        handle = open_handle(factory, path)
    except Exception as error:
        return Observation("", before, tuple(probes), after_error=brief(error))
    after = read(handle, scenario)
    handle.close()
    return Observation("", before, tuple(probes), after)


def probe_operations(scenario: Scenario) -> Sequence[Operation]:
    """Return what is tried on what was found."""
    again = [o for o in scenario.operations if o.name in ("cutover", "archive")]
    probes = [o for o in again for _ in range(2)]
    if scenario.uses("allocate", "record", "cutover"):
        probes.append(op.allocate())
    if scenario.uses("save", "archive") and not scenario.uses("cutover"):
        probes.append(PROBE_SAVE)
    if scenario.uses("record", "allocate", "cutover"):
        probes.append(PROBE_RECORD)
    return [*probes, PROBE_APPEND]


def _probe(runner: Runner, operation: Operation) -> Probe | None:
    try:
        result = runner.run(operation)
    except NotOffered:
        return None
    except Exception as error:
        return Probe(operation, error=brief(error))
    return Probe(operation, result)


def read(handle: Handle, scenario: Scenario) -> Reading:
    """Read everything through one handle."""
    called = "load_all"
    try:
        loaded = handle.events.load_all()
        called = "load_after_seq_nr"
        numbered = handle.events.load_after_seq_nr(0)
        called = "latest_seq_nr"
        latest = handle.events.latest_seq_nr()
    except Exception as error:
        return Reading(error=f"{called} raised {brief(error)}")
    snapshot, snapshot_error = None, ""
    if scenario.uses("save", "cutover", "archive"):
        try:
            snapshot = op.run_operation(handle, op.load_snapshot(KIND))
        except NotOffered:
            pass
        except Exception as error:
            snapshot_error = brief(error)
    return Reading(
        "",
        tuple(loaded.events),
        tuple(numbered.events),
        latest,
        loaded.corrupt_line_count,
        snapshot,
        snapshot_error,
    )
