"""Try every race mutant many times and print what caught it, as a Markdown table.

Usage: python benchmarks/races_table.py [--runs 20] [--freeze-runs 3] [--only PART_OF_NAME]

A run counts as caught if a test of the mutant's requirement fails at standard
effort; every run has a seed of its own. The freeze sweep plays the same
schedules each time, so a few runs of it are enough.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from mutants.races import ONLY_FROZEN
from mutants.registry import MUTANTS, Mutant
from mutants.runner import run_test, suite_tests
from pytest_eventstore.suite.races_appends import RacingAppendTests
from pytest_eventstore.suite.races_frozen import FrozenRaceTests
from pytest_eventstore.suite.races_numbers import RacingAllocatorTests
from pytest_eventstore.suite.races_recorders import RacingRecorderTests
from pytest_eventstore.suite.races_snapshots import RacingCutoverTests, RacingSnapshotTests

STRESS = (
    RacingAllocatorTests,
    RacingAppendTests,
    RacingRecorderTests,
    RacingSnapshotTests,
    RacingCutoverTests,
)


def try_once(mutant: Mutant, parts: Sequence[type], seed: int) -> bool | None:
    """Return whether a test of these parts catches the mutant; None if there is no test."""
    names = {name for part in parts for name in vars(part)}
    tried = False
    for name, function, parameters in suite_tests([mutant.fails], tier=None):
        if name.partition("[")[0] in names:
            tried = True
            outcome = run_test(
                mutant.factory,
                name,
                function,
                parameters,
                "standard",
                seed=seed,
                spec=mutant.spec,
            )
            if outcome.failed:
                return True
    return False if tried else None


def print_row(mutant: Mutant, how: str, parts: Sequence[type], runs: int) -> None:
    """Print the mutant's row for one way of catching it."""
    caught = 0
    times = []
    for seed in range(runs):
        start = time.perf_counter()
        found = try_once(mutant, parts, seed)
        if found is None:
            return
        caught += found
        times.append(time.perf_counter() - start)
    name = mutant.factory.__name__.replace("_", " ")
    median = statistics.median(times)
    print(f"| {name} | {mutant.fails} | {how} | {runs} | {caught} | {median:.1f} s |", flush=True)


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--freeze-runs", type=int, default=3)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    print("| adapter | requirement | by | runs | caught | median time |")
    print("|---|---|---|---:|---:|---:|")
    for mutant in MUTANTS:
        if options.only not in mutant.name:
            continue
        if options.runs and mutant.factory.__name__ not in ONLY_FROZEN:
            print_row(mutant, "stress", STRESS, options.runs)
        if options.freeze_runs and mutant.name.startswith("frozen:"):
            print_row(mutant, "freeze", (FrozenRaceTests,), options.freeze_runs)


if __name__ == "__main__":
    main()
