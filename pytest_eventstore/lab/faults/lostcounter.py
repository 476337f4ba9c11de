"""The counter's own files are taken away: numbers then start above the store's highest."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.faults.deposit import step
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import ChildDiedError, ChildError, call_isolated
from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import KIND, Progress, one
from pytest_eventstore.lab.faults.staging import (
    Source,
    StageError,
    check,
    factory_of,
    keep,
    perform_and_tell,
    scratch,
)
from pytest_eventstore.lab.handles import Handle, fresh_location
from pytest_eventstore.lab.operations import Draft, Operation
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.targets import Factory

_RECORDS = tuple(op.record("s1", Draft(f"r{n}", size=24)) for n in range(1, 4))
_WAYS: dict[str, tuple[tuple[Operation, ...], tuple[Operation, ...]]] = {
    "records": (_RECORDS, (op.record("s1", Draft("next", size=24)),)),
    "cutover": (
        (one("old-1"), op.cutover(KIND), *_RECORDS),
        (op.cutover(KIND), op.record("s2", Draft("next", size=24))),
    ),
}
"""What is done before the loss, and after it; the last step gives the number."""


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Find the counter's files by what an allocation changes, remove them, and record on."""
    report = Report()
    factory = factory_of(source)
    with ExitStack() as stack:
        path = stack.enter_context(fresh_location(factory, base=scratch())).path
        try:
            _lose(factory, path, name, settings, report)
        except StageError as error:
            report.doubts.append(str(error))
        except NotOffered as missing:
            report.not_offered = str(missing).removeprefix("not offered: ")
    return report


def _lose(factory: Factory, path: Path, name: str, settings: Settings, report: Report) -> None:
    before, after = _WAYS[name]
    done = _run(factory, path, before)
    check(done, name)
    counter = _counter_files(factory, path)
    start = Image.of(path)
    for file in counter:
        start = start.with_file(file, None)
    recorded = {t.result[1]: t.result[0] for t in done.steps if t.operation.name == "record"}
    start.put(path)
    if not counter or not _reads(factory, path, set(recorded)):
        report.not_offered = "its counter has no storage of its own that could be lost"
        return
    report.figures["counters lost"] += 1
    start.put(path)
    if settings.only:
        report.kept = str(keep(start))
    found = _run(factory, path, after).steps[-1]
    if found.phase != "done":
        return  # refused, so nothing was handed out twice
    number, highest = found.result[0], max(recorded.values())
    if number <= highest:
        report.add(
            [
                Problem(
                    "numbers",
                    f"a number above {highest}, the highest in the store",
                    f"{found.operation} got {number}",
                )
            ],
            settings,
            f"counter:{name}:lost",
            [*map(str, done.steps), f"lost: {', '.join(sorted(counter))}", str(found)],
            {"files": start.describe()},
        )


def _run(factory: Factory, path: Path, steps: tuple[Operation, ...]) -> Progress:
    try:
        progress: Progress = call_isolated(perform_and_tell, factory, path, steps)
    except (ChildError, ChildDiedError) as error:
        raise StageError(f"recording a few events fails: {error}") from error
    return progress


def _counter_files(factory: Factory, path: Path) -> set[str]:
    """What an allocation changes, and neither an append nor looking on."""
    changes = []
    for act in (_look, _look, _allocate, partial(_append, "a1"), partial(_append, "a2")):
        image = Image.of(path)
        step(factory, path, act)
        changes.append(image.changed_files(Image.of(path)))
    return set(changes[2] - changes[0] - changes[1] - changes[3] - changes[4])


def _look(handle: Handle) -> None:
    handle.events.load_all()


def _allocate(handle: Handle) -> None:
    handle.allocator.alloc_seq_nr()


def _append(event_id: str, handle: Handle) -> None:
    handle.events.append(Draft(event_id, size=24).event())


def _reads(factory: Factory, path: Path, wanted: set[str]) -> bool:
    """Whether the events are still there: then what was removed was the counter's alone."""
    there: list[bool] = []

    def look(handle: Handle) -> None:
        there.append(wanted <= {event.id for event in handle.events.load_all().events})
        if not all(there):
            raise LookupError("events are missing")

    try:
        step(factory, path, look)
    except StageError:
        return False
    return True
