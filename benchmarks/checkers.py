"""How long the checkers take: a million allocations, 90 thousand records with 10 thousand loads.

Usage: python benchmarks/checkers.py
"""

from __future__ import annotations

import heapq
import random
import time
from bisect import bisect_left
from collections.abc import Callable

from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.checkers import Verdict, check_allocator, check_log, check_register
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Draft, Seen, SeenSnapshot

PROCESSES = 8


def spans(count: int, rng: random.Random) -> list[tuple[int, int, int, str]]:
    """Return (effect, called, returned, process) of overlapping calls, by effect."""
    ready = [(rng.randrange(1000), f"p{n}") for n in range(PROCESSES)]
    heapq.heapify(ready)
    made = []
    for _ in range(count):
        called, process = heapq.heappop(ready)
        effect = called + rng.randrange(1, 1000)
        returned = effect + rng.randrange(1, 1000)
        made.append((effect, called, returned, process))
        heapq.heappush(ready, (returned + rng.randrange(1, 100), process))
    made.sort()
    return made


def allocations(count: int, rng: random.Random) -> list[Call]:
    """Return legal allocations."""
    operation = op.allocate()
    return [
        Call(process, operation, called, returned, number)
        for number, (_, called, returned, process) in enumerate(spans(count, rng), 1)
    ]


def records_and_loads(records: int, loads: int, rows: int, rng: random.Random) -> list[Call]:
    """Return legal records, and loads of the newest `rows` events each."""
    calls = []
    effects = []
    for number, (effect, called, returned, process) in enumerate(spans(records, rng), 1):
        seen = Seen(number, f"{process}-{number}", session_id=process)
        operation = op.record(process, Draft(seen.id))
        calls.append(Call(process, operation, called, returned, seen))
        effects.append(effect)
    written = [call.result for call in calls]
    for _ in range(loads):
        effect = rng.randrange(effects[-1])
        head = bisect_left(effects, effect)
        after = max(0, head - rows)
        shown = [Seen(*seen) for seen in written[after:head]]
        calls.append(Call("reader", op.load_after(after), effect - 9, effect + 9, shown))
    return calls


def saves_and_loads(count: int, rng: random.Random) -> list[Call]:
    """Return legal saves and loads of one snapshot."""
    held: SeenSnapshot | None = None
    calls = []
    for number, (_, called, returned, process) in enumerate(spans(count, rng)):
        if number % 2:
            calls.append(Call(process, op.load_snapshot("a"), called, returned, held))
            continue
        seq_nr = max(1, number + rng.randrange(-5, 5))
        if held is None or seq_nr >= held.seq_nr:
            held = SeenSnapshot(seq_nr, f"s{number}")
        calls.append(Call(process, op.save("a", seq_nr, f"s{number}"), called, returned))
    return calls


def report(what: str, calls: list[Call], check: Callable[[list[Call]], Verdict]) -> None:
    """Print how long the check took."""
    start = time.perf_counter()
    verdict = check(calls)
    taken = time.perf_counter() - start
    print(f"{what:<55} {taken:6.2f} s  {'legal' if verdict else verdict.rule}")


def main() -> None:
    """Print one line for each checker."""
    rng = random.Random(1)
    report("1 000 000 allocations", allocations(1_000_000, rng), check_allocator)
    report(
        "1 000 000 allocations, gapless",
        allocations(1_000_000, rng),
        lambda calls: check_allocator(calls, gapless_after=0),
    )
    report(
        "100 000 records, 10 000 loads of 100 events",
        records_and_loads(100_000, 10_000, 100, rng),
        check_log,
    )
    report("100 000 saves and loads of one snapshot", saves_and_loads(100_000, rng), check_register)


if __name__ == "__main__":
    main()
