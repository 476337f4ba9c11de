"""What a call costs at a short and at a long history, as a ratio within one run.

Absolute times say more about the machine than about the adapter. So two
locations are filled, one with a hundred times the history of the other, and the
same call is timed on both in turn; whatever slows the machine down slows both.
"""

from __future__ import annotations

import os
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.handles import Handle, Location, open_handle
from pytest_eventstore.outcomes import inconclusive, not_checkable, violated
from pytest_eventstore.targets import TargetReference

GROWTH = 100
"""How many times longer the long history is."""

LIMIT = 4.0
"""How many times dearer a call may be there: room for a tree that is one level deeper."""

_GROUPS = 5
_BATCH = 500
_PATIENCE = 120.0
_START = "import sys; sys.path[:] = {path!r}; from pytest_eventstore.lab import costs; costs.main()"


@dataclass(frozen=True)
class Costs:
    """Seconds that a call took, at both histories, in the order measured."""

    short: tuple[float, ...]
    long: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times dearer the median call is at the long history."""
        return statistics.median(self.long) / statistics.median(self.short)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and highest ratio among groups of the same calls: the noise."""
        groups = min(_GROUPS, len(self.short))
        ratios = [Costs(self.short[n::groups], self.long[n::groups]) for n in range(groups)]
        if groups == len(self.short):
            return min(self.long) / max(self.short), max(self.long) / min(self.short)
        return min(r.ratio for r in ratios), max(r.ratio for r in ratios)

    def __add__(self, other: Costs) -> Costs:
        return Costs(self.short + other.short, self.long + other.long)


class Histories:
    """Two locations of one adapter, filled with a short and with a long history."""

    def __init__(self, bench: Bench, short: Location, long: Location, events: int) -> None:
        self.bench = bench
        self.locations = (short, long)
        self.heads = [events, events]
        self._fill(short, events, 0)
        self.heads[1] = self._fill(long, events * GROWTH, 1)
        if self.heads[1] < 10 * events:
            inconclusive(f"in {_PATIENCE:.0f} s only {self.heads[1]} events could be stored")

    def _fill(self, location: Location, events: int, which: int) -> int:
        handle = location.open()
        deadline = time.monotonic() + _PATIENCE
        stored = 0
        while stored < events and time.monotonic() < deadline:
            batch = range(stored + 1, min(stored + _BATCH, events) + 1)
            handle.events.append(*(make_event(n, seq_nr=n) for n in batch))
            stored = batch[-1]
            self.bench.progress(f"history {which + 1} of 2: {stored} of {events} events")
        handle.close()
        return stored

    def measure(self, call: Callable[[int], float], samples: int) -> Costs:
        """Time a call, given 0 or 1 for the history, on both in turn."""
        call(0), call(1)
        short, long = [], []
        for _ in range(samples):
            short.append(call(0))
            long.append(call(1))
        return Costs(tuple(short), tuple(long))

    def expect_flat(
        self, what: str, call: Callable[[int], float], samples: int, *, cause: str
    ) -> None:
        """Fail if the call is dearer at the long history beyond the limit and the noise."""
        samples = self.bench.effort.pick(max(5, samples // 3), samples, samples * 3)
        costs = self.measure(call, samples)
        for _ in range(3):
            if costs.ratio <= LIMIT or costs.spread[0] > LIMIT:
                break
            costs += self.measure(call, samples)
        self._note(what, costs)
        if costs.ratio <= LIMIT:
            return
        low, high = costs.spread
        said = f"{costs.ratio:.1f} times ({low:.1f} to {high:.1f} among {_GROUPS} groups)"
        growth = self.heads[1] // self.heads[0]
        if low <= LIMIT:
            inconclusive(f"{what} cost {said} as much at {growth} times the history: too noisy")
        violated(
            expected=f"{what} costs at most {LIMIT:g} times as much at {growth} times the history",
            seen=f"{said} as much, {_micros(costs.long)} for {_micros(costs.short)}, "
            f"medians of {len(costs.long)} calls",
            history=[
                f"{self.heads[0]} events on one location, {self.heads[1]} on another",
                f"{what}, on both in turn, {len(costs.long)} times",
            ],
            cause=cause,
        )

    def _note(self, what: str, costs: Costs) -> None:
        figures = self.bench.figures
        low, high = costs.spread
        name = f"times the cost of {what} for {self.heads[1] // self.heads[0]} times the history"
        figures[name] += round(costs.ratio, 2)  # type: ignore[assignment]  # a measured figure
        figures[f"% of noise in {what}"] += round(100 * (high - low) / 2 / costs.ratio)
        for head, times in zip(self.heads, (costs.short, costs.long), strict=True):
            figures[f"{what}, µs at {head:,} events"] += round(1e6 * statistics.median(times), 1)  # type: ignore[assignment]  # likewise


@contextmanager
def histories(bench: Bench) -> Iterator[Histories]:
    """Give both histories, as long as the effort allows."""
    with bench.location() as short, bench.location() as long:
        yield Histories(bench, short, long, bench.effort.pick(50, 100, 1000))


def timed(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def timed_in_new_process(reference: TargetReference | None, path: Path, after: int) -> float:
    """Return how long a new process takes to open a location and read what comes after a number.

    Starting the process and importing the adapter is left out.
    """
    if reference is None:
        not_checkable("the adapter's factory has no name that a new process could import it by")
    done = subprocess.run(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-c", _START.format(path=sys.path)],
        input=pickle.dumps((reference, path, after)),
        capture_output=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return float(done.stdout.split()[-1])


def main() -> None:
    """Serve one measurement: the request on standard input, seconds on standard output."""
    reference, path, after = pickle.loads(sys.stdin.buffer.read())  # noqa: S301  # from our parent
    factory = reference.load()
    handles: list[Handle] = []

    def read() -> None:
        handles.append(open_handle(factory, path))
        handles[0].events.load_after_seq_nr(after)

    seconds = timed(read)
    handles[0].close()
    os.write(1, f"{seconds}\n".encode())


def _micros(times: tuple[float, ...]) -> str:
    return f"{1e6 * statistics.median(times):,.0f} µs"
