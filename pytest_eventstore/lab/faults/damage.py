"""Damage: bytes of a file that lies still are flipped, blanked, cut off or doubled.

Whatever is damaged, wrong data is never returned; see `inspecting` for what else is
asked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from pytest_eventstore.lab.faults.deposit import IDS, SNAPSHOT_AT, Deposit, make
from pytest_eventstore.lab.faults.images import Image
from pytest_eventstore.lab.faults.inspecting import Inspection, Judge, inspect_all
from pytest_eventstore.lab.faults.judging import Problem
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.faults.staging import Source, StageError, factory_of, keep, scratch
from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.lab.tracer.server import report as say
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.targets import Factory

Kind: TypeAlias = Literal["flip", "blank", "cut", "double", "gone"]
KINDS: tuple[Kind, ...] = ("flip", "blank", "cut", "double")

_BLANK = 512
_AT_ONCE = 32


@dataclass(frozen=True)
class Damage:
    """What happens to one file: where, and how much of it."""

    file: str
    kind: Kind
    at: int = 0
    size: int = 1
    mask: int = 0xFF

    def apply(self, data: bytes) -> bytes | None:
        """Return the damaged bytes; None if the file is gone."""
        if self.kind == "gone":
            return None
        if self.kind == "cut":
            return data[: self.at]
        if self.kind == "double":
            return data + data[self.at :]
        end = self.at + self.size
        middle = bytes(self.size) if self.kind == "blank" else bytes([data[self.at] ^ self.mask])
        return data[: self.at] + middle + data[end:]

    def __str__(self) -> str:
        return {
            "flip": f"byte {self.at} of {self.file} with other bits ({self.mask:#04x})",
            "blank": f"bytes {self.at} to {self.at + self.size} of {self.file} NUL",
            "cut": f"{self.file} cut to {self.at} bytes",
            "double": f"{self.file} with its bytes from {self.at} on twice",
            "gone": f"{self.file} gone",
        }[self.kind]

    def token(self, deposit: Deposit) -> str:
        """Return what `parse` takes."""
        number = sorted(deposit.image.files).index(self.file)
        return f"{number}:{self.kind}:{self.at}:{self.size}:{self.mask}"

    @classmethod
    def parse(cls, token: str, deposit: Deposit) -> Damage:
        """Return the damage that a replay token names."""
        number, kind, at, size, mask = token.split(":")
        kinds: dict[str, Kind] = {k: k for k in (*KINDS, "gone")}
        file = sorted(deposit.image.files)[int(number)]
        return cls(file, kinds[kind], int(at), int(size), int(mask))


def damages(
    files: Sequence[str], deposit: Deposit, rng: random.Random, count: int
) -> Iterator[Damage]:
    """Yield up to `count` damages of each kind to each file, and more flips, at places drawn."""
    for file in sorted(files):
        size = len(deposit.image.files[file])
        if not size:
            continue
        for kind in KINDS:
            # A flipped bit is the damage that most easily still reads like data.
            wanted = 4 * count if kind == "flip" else count
            places = rng.sample(range(size), min(wanted, size))
            for at in sorted(places):
                if kind == "blank":
                    yield Damage(file, kind, at, min(_BLANK, size - at))
                else:
                    yield Damage(file, kind, at, mask=1 << rng.randrange(8))


def sweep(source: Source, name: str, settings: Settings) -> Report:
    """Damage a deposit in many ways and see what an adapter makes of it.

    The deposit's name says what is damaged and what must not come of it:
    ``log`` (wrong or silently lost events), ``snapshot`` (wrong bytes),
    ``recovery``, the same after archiving, ``archived``, and ``archive``, the
    archive itself where there is no snapshot (a state that is not the full one).
    """
    report = Report()
    factory = factory_of(source)
    with ExitStack() as stack:
        path = stack.enter_context(fresh_location(factory, base=scratch())).path
        try:
            _sweep(factory, path, name, settings, report)
        except StageError as error:
            report.doubts.append(str(error))
        except NotOffered as missing:
            report.not_offered = str(missing).removeprefix("not offered: ")
    return report


def _sweep(factory: Factory, path: Path, name: str, settings: Settings, report: Report) -> None:
    recovers = name not in ("log", "snapshot")
    deposit = make(
        factory,
        path,
        snapshot=name != "log",
        archive=name in ("archived", "archive"),
        state=recovers,
    )
    files = {"log": deposit.log_files, "archive": deposit.archive_files}.get(
        name, deposit.snapshot_files
    )
    if not files:
        report.not_offered = "what it stores is not in files under its location"
        return
    if recovers and not deposit.recovers:
        report.not_offered = "no recovery"
        return
    start = deposit.image
    if name == "archive":
        for file in deposit.snapshot_files - deposit.log_files:
            start = start.with_file(file, None)
    trials = list(_trials(name, deposit, sorted(files), settings))
    bench = _Bench(factory, path, recovers, Judge(name, deposit))
    bench.check(start, sorted(files) if name == "log" else ())
    for begin in range(0, len(trials), _AT_ONCE):
        say(f"{name}: damage {begin + 1} of {len(trials)}")
        some = trials[begin : begin + _AT_ONCE]
        images = [start.with_file(d.file, d.apply(start.files[d.file])) for d in some]
        report.figures["damages"] += len(some)
        if settings.only:
            report.kept = str(keep(images[0]))
        for damage, image, problem in bench.problems(some, images):
            token = f"damage:{name}:{damage.token(deposit)}"
            disk = {"files": image.describe()}
            report.add([problem], settings, token, _history(name, damage), disk)
        if report.decided:
            break


@dataclass(frozen=True)
class _Bench:
    """Where damaged images are put, read and judged."""

    factory: Factory
    path: Path
    recovers: bool
    judge: Judge

    def look(self, image: Image) -> Inspection:
        (found,) = inspect_all(self.factory, self.path, [image], recover=self.recovers)
        return found

    def check(self, start: Image, log_files: Sequence[str]) -> None:
        """See that all is well without damage, and which files are made from others."""
        whole = self.look(start)
        if self.judge.proves_nothing(whole):
            raise StageError(f"an undamaged store does not read right: {whole!r:.300}")
        # What can be taken away without a loss is made from the log, and not the log.
        self.judge.derived = frozenset(
            file
            for file in log_files
            if self.judge.is_whole(self.look(start.with_file(file, None)))
        )

    def problems(
        self, damages: Sequence[Damage], images: Sequence[Image]
    ) -> Iterator[tuple[Damage, Image, Problem]]:
        seen = inspect_all(self.factory, self.path, images, recover=self.recovers)
        for damage, image, found in list(zip(damages, images, seen, strict=True)):
            # What looks wrong is looked at again, by a process that has seen nothing else.
            if self.judge(found, damage) and (problem := self.judge(self.look(image), damage)):
                yield damage, image, problem


def _trials(
    name: str, deposit: Deposit, files: Sequence[str], settings: Settings
) -> Iterator[Damage]:
    if settings.only:
        yield Damage.parse(settings.only, deposit)
        return
    yield from damages(files, deposit, settings.rng(), settings.points or 25)
    if name in ("recovery", "archived"):
        for file in sorted(deposit.snapshot_files - deposit.log_files):
            yield Damage(file, "gone")


def _history(name: str, damage: Damage) -> list[str]:
    return [
        f"stored and closed: {', '.join(IDS)}",
        *([f"saved: a snapshot at {SNAPSHOT_AT}"] if name != "log" else []),
        *(["archived: what it covers"] if name in ("archived", "archive") else []),
        *(["removed: the snapshot"] if name == "archive" else []),
        f"damaged: {damage}",
        "opened and read again",
    ]
