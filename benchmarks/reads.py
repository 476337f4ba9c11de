"""Reads by number against the length of the history, each in a fresh process.

python benchmarks/reads.py [--events 10000 100000 1000000]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from filling import fill, index

READS = """
import json, sys, time
from eventstore_reference import FileEventStore
from pytest_eventstore.lab.examples import make_event
location, head = sys.argv[1], int(sys.argv[2])
times = {}
def timed(name, call):
    started = time.perf_counter()
    result = call()
    times[name] = time.perf_counter() - started
    return result
store = FileEventStore(location)
assert timed("latest, first call", store.latest_seq_nr) == head
assert timed("latest", store.latest_seq_nr) == head
assert len(timed("last 10", lambda: store.load_after_seq_nr(head - 10)).events) == 10
assert len(timed("last 1000", lambda: store.load_after_seq_nr(head - 1000)).events) == 1000
timed("append, first", lambda: store.append(make_event(1, id="x1")))
timed("append", lambda: store.append(make_event(1, id="x2")))
store.close()
print(json.dumps(times))
"""
ROUNDS = 7


def measure(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        location = Path(folder)
        fill(location, events)
        started = time.perf_counter()
        index(location)
        print(f"{events:>9,} events, index made in {time.perf_counter() - started:.1f} s")
        rounds = []
        for n in range(ROUNDS):
            script = READS.replace('"x1"', f'"x1-{n}"').replace('"x2"', f'"x2-{n}"')
            command = [sys.executable, "-c", script, folder, str(events)]
            rounds.append(json.loads(subprocess.check_output(command)))
        for name in rounds[0]:
            seconds = [one[name] for one in rounds]
            middle, spread = statistics.median(seconds), (max(seconds) - min(seconds)) / 2
            print(f"          {name:<20} {middle * 1e3:8.2f} ms ± {spread * 1e3:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    for number in parser.parse_args().events:
        measure(number)
