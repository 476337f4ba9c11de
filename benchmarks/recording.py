"""What recording costs: one recorded event against a bare write and fsync of the same bytes.

The two take turns, event by event, on the same disk, so that whatever else the
machine does weighs on both alike.

    python benchmarks/recording.py [--events 2000] [--folder DIR]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from eventstore_reference import open_ports
from pytest_eventstore.ports import Event


def event(n: int) -> Event:
    return Event(
        id=f"0192f0c1-7d5e-7000-8000-{n:012}",
        type="order.placed",
        timestamp=datetime.now(UTC),
        data={"order": n, "items": [{"sku": "A-1", "count": 2}], "note": "x" * 80},
        aggregate_id=f"order-{n}",
        aggregate_type="order",
    )


def measure(folder: str, events: int) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as location:
        ports = open_ports(location)
        assert ports.recorder is not None
        recorder = ports.recorder("session-1")
        bare = os.open(Path(location, "bare"), os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        recorded, written = [], []
        size = 0
        for n in range(events + 50):
            one = event(n)
            started = time.perf_counter()
            stored = recorder.record(one)
            middle = time.perf_counter()
            line = stored.to_json_line().encode() + b" " * 20 + b"\n"
            size = len(line)
            again = time.perf_counter()
            os.write(bare, line)
            os.fsync(bare)
            ended = time.perf_counter()
            if n >= 50:
                recorded.append(middle - started)
                written.append(ended - again)
        os.close(bare)
        ports.close()
    show("record", recorded)
    show("write + fsync", written)
    ratio = statistics.median(written) / statistics.median(recorded)
    print(f"{events} events of {size} bytes: {ratio:.2f} of the bare rate (medians)")


def show(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    median = statistics.median(ordered)
    p99 = ordered[len(ordered) * 99 // 100]
    print(
        f"{name:<14} median {median * 1e6:7.0f} µs   p99 {p99 * 1e6:7.0f} µs   {1 / median:7.0f}/s"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=2000)
    parser.add_argument(
        "--folder", default=None, help="on which disk; the default for temporary files"
    )
    options = parser.parse_args()
    measure(options.folder, options.events)
