"""Makes a `Run` of what the tests reported."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_eventstore.report.model import (
    Environment,
    Finding,
    RequirementResult,
    Result,
    Run,
    TargetResult,
    Trial,
    first_line,
)
from pytest_eventstore.report.redact import presentable, secrets_in
from pytest_eventstore.requirements import Requirement

_DECISIVE = (
    Result.FAILED,
    Result.ERROR,
    Result.INCONCLUSIVE,
    Result.MET,
    Result.NOT_CHECKABLE,
    Result.NOT_OFFERED,
)


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """What a report says of a target beside its results.

    Args:
        name: What the run calls it.
        spec: ``module:attribute``, as given.
        adapter: The class of its event store.
        capabilities: What it declares.
    """

    name: str
    spec: str = ""
    adapter: str = ""
    capabilities: Mapping[str, str] = field(default_factory=dict)


def build_run(
    reports: Iterable[Mapping[str, Any]],
    *,
    requirements: Mapping[str, Requirement],
    targets: Sequence[TargetInfo],
    environment: Environment,
    contract: str,
    level: str = "must",
    selected: Iterable[tuple[str, str]] | None = None,
    left_out: Iterable[tuple[str, str]] = (),
    narrowed: Iterable[str] = (),
    known: Mapping[tuple[str, str], str] | None = None,
    duration: float = 0.0,
    problems: Iterable[str] = (),
    secrets: Iterable[str] = (),
) -> Run:
    """Return the run, with every text in it redacted and printable.

    Args:
        reports: The `eventstore` dicts of the test reports.
        requirements: The contract; one whose `since` is above `contract` is not scored.
        targets: The adapters, in the order to show them.
        environment: Where and how it ran.
        contract: The contract version asked for.
        level: The level that decides the verdict.
        selected: One ``(target, requirement id)`` for each test that was to
            run; a requirement with fewer reports than that is *not run*. None
            takes what ran for what was selected.
        left_out: One pair for each test that was deselected.
        narrowed: Why the selection is smaller than the contract, in the words
            of the command line, such as ``-k snp``.
        known: Link or remark of each known failure, by ``(target, requirement id)``.
        duration: The seconds the run took.
        problems: What is wrong with the run beside any requirement.
        secrets: Passwords to hide wherever they stand, beside those found.
    """
    hidden = set(secrets) | secrets_in(environment.command)
    for target in targets:
        hidden |= secrets_in(target.spec)
    scope = _Scope(
        requirements=requirements,
        contract=contract,
        level=level,
        selected=None if selected is None else Counter(selected),
        left_out=Counter(left_out),
        narrowed=tuple(presentable(list(narrowed), hidden)),
        known=known or {},
    )
    grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for report in reports:
        grouped[report["target"]].append(presentable(dict(report), hidden))
    shown = presentable(vars(environment), hidden)
    return Run(
        contract=contract,
        level=level,
        environment=Environment(**{**shown, "tiers": tuple(shown["tiers"])}),
        targets=tuple(
            scope.result_of(
                target.name,
                TargetInfo(**presentable(vars(target), hidden)),
                grouped[target.name],
            )
            for target in targets
        ),
        duration=duration,
        problems=tuple(presentable(list(problems), hidden)),
    )


def version_key(version: str) -> tuple[int, ...]:
    """Return a sort key for a contract version such as ``1.0``."""
    return tuple(int(part) for part in version.split("."))


def combine(outcomes: Iterable[str]) -> Result:
    """Return what several tests of one requirement say together.

    One failure is a failure; else one doubt is a doubt; it is met only if some
    test passed and none failed or doubted.
    """
    seen = set(outcomes)
    return next((result for result in _DECISIVE if result.value in seen), Result.NOT_RUN)


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """What the run was about; see `build_run`."""

    requirements: Mapping[str, Requirement]
    contract: str
    level: str
    selected: Counter[tuple[str, str]] | None
    left_out: Counter[tuple[str, str]]
    narrowed: tuple[str, ...]
    known: Mapping[tuple[str, str], str]

    def result_of(
        self, name: str, shown: TargetInfo, reports: Sequence[Mapping[str, Any]]
    ) -> TargetResult:
        """Return what the reports say of the target of that name, to be shown as `shown`."""
        by_id: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        figures: dict[str, Any] = {}
        seconds: Counter[str] = Counter()
        for report in reports:
            by_id[report["requirement"]].append(report)
            seconds[report["tier"]] += report.get("duration", 0.0)
            _add_figures(figures, report.get("figures") or {})
        return TargetResult(
            **vars(shown),
            requirements=tuple(
                self._requirement_result(name, requirement, by_id[requirement.id])
                for requirement in self.requirements.values()
            ),
            figures=figures,
            seconds={tier: round(spent, 3) for tier, spent in seconds.items()},
            level=self.level,
            narrowed=self.narrowed,
        )

    def _requirement_result(
        self, target: str, requirement: Requirement, reports: Sequence[Mapping[str, Any]]
    ) -> RequirementResult:
        key = (target, requirement.id)
        trials = tuple(_trial(report) for report in reports)
        planned = len(trials) if self.selected is None else self.selected[key]
        missing = self.left_out[key]
        result = _result_of(trials, planned=planned, missing=missing)
        if result is Result.FAILED and key in self.known:
            result = Result.KNOWN
        if version_key(requirement.since) > version_key(self.contract):
            result = Result.NOT_SCORED
        return RequirementResult(
            id=requirement.id,
            level=requirement.level,
            tier=requirement.tier,
            part=requirement.part,
            statement=requirement.statement,
            since=requirement.since,
            result=result,
            reason=_reason(result, trials, planned, missing),
            known=self.known.get(key, ""),
            trials=trials,
        )


def _result_of(trials: tuple[Trial, ...], *, planned: int, missing: int) -> Result:
    result = combine(t.outcome for t in trials)
    if result is not Result.FAILED and (len(trials) < planned or missing):
        return Result.NOT_RUN
    return result


def _reason(result: Result, trials: tuple[Trial, ...], planned: int, missing: int) -> str:
    if result is Result.NOT_RUN:
        total = max(planned, len(trials)) + missing
        if not total:
            return "not selected"
        return f"{len(trials)} of {total} tests ran"
    wanted = Result.FAILED if result is Result.KNOWN else result
    for trial in trials:
        if trial.outcome == wanted and trial.reason:
            return first_line(trial.reason)
    return ""


def _trial(report: Mapping[str, Any]) -> Trial:
    finding = report.get("finding")
    return Trial(
        test=report.get("test", ""),
        tier=report["tier"],
        outcome="failed" if report["outcome"] == "known" else report["outcome"],
        reason=_without_outcome(report.get("reason") or ""),
        finding=None if finding is None else finding_from(finding),
        reproduce=report.get("reproduce") or "",
        duration=round(report.get("duration", 0.0), 4),
    )


def _without_outcome(reason: str) -> str:
    """Cut the outcome's name, which every report shows beside the reason."""
    for prefix in ("not offered: ", "not checkable here: ", "inconclusive: "):
        reason = reason.removeprefix(prefix)
    return reason


def finding_from(value: Mapping[str, Any]) -> Finding:
    """Return the finding that `outcomes.Finding.as_dict` wrote."""
    return Finding(
        expected=value.get("expected", ""),
        seen=value.get("seen", ""),
        history=tuple(value.get("history") or ()),
        cause=value.get("cause", ""),
        token=value.get("token", ""),
        timeline=tuple(value.get("timeline") or ()),
        disk=value.get("disk"),
    )


def _add_figures(total: dict[str, Any], figures: Mapping[str, Any]) -> None:
    """Add counts up; anything else is kept as it is."""
    for name, value in figures.items():
        if isinstance(value, (int, float)) and isinstance(total.get(name, 0), (int, float)):
            total[name] = total.get(name, 0) + value
        else:
            total[name] = value
