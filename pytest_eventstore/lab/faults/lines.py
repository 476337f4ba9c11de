"""Lines: where system calls cannot be traced, the writer dies at the i-th line of its code.

Weaker than a kill at every call: a write that C code makes in several calls is one
step here, and only the lines of the adapter's own package count. It works
wherever Python does.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import HAS_FORK
from pytest_eventstore.lab.faults.jury import Jury, Trial
from pytest_eventstore.lab.faults.kill import trial
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.scenarios import SCENARIOS, Progress, perform
from pytest_eventstore.lab.faults.staging import Source, Stage, StageError, factory_of, staged
from pytest_eventstore.lab.faults.traced import Traced
from pytest_eventstore.lab.operations import Operation
from pytest_eventstore.outcomes import NotOffered

FIGURE = "kill points (by line, weaker)"

_DIED = 137
_PATIENCE = 60.0
_SHOWN = 12


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Kill a scenario at lines of the adapter's code and judge what is left."""
    report = Report()
    scenario = SCENARIOS[name]
    try:
        with staged(source, scenario) as stage:
            code, whole, lines = _run(source, stage.path, scenario.act, 0)
            if whole.not_offered:
                report.not_offered = whole.not_offered.removeprefix("not offered: ")
                return report
            if code != 0 or whole.errors:
                raise StageError(f"the scenario {name} fails undisturbed: {whole.errors}")
            stage.use_files(Image.of(stage.path))
            if not lines:
                report.not_offered = "none of its code is Python that could be stopped at a line"
                return report
            points = range(1, len(lines) + 1)
            jury = Jury(stage, settings, report)
            for point in [int(settings.only)] if settings.only else settings.chosen(points):
                found = _try(source, stage, point, lines, report)
                if found is not None and not jury.take(found):
                    break
            jury.close()
    except StageError as error:
        report.doubts.append(str(error))
    except NotOffered as missing:
        report.not_offered = str(missing).removeprefix("not offered: ")
    return report


def _try(
    source: Source, stage: Stage, point: int, lines: list[str], report: Report
) -> Trial | None:
    stage.reset()
    code, progress, _ = _run(source, stage.path, stage.scenario.act, point)
    if code != _DIED:
        report.doubts.append(f"{stage.scenario.name}: line {point} did not come again")
        return None
    report.figures[FIGURE] += 1
    script = list(enumerate(lines[:point], 1))[-_SHOWN:]
    run = Traced(progress, script=script)
    cut = f"killed before line {point} of its code"
    return trial(stage, run, f"lines:{stage.scenario.name}:{point}", cut)


def _run(
    source: Source, path: Path, steps: tuple[Operation, ...], point: int
) -> tuple[int | None, Progress, list[str]]:
    """Make the steps in a process that dies at a line; 0 for never, then the lines are told."""
    context: Any = multiprocessing.get_context("fork" if HAS_FORK else "spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_act, args=(source, path, steps, point, writer))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks while threads run
        process.start()
    writer.close()
    progress = Progress.of(steps)
    lines: list[str] = []
    try:
        while reader.poll(_PATIENCE):
            message = reader.recv()
            if message[0] == "lines":
                lines = message[1]
            else:
                progress.take(message)
    except EOFError:
        pass
    finally:
        reader.close()
        process.join(5)
        if process.is_alive():
            process.kill()
            process.join()
    return process.exitcode, progress, lines


def _act(
    source: Source, path: Path, steps: tuple[Operation, ...], point: int, writer: Connection
) -> None:
    factory = factory_of(source)
    counter = _Counter(own_code(factory), point)
    counter.start()
    perform(factory, path, steps, writer.send)
    counter.stop()
    writer.send(("lines", counter.lines))


def own_code(factory: Callable[..., Any]) -> tuple[str, ...]:
    """Return the folders of an adapter's package, and of the reference that may stand in."""
    roots = []
    for name in (factory.__module__, "eventstore_reference"):
        module = sys.modules.get(name.partition(".")[0]) or sys.modules.get(name)
        paths = list(getattr(module, "__path__", ()))
        file = getattr(module, "__file__", None)
        roots += [p + os.sep for p in paths] or ([file] if file else [])
    return tuple(roots)


class _Counter:
    """Counts the lines of some code as they come, and ends the process before one of them."""

    def __init__(self, roots: tuple[str, ...], point: int) -> None:
        self._roots = roots
        self._point = point
        self._count = 0
        self.lines: list[str] = []

    def start(self) -> None:
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)

    def stop(self) -> None:
        sys.settrace(None)
        threading.settrace(None)

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ARG002
        return self._on_line if frame.f_code.co_filename.startswith(self._roots) else None

    def _on_line(self, frame: FrameType, event: str, argument: object) -> Any:  # noqa: ARG002
        if event == "line":
            self._count += 1
            if self._count == self._point:
                os._exit(_DIED)  # at once, as a kill: nothing is flushed or closed
            if not self._point:
                name = os.path.basename(frame.f_code.co_filename)
                self.lines.append(f"{name}:{frame.f_lineno} in {frame.f_code.co_name}")
        return self._on_line
