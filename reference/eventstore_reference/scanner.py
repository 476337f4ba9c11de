"""Finds the events in a stretch of the log, and what is no event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from eventstore_reference.lines import Line, looks_unwritten, read_line, salvage


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A stretch that holds no event of its own."""

    start: int
    length: int
    damaged: bool = True


class Scanner:
    """Goes over the lines of one file and tells events from damage and unfinished writes.

    After `items` is exhausted, `end` says up to where the file is settled, and
    `torn` whether something unfinished lies behind.

    Args:
        start: Where the lines begin in the file.
        marked: Whether lines with marks came before them in the file.
        last: Whether the file ends the log. Only there can a write be unfinished;
            anywhere else what is not whole is damaged.
        only_marked: Whether lines without marks are not to be believed.
    """

    def __init__(
        self, *, start: int = 0, marked: bool = False, last: bool = True, only_marked: bool = False
    ) -> None:
        self.end = start
        self.marked = marked
        self.torn = False
        self._start = start
        self._last = last
        self._only_marked = only_marked
        self._batch: list[Line | PassedOver] = []
        self._batch_size = 0
        self._batch_seen = 0
        self._batch_has_hole = False

    def items(self, lines: Iterable[bytes]) -> Iterator[Line | PassedOver]:
        """Yield what the lines hold, in order; the events of a batch only once it is whole."""
        place = self.end
        for raw in lines:
            here, place = place, place + len(raw)
            text = raw[:-1] if raw.endswith(b"\n") else raw
            if not text:
                if here > self._start and not self._batch:
                    yield PassedOver(here, 0, damaged=False)
            elif line := self._read(text, here):
                yield from self._take(line)
            else:
                whole = [replace(line, start=here + line.start) for line in salvage(text)]
                if not whole and self._last and len(text) == len(raw):
                    self.torn = True
                    break
                yield from self._take_damage(here, text, whole)
            if not self._batch:
                self.end = place
        if self._batch and self._last and self._unfinished():
            self.torn = True
        else:
            yield from self._settle()
            if not self.torn:
                self.end = place

    def _read(self, text: bytes, here: int) -> Line | None:
        line = read_line(text, after_marked=self.marked, start=here)
        return None if line is None or (self._only_marked and not line.marked) else line

    def _take(self, line: Line) -> Iterator[Line | PassedOver]:
        self.marked = self.marked or line.marked
        number, size = line.batch
        goes_on = self._batch and size == self._batch_size and number == self._batch_seen + 1
        if not goes_on:
            yield from self._settle()
            if size == 1 or number > 1:  # alone, or its batch's beginning is damaged
                yield line
                return
            self._batch_size = size
        self._batch.append(line)
        self._batch_seen = number
        if number == size and not self._batch_has_hole:
            yield from self._settle()

    def _take_damage(
        self, here: int, text: bytes, whole: list[Line]
    ) -> Iterator[Line | PassedOver]:
        damage = PassedOver(here, len(text))
        if not self._batch:
            yield damage
        else:
            self._batch.append(damage)
            self._batch_seen += not whole
            self._batch_has_hole = self._batch_has_hole or looks_unwritten(text)
            if self._batch_seen == self._batch_size and not self._batch_has_hole:
                yield from self._settle()
        for line in whole:
            yield from self._take(line)

    def _unfinished(self) -> bool:
        return self._batch_has_hole or self._batch_seen < self._batch_size

    def _settle(self) -> Iterator[Line | PassedOver]:
        batch, self._batch = self._batch, []
        self._batch_size = self._batch_seen = 0
        self._batch_has_hole = False
        yield from batch
