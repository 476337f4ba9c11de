"""The run as JSON, in a versioned format that other tools may rely on.

`schema.json` beside this module is its JSON Schema. A change that could break
a reader raises `FORMAT`; new keys do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib import resources
from typing import Any

from pytest_eventstore.report.build import finding_from
from pytest_eventstore.report.model import (
    Environment,
    RequirementResult,
    Result,
    Run,
    TargetResult,
    Trial,
)

FORMAT = 1


class NotAReportError(ValueError):
    """The text is not a report that this version can read."""


def render(run: Run) -> str:
    """Return the run as JSON text, stable from run to run but for what happened."""
    value = {
        "format": FORMAT,
        "contract": run.contract,
        "level": run.level,
        "verdict": run.verdict.value,
        "duration": round(run.duration, 3),
        "problems": run.problems,
        "environment": asdict(run.environment),
        "targets": [_target_object(target) for target in run.targets],
    }
    return json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the format."""
    text = (resources.files(__package__) / "schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def parse(text: str) -> Run:
    """Return the run that `render` wrote.

    Raises:
        NotAReportError: it is not JSON, not a report, or of a newer format.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise NotAReportError(f"not JSON: {error}") from error
    if not isinstance(value, dict) or "format" not in value or "targets" not in value:
        raise NotAReportError("not a report of pytest-eventstore: it lacks format and targets")
    if value["format"] != FORMAT:
        raise NotAReportError(
            f"the report has format {value['format']!r}; this version reads format {FORMAT}"
        )
    try:
        return _run(value)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotAReportError(f"damaged report: {type(error).__name__}: {error}") from error


def _target_object(target: TargetResult) -> dict[str, Any]:
    counts = {result.value: target.count(result) for result in Result}
    return {
        "name": target.name,
        "spec": target.spec,
        "adapter": target.adapter,
        "capabilities": dict(target.capabilities),
        "verdict": target.verdict.value,
        "complete": target.is_complete,
        "narrowed": list(target.narrowed),
        "counts": {name: number for name, number in counts.items() if number},
        "seconds": dict(target.seconds),
        "figures": dict(target.figures),
        "requirements": [asdict(r) | {"result": r.result.value} for r in target.requirements],
    }


def _run(value: Mapping[str, Any]) -> Run:
    environment = dict(value["environment"])
    environment["tiers"] = tuple(environment["tiers"])
    known_keys = Environment.__dataclass_fields__
    return Run(
        contract=value["contract"],
        level=value["level"],
        environment=Environment(**{k: v for k, v in environment.items() if k in known_keys}),
        targets=tuple(_target(t, value["level"]) for t in value["targets"]),
        duration=value["duration"],
        problems=tuple(value["problems"]),
    )


def _target(value: Mapping[str, Any], level: str) -> TargetResult:
    return TargetResult(
        name=value["name"],
        spec=value["spec"],
        adapter=value["adapter"],
        capabilities=value["capabilities"],
        requirements=tuple(_requirement(r) for r in value["requirements"]),
        figures=value["figures"],
        seconds=value["seconds"],
        level=level,
        narrowed=tuple(value["narrowed"]),
    )


def _requirement(value: Mapping[str, Any]) -> RequirementResult:
    return RequirementResult(
        id=value["id"],
        level=value["level"],
        tier=value["tier"],
        part=value["part"],
        statement=value["statement"],
        since=value["since"],
        result=Result(value["result"]),
        reason=value["reason"],
        known=value["known"],
        trials=tuple(_trial(t) for t in value["trials"]),
    )


def _trial(value: Mapping[str, Any]) -> Trial:
    finding = value["finding"]
    return Trial(
        test=value["test"],
        tier=value["tier"],
        outcome=value["outcome"],
        reason=value["reason"],
        finding=None if finding is None else finding_from(finding),
        reproduce=value["reproduce"],
        duration=value["duration"],
    )
