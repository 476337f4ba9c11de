"""The exit status, as a function of what a run came to."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_eventstore.gates import exit_status
from pytest_eventstore.settings import Settings

SETTINGS = Settings(contract="1.0")


def records(*outcomes: str, target: str = "pg") -> list[dict[str, Any]]:
    return [{"requirement": "APP-01", "target": target, "outcome": outcome} for outcome in outcomes]


@pytest.mark.parametrize("status", [2, 3, 4])
def test_what_kept_pytest_from_running_comes_first(status: int) -> None:
    assert status == exit_status(
        status,
        broken=True,
        failed=True,
        records=records("inconclusive"),
        required=[8],
        settings=SETTINGS,
    )


@pytest.mark.parametrize(
    ("broken", "failed", "outcomes", "required", "status"),
    [
        (False, False, ["met"], [], 0),
        (False, False, ["met", "not offered", "not checkable"], [], 0),
        (True, True, ["met", "inconclusive"], [1, 7, 8], 6),
        (False, True, ["met", "inconclusive"], [7, 8], 1),
        (False, False, ["met", "inconclusive"], [1, 8], 1),
        (False, False, ["met", "inconclusive"], [8], 7),
        (False, False, ["met"], [7], 7),
        (False, False, ["met"], [8], 8),
        (False, False, ["not offered"], [8], 5),
        (False, False, [], [], 5),
        (False, False, ["error"], [], 5),
    ],
)
def test_of_several_the_first_counts(
    broken: bool, failed: bool, outcomes: list[str], required: list[int], status: int
) -> None:
    found = exit_status(
        0,
        broken=broken,
        failed=failed,
        records=records(*outcomes),
        required=required,
        settings=SETTINGS,
    )
    assert found == status


def test_one_target_of_which_nothing_ran_is_not_covered_by_another() -> None:
    found = exit_status(
        0,
        broken=False,
        failed=False,
        records=records("met") + records("not offered", target="other"),
        required=[],
        settings=SETTINGS,
    )
    assert found == 5


@pytest.mark.parametrize(("level", "status"), [("", 0), ("must", 0), ("should", 7)])
def test_an_inconclusive_should_decides_only_where_a_should_does(level: str, status: int) -> None:
    found = exit_status(
        0,
        broken=False,
        failed=False,
        records=[
            *records("met"),
            {"requirement": "PER-01", "target": "pg", "outcome": "inconclusive"},
        ],
        required=[],
        settings=Settings(contract="1.0", level=level),
    )
    assert found == status
