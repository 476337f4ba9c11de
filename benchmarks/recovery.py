"""Recovery from a snapshot against full replay, and archiving: time, memory, size.

python benchmarks/recovery.py [--events 1000000]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from filling import fill, index

from eventstore_reference import FileSnapshotStore

WORK = """
import json, resource, sys, time
from eventstore_reference import archive, open_ports, recover
class Total:
    version = 1
    def __init__(self): self.total = self.count = 0
    def apply(self, event): self.total += event.data["total"]; self.count += 1
    def serialize(self): return json.dumps([self.total, self.count]).encode()
    def deserialize(self, state): self.total, self.count = json.loads(state)
location, what = sys.argv[1:]
ports = open_ports(location)
state = Total()
started = time.perf_counter()
if what == "archive":
    done = archive(ports, 2**62).archived_count
else:
    done = recover(state, ports, what).replayed
seconds = time.perf_counter() - started
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps([seconds, memory, done, state.count]))
"""


def run(location: str, what: str) -> tuple[float, float, int, int]:
    result = json.loads(subprocess.check_output([sys.executable, "-c", WORK, location, what]))
    return result[0], result[1], result[2], result[3]


def size(location: Path) -> float:
    files = [p for folder in ("events", "archive") for p in (location / folder).glob("*")]
    return sum(os.stat(file).st_size for file in files) / 1e6


def measure(events: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        location = Path(folder)
        fill(location, events)
        index(location)
        total = sum(n % 997 for n in range(1, events - 99))
        snapshots = FileSnapshotStore(location)
        snapshots.save("totals", events - 100, json.dumps([total, events - 100]).encode())
        print(f"{events:,} events, a snapshot 100 events back")
        for name, what in (("from the snapshot", "totals"), ("full replay", "none")):
            seconds, memory, replayed, count = run(folder, what)
            assert count == events
            print(f"  {name:<18} {seconds:8.3f} s  {memory:7.0f} MB at most  {replayed:,} applied")
        before = size(location)
        seconds, memory, moved, _ = run(folder, "archive")
        print(f"  archive            {seconds:8.3f} s  {memory:7.0f} MB at most  {moved:,} moved")
        print(f"  size               {before:.0f} MB before, {size(location):.0f} MB after")
        seconds, memory, replayed, _ = run(folder, "totals")
        print(f"  from the snapshot  {seconds:8.3f} s afterwards, {replayed:,} applied")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    measure(parser.parse_args().events)
