"""The exit status: what a pipeline decides on.

====== ====================================================================
status meaning
====== ====================================================================
0      whatever decides was met, and what was required is there
1      a requirement that decides is not met, another test failed, a list of
       known failures is not true, or a comparison came out worse
2      interrupted by the user
3      internal error of pytest
4      wrong usage: an unknown target, option value, id or key
5      no test of the contract ran, or none of a target's was met or failed
6      the harness is broken: a target cannot be imported or opened
7      inconclusive in what decides: a race did not overlap, a fault did not fire
8      a complete run was required, and this one is partial
====== ====================================================================

0 to 5 are pytest's own. A MUST decides; a SHOULD decides with
``--eventstore-level should``. Of several the first that applies counts, in the
order 2, 3, 4, 6, 1, 7, 5, 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

from pytest_eventstore.outcomes import EXIT_HARNESS_BROKEN, EXIT_INCONCLUSIVE, EXIT_PARTIAL
from pytest_eventstore.report.build import version_key
from pytest_eventstore.report.model import Result, Run, TargetResult, Verdict
from pytest_eventstore.requirements import load_requirements
from pytest_eventstore.settings import LEVELS, Settings

EXIT_OK = int(pytest.ExitCode.OK)
EXIT_FAILED = int(pytest.ExitCode.TESTS_FAILED)
EXIT_NOTHING_RAN = int(pytest.ExitCode.NO_TESTS_COLLECTED)

_OF_VERDICT = {
    Verdict.CONFORMANT: EXIT_OK,
    Verdict.NON_CONFORMANT: EXIT_FAILED,
    Verdict.INCONCLUSIVE: EXIT_INCONCLUSIVE,
    Verdict.PARTIAL: EXIT_PARTIAL,
}
_OF_RESULT = {
    Result.MET: EXIT_OK,
    Result.INCONCLUSIVE: EXIT_INCONCLUSIVE,
    Result.NOT_RUN: EXIT_PARTIAL,
    Result.NOT_CHECKABLE: EXIT_PARTIAL,
}


def decides(record: Mapping[str, Any], settings: Settings) -> bool:
    """Whether a test's failure fails the run: its level counts and its version is asked for."""
    requirement = load_requirements()[record["requirement"]]
    if version_key(requirement.since) > version_key(settings.contract):
        return False
    if requirement.id in settings.require:
        return True
    wanted = LEVELS[: LEVELS.index(settings.gating_level) + 1]
    return requirement.level in wanted


def unmet(run: Run, require: tuple[str, ...]) -> Iterator[tuple[str, int]]:
    """Yield why the run is not what ``--eventstore-require`` asks for, each with a status."""
    for target in run.targets:
        if require == ("conformant",):
            if target.verdict is not Verdict.CONFORMANT:
                yield f"{target.name} is {target.verdict}", _OF_VERDICT[target.verdict]
            continue
        for id_, result in _required(target, require):
            if result is not Result.MET:
                status = _OF_RESULT.get(result, EXIT_FAILED)
                yield f"{target.name} {id_} is {result}", status
    if require and not run.targets:
        yield "no target was tested", EXIT_NOTHING_RAN


def exit_status(
    status: int,
    *,
    broken: bool,
    failed: bool,
    records: Iterable[Mapping[str, Any]],
    required: Iterable[int],
    settings: Settings,
) -> int:
    """Return the exit status of a finished run.

    Args:
        status: pytest's own.
        broken: Whether a target could not be tested at all.
        failed: Whether something that decides failed.
        records: What the tests reported.
        required: The status of each thing that was required and is missing.
        settings: What decides.
    """
    if status not in (EXIT_OK, EXIT_FAILED, EXIT_NOTHING_RAN):
        return status
    if broken:
        return EXIT_HARNESS_BROKEN
    required = set(required)
    if failed or EXIT_FAILED in required:
        return EXIT_FAILED
    by_target: dict[str, set[str]] = {}
    inconclusive = EXIT_INCONCLUSIVE in required
    for record in records:
        by_target.setdefault(record["target"], set()).add(record["outcome"])
        inconclusive |= record["outcome"] == "inconclusive" and decides(record, settings)
    if inconclusive:
        return EXIT_INCONCLUSIVE
    if not by_target or not all(o & {"met", "failed"} for o in by_target.values()):
        return EXIT_NOTHING_RAN
    return EXIT_PARTIAL if EXIT_PARTIAL in required else EXIT_OK


def _required(target: TargetResult, require: tuple[str, ...]) -> Iterator[tuple[str, Result]]:
    level = next((word for word in require if word in LEVELS), None)
    levels = LEVELS[: LEVELS.index(level) + 1] if level else ()
    for requirement in target.requirements:
        if requirement.result is Result.NOT_SCORED and requirement.id not in require:
            continue
        if requirement.level in levels or requirement.id in require:
            yield requirement.id, requirement.result
