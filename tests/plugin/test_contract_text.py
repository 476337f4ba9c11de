"""The contract on a terminal, by option and by command."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_eventstore.cli import main
from pytest_eventstore.requirements import load_requirements


def test_list_prints_every_requirement_and_runs_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("raise RuntimeError")
    result = pytester.runpytest("--eventstore-list")
    assert result.ret == 0
    text = result.stdout.str()
    for requirement in load_requirements().values():
        assert f"\n  {requirement.id}  {requirement.level.upper()}" in text
    assert "test session starts" not in text


def test_explain_prints_all_there_is_on_one(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--eventstore-explain", "snp-03")
    assert result.ret == 0
    text = " ".join(result.stdout.str().split())
    requirement = load_requirements()["SNP-03"]
    for part in (requirement.statement, requirement.rationale, requirement.how, requirement.breaks):
        assert " ".join(part.split()) in text


def test_the_command_lists_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "APP-01" in capsys.readouterr().out
    assert main(["explain", "APP-01"]) == 0
    assert load_requirements()["APP-01"].part in capsys.readouterr().out


def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["explain", "APP-99"]) == 4
    assert "'APP-99'" in capsys.readouterr().err
    missing = tmp_path / "old.json"
    assert main(["compare", str(missing), str(missing)]) == 4
    assert "old.json" in capsys.readouterr().err
