"""A run with every kind of result in it, for the tests of all formats."""

from __future__ import annotations

from typing import Any

from pytest_eventstore.report.build import TargetInfo, build_run
from pytest_eventstore.report.model import Environment, Run
from pytest_eventstore.requirements import load_requirements

SECRET = "hunter2/@x"  # what must never come out
DSN = f"postgresql://app:{SECRET}@db.example/events"

TIMELINE = (
    {"process": "writer A", "operation": "alloc_seq_nr()", "called": 0, "returned": 1_450_000,
     "outcome": "→ 6", "error": None},
    {"process": "writer B", "operation": "record(type='paid')", "called": 210_000,
     "returned": 2_350_000, "outcome": "→ #5 e-5", "error": None},
    {"process": "reader", "operation": "load_after_seq_nr(4)", "called": 1_600_000,
     "returned": 1_980_000, "outcome": "→ [#6 e-6]", "error": None},
    {"process": "writer A", "operation": "save('amadeus.state', 6, …)", "called": 2_100_000,
     "returned": 2_900_000, "outcome": "raised LockTimeoutError", "error": "LockTimeoutError"},
    {"process": "writer C", "operation": "record(type='shipped')", "called": 2_500_000,
     "returned": None, "outcome": "never came back", "error": None},
)  # fmt: skip
DISK = {
    "model": "posix",
    "lost": [4],
    "files": {
        "events/2026-11-24.jsonl": {"size": 4213, "end": '"data":{"n":3}}\\x0a'},
        "snapshots/.tmp-1": {"size": 0, "end": ""},
    },
}
CRASH = (
    "     -- save('amadeus.state', 9, …) begins",
    "   1 openat(snapshots/.tmp-1)",
    "   2 write(snapshots/.tmp-1, 214 bytes)",
    "   3 fsync(snapshots/.tmp-1)",
    "   4 rename(snapshots/.tmp-1, snapshots/amadeus.state.json)   <- LOST",
    "     -- save('amadeus.state', 9, …) acknowledged",
    "     == power lost (posix): what is marked LOST never reached the disk",
    "acknowledged by then:",
    "     save('amadeus.state', 9, …)",
)


def report(
    id_: str, outcome: str = "met", *, target: str = "reference", **more: Any
) -> dict[str, Any]:
    """Return what a test report carries."""
    requirement = load_requirements()[id_]
    test = f"eventstore-suite::Tests::test_{id_.lower().replace('-', '_')}_sample[{target}]"
    return {
        "requirement": id_,
        "level": requirement.level,
        "tier": requirement.tier,
        "part": requirement.part,
        "target": target,
        "test": test,
        "outcome": outcome,
        "reason": "",
        "finding": None,
        "figures": {},
        "duration": 0.05,
        "reproduce": f"pytest --eventstore={target} '{test}' --eventstore-seed=7",
    } | more


def finding(**more: Any) -> dict[str, Any]:
    """Return a finding as a test report carries it."""
    return {
        "expected": "the snapshot saved with number 9",
        "seen": "the snapshot saved with number 4",
        "history": ["save('amadeus.state', 9, b'new')", "save('amadeus.state', 4, b'old')",
                    "load('amadeus.state') → #4 b'old'"],
        "cause": "The write replaces the file without looking at the number in it.",
        "token": "",
        "timeline": [],
        "disk": None,
    } | more  # fmt: skip


def all_met(target: str = "reference") -> list[dict[str, Any]]:
    """Return reports in which every requirement is met."""
    return [report(id_, target=target) for id_ in load_requirements()]


def mixed(target: str = "pg") -> list[dict[str, Any]]:
    """Return reports in which something of everything occurs."""
    special: dict[str, dict[str, Any]] = {
        "SNP-03": {"outcome": "failed", "finding": finding()},
        "CON-03": {
            "outcome": "failed",
            "finding": finding(
                expected="no event numbered 6 or lower after a reader was given 6",
                seen=f"5 appeared after 6 was read, through {DSN}",
                cause="Allocating and appending are two steps; nothing holds readers back.",
                token="stress:record:7",
                timeline=list(TIMELINE),
                history=["writer A  ├───┤        0.000 to 1.450 ms  alloc_seq_nr()  → 6"],
            ),
            "figures": {"races": 40, "races overlapped": 38},
        },
        "CRA-06": {
            "outcome": "failed",
            "finding": finding(
                expected="the acknowledged snapshot",
                seen="none",
                cause="The directory is not synced after the rename.",
                disk=DISK,
                history=list(CRASH),
            ),
            "figures": {"disk states": 1300, "kill points": 265},
        },
        "CON-07": {"outcome": "failed", "finding": finding(seen="5, 7", expected="5, 6")},
        "BAD-01": {"outcome": "failed", "finding": finding(seen="<b>../x & y</b>\x00\ud800")},
        "CON-02": {"outcome": "inconclusive", "reason": "inconclusive: no two calls overlapped"},
        "CRA-05": {"outcome": "not checkable", "reason": "not checkable here: ptrace is forbidden"},
        "RES-02": {"outcome": "error", "reason": f"cannot connect with password={SECRET}"},
        "PER-01": {
            "figures": {
                "times the cost of an append for 100 times the history": 1.024,
                "% of noise in an append": 4,
                "an append, µs at 1,000 events": 140,
                "an append, µs at 10,000 events": 150,
                "an append, µs at 100,000 events": 151,
            }
        },
        "APP-01": {"figures": {"examples": 1204}},
    }  # fmt: skip
    reports = []
    for id_ in load_requirements():
        if id_.startswith("ARC"):
            reason = "not offered: the adapter has no archive"
            reports.append(report(id_, "not offered", target=target, reason=reason))
        elif id_ != "SEQ-07":
            reports.append(report(id_, target=target, **special.get(id_, {})))
    return reports


def make(reports: list[dict[str, Any]], **more: Any) -> Run:
    """Return the run of such reports."""
    names = list(dict.fromkeys(r["target"] for r in reports))
    options: dict[str, Any] = {
        "requirements": load_requirements(),
        "targets": [
            TargetInfo(
                name=name,
                spec=f"{name}.testing:open_ports",
                adapter="FileEventStore" if name == "reference" else "PostgresEventStore",
                capabilities={"durability": "power", "sharing": "process"},
            )
            for name in names
        ],
        "environment": Environment(
            python="3.12.4",
            platform="Linux-6.18-x86_64",
            plugin="0.1.0",
            pytest="9.2.0",
            hypothesis="6.170",
            seed=7,
            effort="standard",
            command=f"pytest --eventstore=reference --eventstore=pg --dsn={DSN}",
            started="2026-11-25T12:00:00+00:00",
        ),
        "contract": "1.0",
        "duration": 83.2,
    }
    return build_run(reports, **(options | more))


def two_targets() -> Run:
    """Return a run of a conformant target and of one that is anything but."""
    return make(
        [*all_met(), *mixed()],
        selected=[(target, id_) for target in ("reference", "pg") for id_ in load_requirements()],
        known={("pg", "CON-07"): "https://example.org/issues/12"},
    )
