"""The docs do what they say: every block is run, every page rendered, every link checked."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest

from docs.blocks import FILES, matches, perform, read_blocks, read_console
from pytest_eventstore import outcomes
from pytest_eventstore.requirements import load_requirements

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md"))


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return what a reader's shell has, without what this test run has added."""
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "COV_", "GITHUB_"))
    }
    return clean | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTEST_ADDOPTS": "-p no:randomly -p no:xdist -p no:cov -p no:cacheprovider",
        "COLUMNS": "100",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_how_it_is_run(page: str) -> None:
    for block in read_blocks(DOCS / page):
        where = f"{page}:{block.line}"
        assert block.language in ("console", *FILES), f"{where}: {block.language!r} cannot be run"
        if block.language == "console":
            assert read_console(block.body), f"{where}: nothing is typed"
        else:
            assert block.title or block.language == "python", f"{where}: no file to write to"
    fences = (DOCS / page).read_text(encoding="utf-8").count("```")
    assert fences == 2 * len(read_blocks(DOCS / page)), f"{page}: a block was not found"


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if read_blocks(DOCS / page)])
def test_a_page_does_what_it_says(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    with ExitStack() as stack:
        for block in read_blocks(DOCS / page):
            if block.needs:
                environment |= provide(block.needs, stack)
            try:
                perform(block, tmp_path, environment)
            except AssertionError as error:
                pytest.fail(f"docs/{page}:{block.line}\n{error}", pytrace=False)


def provide(name: str, stack: ExitStack) -> dict[str, str]:
    """Return what the environment gets when a page needs something beside Python."""
    assert name == "PostgreSQL"
    from adapters.postgres_server import binaries, running_server

    if binaries() is None:
        pytest.skip("no PostgreSQL server is installed")
    return {"EVENTSTORE_POSTGRES": stack.enter_context(running_server())}


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "reference" / "contract" / "index.html").is_file()


@pytest.fixture(scope="module")
def render() -> ModuleType:
    pytest.importorskip("mkdocs", reason="the extra docs is not installed")
    spec = importlib.util.spec_from_file_location("docs_render", DOCS / "render.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_contract_page_has_every_requirement_in_full(render: ModuleType) -> None:
    text = "\n".join(render.contract())
    for requirement in load_requirements().values():
        assert f"### {requirement.id} {{ #{requirement.id} }}" in text
        for said in (requirement.statement, requirement.rationale, requirement.breaks):
            assert said in text


def test_every_bug_is_of_a_requirement(render: ModuleType) -> None:
    bugs = [bug for found in render._bugs().values() for bug in found]
    assert bugs
    for bug in bugs:
        assert bug["requirement"] in load_requirements()
        assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", bug["where"])


def test_the_options_page_has_every_option(render: ModuleType, pytester: pytest.Pytester) -> None:
    text = "\n".join(render.option_list())
    told = pytester.runpytest("--help").stdout.str()
    names = set(re.findall(r"--eventstore[\w-]*", told.partition("conformance of event stores")[2]))
    assert names
    assert {re.match(r"`(--[\w-]+)", line)[1] for line in text.splitlines() if line[:1] == "`"} >= (  # type: ignore[index]
        names - {"--eventstore-"}
    )


def test_the_exit_statuses_are_those_of_the_code(render: ModuleType) -> None:
    text = "\n".join(render.exit_statuses())
    for status in (
        *pytest.ExitCode,
        outcomes.EXIT_HARNESS_BROKEN,
        outcomes.EXIT_INCONCLUSIVE,
        outcomes.EXIT_PARTIAL,
    ):
        assert f"| {int(status)} |" in text


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("a\nb", "a\nb", True),
        ("a", "a\nb", False),
        ("a\n...", "a\nb\nc", True),
        ("...\nc", "a\nb\nc", True),
        ("a\n...\nc", "a\nc", True),
        ("in ... s", "in 1.2 s", True),
        ("in ... s", "in 1.2 min", False),
        ("a.c", "abc", False),
    ],
)
def test_output_is_held_to_what_the_page_shows(expected: str, printed: str, same: bool) -> None:
    assert matches(expected.splitlines(), printed.splitlines()) is same
