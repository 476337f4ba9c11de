"""What a sweep found, as values that travel from the tracing process to the test."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.judging import CLAUSES, Clause, Problem
from pytest_eventstore.lab.faults.scenarios import Tried

_SHOWN, _FILES = 26, 8  # more of a story is not read
_ENOUGH = 16


@dataclass(frozen=True)
class Settings:
    """How far a sweep goes.

    Args:
        clauses: Which kinds of problems it looks for; a store that does not open is always one.
        points: How many points at most, spread evenly; 0 for all.
        states: How many disks at most, drawn by `seed` beyond that; 0 for all.
        seed: Where chance comes from.
        thorough: Whether to try variants that rarely tell more.
        names_only: Lose entries of directories, and no data.
        only: The end of a replay token: the one point to try, whose disk is kept.
    """

    clauses: frozenset[Clause] = CLAUSES
    points: int = 0
    states: int = 0
    seed: int = 0
    thorough: bool = False
    names_only: bool = False
    only: str = ""

    def chosen(self, points: Sequence[int]) -> Sequence[int]:
        """Return the points to try: all, or evenly spread ones, the ends among them."""
        if not self.points or len(points) <= self.points:
            return points
        last = len(points) - 1
        steps = max(1, self.points - 1)
        return sorted({points[round(i * last / steps)] for i in range(self.points)})

    def wants(self, problem: Problem) -> bool:
        """Return whether a problem is one to look for."""
        return problem.clause == "opens" or problem.clause in self.clauses

    def rng(self) -> random.Random:
        """Return the source of chance, always at its beginning."""
        return random.Random(self.seed)  # noqa: S311  # chance, not secrets


@dataclass(frozen=True)
class Found:
    """One point at which a store breaks the contract."""

    problem: Problem
    token: str
    history: tuple[str, ...] = ()
    disk: dict[str, Any] = field(default_factory=dict)


@dataclass
class Report:
    """What a sweep tried and found.

    Args:
        figures: How much was tried, by kind.
        found: Every point that went wrong.
        doubts: Why something could not be tried as meant: then nothing is proven.
        not_offered: Why nothing applied, if nothing did.
        kept: The folder in which the disk of a replayed point is.
    """

    figures: Counter[str] = field(default_factory=Counter)
    found: list[Found] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    not_offered: str = ""
    kept: str = ""

    @property
    def decided(self) -> bool:
        """Whether there is no use in going on: a store hung, or is wrong at many points."""
        return len(self.found) >= _ENOUGH or any(found.problem.hangs for found in self.found)

    def add(
        self,
        problems: Iterable[Problem],
        settings: Settings,
        token: str,
        history: Sequence[str],
        disk: dict[str, Any],
    ) -> None:
        """Take the problems of one point that are wanted."""
        for problem in problems:
            if settings.wants(problem):
                self.found.append(Found(problem, token, tuple(history), disk))


def story(
    script: Iterable[tuple[int, str]],
    cut: str,
    past: Sequence[Tried],
    image: Image,
    lost: frozenset[int] = frozenset(),
) -> list[str]:
    """Tell what led to a disk: the calls, the cut, the files, what was acknowledged.

    Args:
        script: Calls by number, and as number 0 what the process told between them.
        cut: What went wrong.
        past: The steps, as far as they came.
        image: The disk as it was found.
        lost: The calls whose effect was lost.
    """
    lines = []
    for number, words in script:
        if number:
            lines.append(f"{number:4} {words}{'   <- LOST' if number in lost else ''}")
        else:
            lines.append(f"     -- {words}")
    if len(lines) > _SHOWN:
        lines[: -_SHOWN + 1] = [f"     … {len(lines) - _SHOWN + 1} lines before …"]
    kept = [str(tried) for tried in past if tried.phase == "done"]
    files = image.lines()
    if len(files) > _FILES:
        files[_FILES - 1 :] = [f"and {len(files) - _FILES + 1} more"]
    return [
        *lines,
        f"     == {cut}",
        "the disk then:",
        *(f"     {line}" for line in files),
        "acknowledged by then:",
        *(f"     {line}" for line in kept[-4:] or ["nothing"]),
    ]
