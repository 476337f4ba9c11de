"""The stage of a sweep: a location that is put back to the arranged state before each point."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.isolated import ChildDiedError, ChildError, call_isolated
from pytest_eventstore.lab.faults.judging import judge
from pytest_eventstore.lab.faults.observing import Observation, observe
from pytest_eventstore.lab.faults.scenarios import Progress, Scenario, Tried, perform
from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.lab.operations import Operation
from pytest_eventstore.outcomes import not_offered
from pytest_eventstore.targets import Factory, TargetReference

Source: TypeAlias = TargetReference | Factory
"""A factory, or where to find it."""


_in_files: dict[tuple[int, str], bool] = {}
"""What `Stage.use_files` has learned: factories live as long as the process."""


class StageError(Exception):
    """The scenario does not run even undisturbed, so nothing can be said of faults."""


def factory_of(source: Source) -> Factory:
    """Return the factory itself, with all that its processes may import already imported."""
    # Each point forks: what a child imports, all of them would import anew.
    importlib.import_module("eventstore_reference")
    return source.load() if isinstance(source, TargetReference) else source


def scratch() -> Path | None:
    """Return a directory in memory, where syncs cost nothing; None if there is none."""
    shared = Path("/dev/shm")  # noqa: S108  # a private directory is made in it
    return shared if shared.is_dir() and os.access(shared, os.W_OK) else None


class Stage:
    """A location with a scenario's beginning on it.

    Args:
        factory: Opens the store.
        scenario: What is arranged and acted.
        stack: Closes the locations.
    """

    def __init__(self, factory: Factory, scenario: Scenario, stack: ExitStack) -> None:
        self.factory = factory
        self.scenario = scenario
        self._stack = stack
        self.path = self._fresh()
        self.past = self._arrange()
        self.start = Image.of(self.path)
        self._inodes: tuple[int, ...] | None = inodes(self.path, self.start)
        self.in_files = True
        """Whether putting back the files puts back the store; false for a database server."""

    def use_files(self, after: Image) -> None:
        """Learn, from what lies there after the scenario, whether the store is in the files."""
        key = (id(self.factory), self.scenario.name)
        if key in _in_files:
            self.in_files = _in_files[key]
        elif after.digest != self.start.digest:
            self.start.put(self.path)
            found = observe(self.factory, self.path, self.scenario)
            outlived = ("whole", "snapshot")  # what was done later is still there
            self.in_files = not any(p.clause in outlived for p in judge(self.tried(), found))
        else:
            self.in_files = False
        _in_files[key] = self.in_files

    def reset(self) -> None:
        """Put the arranged state back."""
        if self.in_files:
            self.start.put(self.path)
            if self._inodes is not None and self._inodes != inodes(self.path, self.start):
                self._arrange_anew()
        else:
            self.path = self._fresh()
            self.past = self._arrange()

    def freeze(self, start: Image) -> None:
        """Begin from what lies there now, however it came about."""
        self.start = start
        self._inodes = None

    def _arrange_anew(self) -> None:
        """Arrange once more where a file is not the same one any longer.

        A store that knows its files by inode would go another way than it went
        in the rehearsal.
        """
        Image().put(self.path)
        self.past = self._arrange()
        self.start = Image.of(self.path)
        self._inodes = inodes(self.path, self.start)

    def tried(self, progress: Progress | None = None) -> tuple[Tried, ...]:
        """Return the arranged steps, and those of the scenario as far as they came."""
        acted = Progress.of(self.scenario.act) if progress is None else progress
        return (*self.past, *acted.steps)

    def observe(self) -> Observation:
        """Open, read and use what lies there now."""
        return observe(self.factory, self.path, self.scenario)

    def _fresh(self) -> Path:
        return self._stack.enter_context(fresh_location(self.factory, base=scratch())).path

    def _arrange(self) -> tuple[Tried, ...]:
        if not self.scenario.arrange:
            return ()
        try:
            progress: Progress = call_isolated(
                perform_and_tell, self.factory, self.path, self.scenario.arrange
            )
        except (ChildError, ChildDiedError) as error:
            raise StageError(f"arranging {self.scenario.name} failed: {error}") from error
        check(progress, self.scenario.name)
        return tuple(progress.steps)


def inodes(root: Path, image: Image) -> tuple[int, ...]:
    """Return the inodes of an image's files as they lie there."""
    return tuple(os.stat(root / name).st_ino for name in image.files)


def check(progress: Progress, name: str) -> None:
    """Raise `StageError` if an undisturbed run raised, `NotOffered` if a port is missing."""
    if progress.not_offered:
        not_offered(progress.not_offered.removeprefix("not offered: "))
    if progress.errors:
        raise StageError(f"the scenario {name} fails undisturbed: {'; '.join(progress.errors)}")


def perform_and_tell(factory: Factory, path: Path, steps: Sequence[Operation]) -> Progress:
    """Make the steps in this process and return how they went."""
    progress = Progress.of(steps)
    perform(factory, path, steps, progress.take)
    return progress


@contextmanager
def staged(source: Source, scenario: Scenario) -> Iterator[Stage]:
    """Give a stage, cleared away at the end."""
    with ExitStack() as stack:
        yield Stage(factory_of(source), scenario, stack)


def keep(image: Image) -> Path:
    """Put an image into a folder that stays."""
    folder = Path(tempfile.mkdtemp(prefix="eventstore-replay-"))
    image.put(folder)
    return folder
