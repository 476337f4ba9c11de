"""A requirement newer than the contract version asked for runs, and does not count."""

from __future__ import annotations

import json

import pytest

from plugin.pretend import SUITE

NEWER = """
import dataclasses
from functools import cache
from pytest_eventstore import requirements

whole = requirements.load_requirements()
changed = {**whole, "ORD-05": dataclasses.replace(whole["ORD-05"], since="1.1")}
requirements.load_requirements = lambda: changed
requirements.contract_version = lambda: "1.1"
"""


@pytest.mark.parametrize(
    ("arguments", "status", "result"),
    [
        ((), 1, "failed"),
        (("--eventstore-contract=1.1",), 1, "failed"),
        (("--eventstore-contract=1.0",), 0, "not scored"),
        (("--eventstore-contract=1.0", "--eventstore-require=ORD-05"), 1, "not scored"),
    ],
)
def test_what_came_later_is_not_scored(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    status: int,
    result: str,
) -> None:
    monkeypatch.setenv("PRETEND", "ORD-05=failed")
    pytester.makepyfile(test_pretend=SUITE)
    pytester.makeconftest(NEWER)
    ran = pytester.runpytest_subprocess("--eventstore-report=a.json", *arguments)
    assert ran.ret == status
    report = json.loads((pytester.path / "a.json").read_text())
    (target,) = report["targets"]
    assert {r["id"]: r["result"] for r in target["requirements"]}["ORD-05"] == result
    assert report["contract"] == ("1.0" if "--eventstore-contract=1.0" in arguments else "1.1")
