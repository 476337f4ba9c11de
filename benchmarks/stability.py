"""Run the suite on correct adapters with one seed after the other, and count the verdicts.

A suite that fails a correct adapter once in a hundred runs is not used for long.

Usage: python benchmarks/stability.py [--runs 20] [--tier u] [--first-seed 1] TARGET...
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
TARGETS = ("reference", "memory", "adapters.sqlite_tables:open_ports")


def run(target: str, tier: str, seed: int, folder: Path) -> tuple[str, float, list[str]]:
    """Return the verdict of one run, its seconds, and what it said if it was not all well."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--eventstore={target}", f"--eventstore-tier={tier}"]
    command += [f"--eventstore-seed={seed}", f"--eventstore-report={report}"]
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if not report.exists():
        return f"exit status {done.returncode}", seconds, done.stdout.splitlines()[-20:]
    results = Counter(
        requirement["result"]
        for found in json.loads(report.read_text())["targets"]
        for requirement in found["requirements"]
        if requirement["result"] not in ("met", "not run", "not offered", "not checkable")
    )
    if done.returncode not in (0, 8) or results:
        verdict = ", ".join(f"{count} {name}" for name, count in sorted(results.items()))
        return verdict or f"exit status {done.returncode}", seconds, done.stdout.splitlines()[-60:]
    return "passed", seconds, []


def main() -> int:
    """Run, print one line a target, and return 1 if any run did not pass."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("targets", nargs="*", default=TARGETS)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--tier", default="u")
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args()
    clean = True
    for target in options.targets:
        verdicts: Counter[str] = Counter()
        times = []
        for seed in range(options.first_seed, options.first_seed + options.runs):
            with tempfile.TemporaryDirectory(prefix="stability-") as folder:
                verdict, seconds, said = run(target, options.tier, seed, Path(folder))
            verdicts[verdict] += 1
            times.append(seconds)
            if said:
                print(f"{target}, seed {seed}: {verdict}", *said, sep="\n  ", flush=True)
        counts = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.most_common())
        middle, longest = statistics.median(times), max(times)
        print(f"{target}: {counts}; {middle:.1f} s median, {longest:.1f} s longest", flush=True)
        clean = clean and set(verdicts) == {"passed"}
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
