"""The recipes to paste: parsed, and their steps run on a small project."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML comes with the extra docs")

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "docs" / "ci"
PARTIAL = 8

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that has an adapter where the recipes look for one."""
    package = tmp_path / "project" / "mypackage"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "testing.py").write_text("from eventstore_reference.memory import open_ports\n")
    return package.parent


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which a step runs one requirement instead of all."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_", "GITHUB_"))
    }
    return clean | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "-k test_app_01 -p no:randomly -p no:xdist -p no:cov",
    }


def run(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )


def supported() -> list[str]:
    """Return the Python versions that the package says it supports."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = (re.fullmatch(r".*Python :: (3\.\d+)", c) for c in project["classifiers"])
    return [match[1] for match in found if match]


def github() -> Any:
    return yaml.safe_load((RECIPES / "github-actions.yml").read_text())


def step(job: str, name: str) -> str:
    return next(str(s["run"]) for s in github()["jobs"][job]["steps"] if s.get("name") == name)


def test_the_workflow_hangs_together() -> None:
    workflow = github()
    jobs = workflow["jobs"]
    assert set(workflow[True]) == {"push", "pull_request", "schedule"}  # YAML reads "on" as true
    assert workflow["permissions"] == {"contents": "read"}
    assert jobs["conformance"]["strategy"]["matrix"]["python"] == supported()
    for job in jobs.values():
        assert job.get("needs", "conformance") in jobs
        for each in job["steps"]:
            assert ("uses" in each) != ("run" in each)
            assert re.fullmatch(r"actions/[\w-]+@v\d+", each.get("uses", "actions/checkout@v4"))


def test_its_main_step_writes_what_the_later_ones_take(
    project: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    summary = tmp_path / "summary"
    script = step("conformance", "Hold the adapter to the contract")
    script = re.sub(r"\$\{\{ .+? \}\}", "quick", script)
    done = run(script, project, environment | {"GITHUB_STEP_SUMMARY": str(summary)})
    assert done.returncode == PARTIAL, done.stdout
    assert "required, and missing: mypackage.testing:open_ports is partial" in done.stdout
    written = {path.name for path in (project / "conformance").iterdir()}
    assert written == {"report.json", "report.html", "junit.xml"}, "no badge for a partial run"
    assert "badge.svg not written" in done.stdout
    assert summary.read_text().startswith("## Event store contract 1.0")


@pytest.mark.parametrize("has_badge", [True, False])
def test_the_badge_is_pushed_alone(
    project: Path, environment: dict[str, str], tmp_path: Path, *, has_badge: bool
) -> None:
    git = tmp_path / "bin" / "git"
    git.parent.mkdir()
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout
    git.write_text(
        f'#!/bin/sh\n[ "$1" = push ] && exec echo "pushed $*"\nexec {real.strip()} "$@"\n'
    )
    git.chmod(0o755)
    if has_badge:
        (project / "badge.svg").write_text("<svg/>")
    script = step("badge", "Publish the badge on the branch badges").replace(
        "${{ github.token }}", "TOKEN"
    )
    environment |= {
        "PATH": f"{git.parent}{os.pathsep}{environment['PATH']}",
        "GITHUB_SHA": "abc123",
        "GITHUB_REPOSITORY": "me/mine",
    }
    done = run(script, project, environment)
    assert done.returncode == 0, done.stdout
    assert ("pushed push" in done.stdout) is has_badge
    if has_badge:
        listed = run("git ls-tree --name-only badges", project / "site", environment)
        assert listed.stdout == "badge.svg\n"


def test_the_gitlab_job_runs(project: Path, environment: dict[str, str]) -> None:
    job = yaml.safe_load((RECIPES / "gitlab-ci.yml").read_text())["conformance"]
    assert job["parallel"]["matrix"] == [{"PYTHON": supported()}]
    done = run(job["script"][-1], project, environment)
    assert done.returncode == PARTIAL, done.stdout
    assert (project / job["artifacts"]["reports"]["junit"]).is_file()


def test_what_the_recipes_install_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for recipe in RECIPES.iterdir():
        for extra in re.findall(r"pytest-eventstore\[(\w+)\]", recipe.read_text()):
            assert extra in extras, recipe.name


def test_the_hook_runs(project: Path, environment: dict[str, str]) -> None:
    done = run(f"sh {shlex.quote(str(RECIPES / 'pre-push'))}", project, environment)
    assert done.returncode == 0, done.stdout
    assert "verdict: partial" in done.stdout


def test_the_tox_session_runs(project: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("tox")
    (project / "tox.ini").write_text((RECIPES / "tox.ini").read_text())
    (project / "pyproject.toml").write_text("[build-system]\nrequires = ['hatchling']\n")
    done = run("tox config -e conformance -k commands deps env_tmp_dir", project, environment)
    assert done.returncode == 0, done.stdout
    assert "deps = pytest-eventstore[report]" in done.stdout
    command = done.stdout.partition("commands = ")[2].splitlines()[0]
    ran = run(command, project, environment)
    assert ran.returncode == PARTIAL, ran.stdout
    assert re.search(r"wrote \S+/conformance\.html", ran.stdout)


def test_the_nox_session_runs(project: Path, environment: dict[str, str]) -> None:
    pytest.importorskip("nox")
    (project / "noxfile.py").write_text((RECIPES / "noxfile.py").read_text())
    listed = run("nox --list", project, environment)
    for version in supported():
        assert f"* conformance-{version} -> Hold the adapter" in listed.stdout
    ran = run("nox --no-venv --no-install -s conformance", project, environment)
    assert ran.returncode != 0, ran.stdout
    assert f"failed with exit code {PARTIAL}" in ran.stdout
    assert re.search(r"wrote \S+/conformance\.html", ran.stdout)
