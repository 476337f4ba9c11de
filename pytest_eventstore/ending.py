"""The end of a run: reports are written, gates are held, and the summary is printed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_eventstore import gates, known_update
from pytest_eventstore.known import stale
from pytest_eventstore.outcomes import EXIT_PARTIAL
from pytest_eventstore.report import UnwritableReportError, write
from pytest_eventstore.report.compare import compare
from pytest_eventstore.report.compare import read as read_report
from pytest_eventstore.report.model import Result, Run
from pytest_eventstore.report.redact import redact
from pytest_eventstore.report.terminal import write_summary
from pytest_eventstore.resolve import registered
from pytest_eventstore.summary import make_run, narrowed_by

if TYPE_CHECKING:
    from pytest_eventstore.running import SuiteRun


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What a run came to: the reports' `Run`, lines to print, and the exit status."""

    run: Run
    lines: tuple[str, ...]
    status: int


def conclude(watched: SuiteRun, session: pytest.Session, status: int) -> Ending:
    """Write the reports, hold the gates, and return what the run came to."""
    settings, records = watched.settings, list(watched.records.values())
    problems = [
        f"broken harness: {name}: {watched.preflights[name].problem}" for name in watched.broken
    ]
    problems += _list_problems(watched)
    run = make_run(watched, time.time() - watched.started, problems)
    lines: list[str] = []
    unmet = list(gates.unmet(run, settings.require))
    lines += [f"required, and missing: {text}" for text, _ in unmet]
    is_worse = _write_diff(watched, run, lines)
    list_is_wrong = len(problems) > len(watched.broken)
    lines_failed = _write_reports(watched, run, lines)
    refused = _update_known(watched, run, lines)
    status = gates.exit_status(
        status,
        broken=bool(watched.broken),
        failed=is_worse or list_is_wrong or lines_failed or _failed(watched, session, status),
        records=records,
        required=[*(s for _, s in unmet), *refused],
        settings=watched.settings,
    )
    return Ending(run=run, lines=tuple(redact(line) for line in lines), status=status)


def print_ending(watched: SuiteRun, ending: Ending, reporter: pytest.TerminalReporter) -> None:
    """Print the summary; the verdict is its last line."""
    for line in ending.lines:
        reporter.write_line(line)
    details = watched.config.getoption("tbstyle", "auto") == "no"
    write_summary(reporter, ending.run, details=details)


def _failed(watched: SuiteRun, session: pytest.Session, status: int) -> bool:
    """Whether pytest's failures include one that decides; a SHOULD's does not, unless asked."""
    if status != gates.EXIT_FAILED:
        return False
    return bool(session.shouldfail) or session.testsfailed != watched.undecisive_failures


def _list_problems(watched: SuiteRun) -> list[str]:
    known = watched.known
    left_out = set(watched.outline.left_out)
    narrowed = narrowed_by(watched.config, watched.settings)
    targets = {record["target"] for record in watched.records.values()} | set(watched.preflights)
    exist = {*registered(), *watched.settings.named}
    absent = {
        entry.target
        for entry in known.entries
        if entry.target not in targets and (narrowed or entry.target in exist)
    }
    if narrowed:
        ran = {(r["target"], r["requirement"]) for r in watched.records.values()}
        left_out |= {entry.key for entry in known.entries if entry.key not in ran}
    return [*known.problems, *stale(known, watched.records.values(), left_out, absent)]


def _write_reports(watched: SuiteRun, run: Run, lines: list[str]) -> bool:
    """Write each report; return whether one of them could not be written."""
    failed = False
    for path in watched.settings.reports:
        try:
            lines.append(f"report: {write(run, path)}")
        except (OSError, UnwritableReportError) as error:
            lines.append(f"report: {path} could not be written: {error}")
            failed = True
    return failed


def _write_diff(watched: SuiteRun, run: Run, lines: list[str]) -> bool:
    """Compare with the earlier report; return whether this run is worse."""
    if watched.settings.diff is None:
        return False
    comparison = compare(read_report(watched.settings.diff), run)
    lines.append(f"compared with {watched.settings.diff}:")
    lines.extend(comparison.lines())
    return comparison.is_worse


def _update_known(watched: SuiteRun, run: Run, lines: list[str]) -> list[int]:
    """Rewrite the list of known failures, if asked; return a status if that was refused."""
    path = watched.settings.known
    if not watched.settings.known_update or path is None:
        return []
    unfinished = [
        target.name
        for target in run.targets
        if target.narrowed
        or target.count(Result.NOT_RUN, among=target.gating)
        or target.count(Result.ERROR)
        or target.count(Result.INCONCLUSIVE)
    ]
    if unfinished or watched.broken or not run.targets:
        names = ", ".join([*unfinished, *watched.broken]) or "no target"
        lines.append(f"known failures not rewritten: the run is partial ({names})")
        return [EXIT_PARTIAL]
    try:
        lines.append(
            "known failures: "
            + known_update.update(path, watched.known, list(watched.records.values()))
        )
    except (OSError, ValueError) as error:
        lines.append(f"known failures not rewritten: {error}")
        return [gates.EXIT_FAILED]
    return []
