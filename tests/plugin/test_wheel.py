"""What a user installs: the built wheel, in a new environment, away from the source."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


class Installed:
    """A new environment with the wheel in it, and an empty folder to work in."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        self.home = folder / "venv"
        self.cwd = folder / "empty"
        self.cwd.mkdir()
        venv.create(self.home, with_pip=True)
        self.bin = self.home / ("Scripts" if os.name == "nt" else "bin")
        self.run("python", "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel))

    def run(self, command: str, *arguments: str) -> str:
        hidden = ("PYTHONPATH", "PYTEST_ADDOPTS", "PYTEST_PLUGINS")
        environment = {k: v for k, v in os.environ.items() if k not in hidden}
        done = subprocess.run(
            [self.bin / command, *arguments],
            cwd=self.cwd,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return Installed(wheel, tmp_path_factory.mktemp("installed"))


def test_the_wheel_holds_both_packages_and_their_data(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "pytest_eventstore/py.typed",
        "pytest_eventstore/requirements.toml",
        "pytest_eventstore/report/schema.json",
        "pytest_eventstore/suite/append.py",
        "eventstore_reference/py.typed",
        "eventstore_reference/memory.py",
    ):
        assert name in names
    assert not [name for name in names if name.startswith(("tests/", "reference/"))]


def test_the_source_is_out_of_reach(installed: Installed) -> None:
    code = "import pytest_eventstore as a, eventstore_reference as b; print(a.__file__, b.__file__)"
    for path in installed.run("python", "-c", code).split():
        assert Path(path).is_relative_to(installed.home)


def test_one_command_runs_the_ordinary_tier_in_an_empty_folder(installed: Installed) -> None:
    out = installed.run(
        "pytest", "--eventstore=reference", "--eventstore-tier=u", "--eventstore-effort=quick", "-v"
    )
    assert "eventstore-suite::AppendTests::test_app_01_" in out
    for part in ("Append", "Positions in reads", "Fidelity of data"):
        (row,) = [line for line in out.splitlines() if line.startswith(f"  {part} ")]
        met, _, planned = row.removeprefix(f"  {part}").split()[0].partition("/")
        assert met == planned
    assert "verdict: partial" in out
    assert [p.name for p in installed.cwd.iterdir() if not p.name.startswith(".")] == []


def test_asserts_are_rewritten_in_an_installed_suite(installed: Installed) -> None:
    code = (
        "import pytest, sys; pytest.main(['--eventstore=memory', '-q', '--co', '-k', 'app_01']); "
        "print(type(sys.modules['pytest_eventstore.suite.append'].__loader__).__name__)"
    )
    assert installed.run("python", "-c", code).split()[-1] == "AssertionRewritingHook"


def test_the_command_is_installed(installed: Installed) -> None:
    assert "APP-01" in installed.run("pytest-eventstore", "list")
