"""From sweeps to the end of a test: a violation, a reason why nothing is proven, or a pass."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pytest_eventstore.lab.faults.isolated import HAS_FORK, ChildError, call_isolated
from pytest_eventstore.lab.faults.judging import CLAUSES, Clause
from pytest_eventstore.lab.faults.lines import FIGURE
from pytest_eventstore.lab.faults.reports import Report, Settings
from pytest_eventstore.lab.tracer import HelperCrashError, JobError, shared_helper, why_not
from pytest_eventstore.outcomes import inconclusive, not_checkable, not_offered, violated

if TYPE_CHECKING:
    from pytest_eventstore.lab.bench import Bench

T = TypeVar("T", bound=Callable[..., None])

SWEEPS = {
    "kill": "kill:sweep",
    "rekill": "rekill:sweep",
    "tear": "tear:sweep",
    "refuse": "refuse:sweep",
    "lostsync": "refuse:sweep_lost_syncs",
    "forget": "forget:sweep",
    "damage": "damage:sweep",
    "counter": "lostcounter:sweep",
    "piles": "piles:sweep",
    "lines": "lines:sweep",
}
"""The function of each verb, under `lab.faults`; the verb is what replay tokens begin with."""

UNTRACED = frozenset({"damage", "counter", "lines"})
"""Verbs that need no tracer."""

FALLBACK = {"kill": "lines"}
"""What a verb falls back to where nothing can be traced."""

_SILENCE = 120.0


def replays(*kinds: str) -> Callable[[T], T]:
    """Mark a test as one that replays tokens of these kinds, for its own scenarios."""

    def mark(test: T) -> T:
        test.eventstore_replays = kinds  # type: ignore[attr-defined]  # what the plugin looks for
        return test

    return mark


def sweep(
    bench: Bench,
    verb: str,
    scenarios: Sequence[str],
    *,
    cause: str,
    clauses: tuple[Clause, ...] = tuple(CLAUSES),
    points: tuple[int, int, int] = (0, 0, 0),
    states: tuple[int, int, int] = (0, 0, 0),
    names_only: bool = False,
) -> None:
    """Sweep scenarios and end the test accordingly; return if all is well.

    Args:
        bench: The test's.
        verb: What goes wrong; see `SWEEPS`.
        scenarios: Which scenarios, or deposits, by name.
        cause: What usually breaks what is tested.
        clauses: Which kinds of problems count.
        points: How many points a scenario at quick, standard and thorough effort; 0 for all.
        states: The same for disks.
        names_only: Lose entries of directories, and no data.
    """
    if bench.replay is not None:
        _replay(bench, verb, scenarios)
    used = _usable(verb)
    settings = Settings(
        clauses=frozenset(clauses),
        points=bench.effort.pick(*points),
        states=bench.effort.pick(*states),
        seed=bench.seed,
        thorough=bench.effort.value == "thorough",
        names_only=names_only,
    )
    reports = []
    for name in scenarios:
        report = run(bench, used, name, settings)
        reports.append(report)
        bench.figures.update(report.figures)
        if report.found:
            _tell(report, cause)
    conclude(reports)


def run(bench: Bench, verb: str, name: str, settings: Settings) -> Report:
    """Run one sweep where it can be run: in the tracing process, or in a child of this one."""
    module, _, function = SWEEPS[verb].partition(":")
    module = f"pytest_eventstore.lab.faults.{module}"
    reference = bench.target.reference
    traces = why_not() is None
    report: Report
    if reference is not None and traces:
        try:
            report = shared_helper().call(
                f"{module}:{function}",
                reference,
                name,
                settings,
                progress=bench.progress,
                silence=_SILENCE,
            )
        except HelperCrashError as error:
            inconclusive(str(error))
        return report
    act = getattr(importlib.import_module(module), function)
    if not HAS_FORK or verb == "lines":
        report = act(reference or bench.target.factory, name, settings)
        return report
    # A factory that only this process has is taken along by a fork.
    try:
        report = call_isolated(act, bench.target.factory, name, settings, timeout=600)
    except ChildError as error:
        raise JobError(str(error)) from error
    return report


def _usable(verb: str) -> str:
    """Return the verb, or what it falls back to; ends the test if there is neither."""
    reason = None if verb in UNTRACED else why_not()
    if reason is None:
        return verb
    if verb not in FALLBACK:
        not_checkable(reason)
    return FALLBACK[verb]


def conclude(reports: Sequence[Report]) -> None:
    """End the test unless something was tried, all of it as meant."""
    doubts = [doubt for report in reports for doubt in report.doubts]
    if doubts:
        more = f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""
        inconclusive(f"{doubts[0]}{more}")
    tried = sum(sum(report.figures.values()) for report in reports)
    if not tried:
        reasons = [report.not_offered for report in reports if report.not_offered]
        if len(reasons) == len(reports):
            not_offered(reasons[0])
        inconclusive("no fault was tried")


def _tell(report: Report, cause: str) -> NoReturn:
    found = report.found[0]
    tokens = {f.token for f in report.found}
    tried = ", ".join(f"{count} {what}" for what, count in report.figures.items())
    disk: dict[str, Any] = dict(found.disk)
    if report.kept:
        disk["kept in"] = report.kept
    seen = found.problem.seen
    if report.kept:
        seen += f"\nthe disk as it was before anybody opened it is kept in {report.kept}"
    elif len(tokens) > 1:
        seen += f" (and wrong at {len(tokens) - 1} other points; tried: {tried})"
    weaker = f"; found by {FIGURE}" if FIGURE in report.figures else ""
    violated(
        expected=found.problem.expected,
        seen=seen,
        history=found.history,
        cause=cause + weaker,
        token=found.token,
        disk=disk,
    )


def _replay(bench: Bench, verb: str, scenarios: Sequence[str]) -> NoReturn:
    """Try the one point that the token names, keep its disk, and stop there."""
    assert bench.replay is not None
    wanted, _, rest = bench.replay.partition(":")
    name, _, point = rest.partition(":")
    if wanted not in (verb, FALLBACK.get(verb)) or name not in scenarios:
        not_offered(f"{bench.replay} is not a token of this test")
    if not point:
        inconclusive(f"{bench.replay!r} names no point; tokens read like forget:record:31:posix:7")
    try:
        report = run(bench, _usable(wanted), name, Settings(only=point))
    except (JobError, LookupError, ValueError) as error:
        why = str(error).strip().rpartition("\n")[2]
        inconclusive(f"{bench.replay!r} names no point of this adapter: {why}")
    bench.figures.update(report.figures)
    if report.found:
        _tell(report, "see the calls above; the folder holds what they left")
    conclude([report])
    inconclusive(f"nothing is wrong at {bench.replay}; the disk is kept in {report.kept}")
