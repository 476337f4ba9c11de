"""A real run ends in reports that are true: valid, complete, and able to show a failure again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_eventstore.report import json_
from pytest_eventstore.requirements import load_requirements

ADAPTER = """
from eventstore_reference import memory

class Backwards:
    def __init__(self, inner, dsn):
        self._inner, self._dsn = inner, dsn

    def append(self, *events):
        return self._inner.append(*reversed(events))

    def load_all(self):
        return self._inner.load_all()

    def __getattr__(self, name):
        return getattr(self._inner, name)

def open_ports(location):
    ports = memory.open_ports(location)
    ports.event_store = Backwards(ports.event_store, "postgresql://me:tell-nobody@db/x")
    return ports
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    pytester.makepyfile(backwards=ADAPTER)
    return pytester


def run(project: pytest.Pytester, *options: str) -> tuple[pytest.RunResult, Any]:
    result = project.runpytest_subprocess(
        "--eventstore=backwards:open_ports",
        "--eventstore-report=out/report.json",
        "-p",
        "no:randomly",
        *options,
    )
    value = json.loads((project.path / "out" / "report.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(json_.schema()).validate(value)
    return result, value


def results(value: Any) -> dict[str, str]:
    return {r["id"]: r["result"] for r in value["targets"][0]["requirements"]}


@pytest.mark.parametrize("workers", ["0", "2"])
def test_the_report_says_what_the_run_found(project: pytest.Pytester, workers: str) -> None:
    result, value = run(
        project, "-k", "app_01 or app_10", "--eventstore-seed=5", "-n", workers,
        "--eventstore-report=out/report.md", "--eventstore-report=out/report.html",
        "--eventstore-report=out/report.svg",
    )  # fmt: skip
    assert result.ret == 1
    found = results(value)
    assert found.pop("APP-01") == "met"
    assert found.pop("APP-10") == "failed"
    assert set(found.values()) == {"not run"}
    assert len(found) == len(load_requirements()) - 2
    assert value["verdict"] == "non-conformant"
    assert value["environment"]["seed"] == 5
    assert value["targets"][0]["narrowed"] == ["-k app_01 or app_10"]
    for name in ("report.md", "report.html"):
        assert "APP-10" in (project.path / "out" / name).read_text(encoding="utf-8")
    assert not (project.path / "out" / "report.svg").exists()


def test_the_command_beside_a_failure_shows_it_again(project: pytest.Pytester) -> None:
    _, value = run(project, "-k", "app_10")
    failed = next(r for r in value["targets"][0]["requirements"] if r["id"] == "APP-10")
    trial = next(t for t in failed["trials"] if t["outcome"] == "failed")
    words = shlex.split(trial["reproduce"])
    assert words[0] == "pytest"
    again = project.runpytest_subprocess(*words[1:], "-p", "no:randomly")
    assert again.ret == 1
    assert f"seen:     {trial['finding']['seen']}" in again.stdout.str()


def test_a_run_that_is_cut_short_is_partial(project: pytest.Pytester) -> None:
    _, value = run(project, "-x", "-k", "AppendTests", "--eventstore-effort=quick")
    assert "not run" in results(value).values()
    assert value["targets"][0]["complete"] is False


def test_a_password_is_in_no_report_and_not_on_the_terminal(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = ADAPTER.replace(
        "return self._inner.load_all()", "raise ConnectionError(f'cannot reach {self._dsn}')"
    )
    project.makepyfile(backwards=broken)
    summary = project.path / "summary"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result, _ = run(
        project, "-k", "app_01 or ord_02", "--tb=short", "--junitxml=out/junit.xml",
        "--eventstore-report=out/report.html", f"--eventstore-report={summary}",
    )  # fmt: skip
    assert result.ret == 1
    shown = {path.name: path.read_text(encoding="utf-8") for path in written(project.path)}
    shown["terminal"] = result.stdout.str() + result.stderr.str()
    assert {"report.json", "report.html", "summary", "terminal"} <= shown.keys()
    for name, text in shown.items():
        assert "cannot reach" in text, name
        assert "tell-nobody" not in text, name


def written(folder: Path) -> list[Path]:
    return [*(folder / "out").iterdir(), folder / "summary"]
