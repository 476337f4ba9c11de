"""Records: what one test says about one requirement, as JSON-able values on its report.

They ride on pytest's own reports, so they cross from a worker of pytest-xdist
to the controller by themselves.
"""

from __future__ import annotations

import math
import shlex
from dataclasses import asdict
from typing import Any, TypeAlias

import pytest

from pytest_eventstore.collect import (
    SUITE_NODE,
    is_within,
    requirement_tested,
    target_name,
    tier_of,
)
from pytest_eventstore.outcomes import (
    ContractViolation,
    Finding,
    Inconclusive,
    NotCheckable,
    NotOffered,
)
from pytest_eventstore.preflight import Preflight
from pytest_eventstore.report.redact import redact
from pytest_eventstore.requirements import Requirement
from pytest_eventstore.settings import Settings

Record: TypeAlias = dict[str, Any]

_PLAIN_SKIP: type[BaseException] = pytest.skip.Exception
_SKIPS: tuple[tuple[type[BaseException], str], ...] = (
    (NotOffered, "not offered"),
    (Inconclusive, "inconclusive"),
    (NotCheckable, "not checkable"),
)


def make_record(
    item: pytest.Item,
    call: pytest.CallInfo[None],
    report: pytest.TestReport,
    settings: Settings,
    preflight: Preflight | None,
) -> Record | None:
    """Return what this phase of a suite test says; None if it says nothing."""
    if report.passed and report.when != "call":
        return None
    bench = getattr(item, "funcargs", {}).get("eventstore_lab")
    error = call.excinfo.value if call.excinfo else None
    outcome = _outcome(error, report)
    requirement = requirement_tested(item)
    finding = _finding(error, requirement) if outcome == "failed" else None
    record = {
        "requirement": requirement.id,
        "level": requirement.level,
        "tier": tier_of(item),
        "part": requirement.part,
        "target": target_name(item),
        "test": item.nodeid,
        "outcome": outcome,
        "reason": "" if error is None else str(error),
        "finding": None if finding is None else finding.as_dict(),
        "figures": dict(bench.figures) if bench is not None else {},
        "duration": call.duration,
        "is_violation": violation_in(error) is not None,
        "known": "",
        "about": asdict(preflight) if preflight else None,
        "reproduce": reproduce(item, settings, finding.token if finding else ""),
    }
    return {name: plain(value) for name, value in record.items()}


def plain(value: Any) -> Any:
    """Return the value as JSON, execnet and any terminal can take it, whatever an adapter gave."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else plain(str(value))


def hide_secrets(report: pytest.TestReport) -> None:
    """Take passwords out of what pytest itself shows of a failure."""
    text = report.longreprtext
    if (shown := redact(text)) != text:
        report.longrepr = shown
    report.sections[:] = [(title, redact(content)) for title, content in report.sections]


def reproduce(item: pytest.Item, settings: Settings, token: str = "") -> str:
    """Return the command that runs this one test again, with the same chance."""
    words = ["pytest"]
    if is_within(item.nodeid, SUITE_NODE):
        name = target_name(item)
        words.append(f"--eventstore={name}")
    words += [item.nodeid, f"--eventstore-seed={settings.seed}"]
    if settings.effort != "standard":
        words.append(f"--eventstore-effort={settings.effort}")
    if token:
        words.append(f"--eventstore-replay={token}")
    return shlex.join(words)


def readable(record: Record, requirement: Requirement, error: BaseException | None) -> str:
    """Return a failure in words: the requirement, what was seen, how to see it again."""
    finding = record["finding"]
    lines = [
        f"{requirement.id} ({requirement.level.upper()}) {requirement.statement}",
        f"target:   {record['target']}",
    ]
    if violation := violation_in(error):
        lines.append(str(violation))
        if violation is not error:
            lines.append("not every run of the same calls failed: the adapter is not deterministic")
    else:
        lines.append(f"seen:     {finding['seen']}")
    lines += getattr(error, "__notes__", ())
    lines.append(f"reproduce: {record['reproduce']}")
    text: str = plain("\n".join(lines))
    return redact(text)


def violation_in(error: BaseException | None) -> ContractViolation | None:
    """Return the violation that an error is, or that Hypothesis found now and then."""
    if isinstance(error, ContractViolation):
        return error
    if isinstance(error, BaseExceptionGroup):
        return next(filter(None, map(violation_in, error.exceptions)), None)
    return None


def _outcome(error: BaseException | None, report: pytest.TestReport) -> str:
    if error is None:
        return "met"
    for kind, outcome in _SKIPS:
        if isinstance(error, kind):
            return outcome
    if isinstance(error, _PLAIN_SKIP):  # it names no reason that the contract knows
        return "not checkable"
    return "failed" if report.when == "call" else "error"


def _finding(error: BaseException | None, requirement: Requirement) -> Finding:
    if violation := violation_in(error):
        return violation.finding
    seen = f"{type(error).__name__}: {error}".rstrip(": ")
    return Finding(expected=requirement.statement, seen=seen, cause=requirement.breaks)
