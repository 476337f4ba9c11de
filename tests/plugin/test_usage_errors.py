"""Wrong usage ends at once, in one line that quotes what is wrong, with status 4."""

from __future__ import annotations

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import ADAPTERS

USAGE_ERROR = pytest.ExitCode.USAGE_ERROR


def said(result: pytest.RunResult) -> str:
    """Return the one line of a usage error."""
    assert result.ret == USAGE_ERROR, result.stdout.str()
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--eventstore=nope"], ["unknown target 'nope'", "memory", "reference"]),
        (["--eventstore=no_such_module:x"], ["'no_such_module:x'", "no module 'no_such_module'"]),
        (["--eventstore=pretended.sub:x"], ["no module 'pretended.sub'"]),
        (["--eventstore=pretended:nope"], ["'pretended:nope'", "'pretended' has no 'nope'"]),
        (["--eventstore=pretended:Forgetful.nope"], ["'Forgetful' has no 'nope'"]),
        (["--eventstore=pretended:"], ["'pretended:'", "module:factory"]),
        (["--eventstore=a/b.py:x"], ["'a/b.py:x'", "module:factory"]),
        (["--eventstore=pretended:NOT_CALLABLE"], ["not a factory but 7"]),
        (
            ["--eventstore=pretended:two_arguments"],
            ["factory(location)", "'dsn'", "(location, dsn)"],
        ),
        (["--eventstore=pretended:awaited"], ["is async", "run_coroutine_threadsafe"]),
        (["--eventstore-level=may"], ["--eventstore-level", "'may'", "must, should"]),
        (["--eventstore-tier=x"], ["--eventstore-tier", "'x'", "u (ordinary)"]),
        (["--eventstore-tier=,"], ["--eventstore-tier", "names no tier"]),
        (
            ["--eventstore-effort=max"],
            ["--eventstore-effort", "'max'", "quick, standard, thorough"],
        ),
        (["--eventstore-seed=-1"], ["--eventstore-seed", "'-1'"]),
        (["--eventstore-seed=x"], ["--eventstore-seed", "'x'"]),
        (["--eventstore-replay=nope:1"], ["--eventstore-replay", "'nope:1'"]),
        (["--eventstore-replay=kill"], ["--eventstore-replay", "'kill'"]),
        (["--eventstore-explain=APP-99"], ["'APP-99'", "--eventstore-list"]),
        (["--eventstore-require=APP-99"], ["'APP-99'"]),
        (["--eventstore-require=must,APP-01"], ["'must' stands alone"]),
        (["--eventstore-require=,"], ["names nothing to require"]),
        (["--eventstore-contract=9.9"], ["--eventstore-contract", "'9.9'", "1.0"]),
        (["--eventstore-report=out.doc"], ["--eventstore-report", "out.doc", ".json"]),
        (["--eventstore-diff=old.json"], ["--eventstore-diff", "old.json"]),
        (["--eventstore-known=nope.toml"], ["--eventstore-known", "nope.toml"]),
        (["--eventstore-known-update"], ["needs --eventstore-known"]),
    ],
    ids=lambda value: value[0].removeprefix("--eventstore") if value[0][0] == "-" else "",
)
def test_a_wrong_option(pytester: pytest.Pytester, arguments: list[str], words: list[str]) -> None:
    pytester.makepyfile(pretended=ADAPTERS)
    line = said(pytester.runpytest(*arguments))
    for word in words:
        assert word in line


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("efort = 'quick'", ["unknown key 'efort'", "did you mean effort?"]),
        ("effort = 'max'", ["'max'"]),
        ("effort = 3", ["effort must be a str, not 3"]),
        ("seed = true", ["seed must be a int, not True"]),
        ("tier = ['u', 3]", ["tier must hold strings"]),
        ("targets = 3", ["targets must be a dict, not 3"]),
        ("[tool.pytest-eventstore.targets.pg]", ["targets.pg]", "needs factory"]),
        (
            "[tool.pytest-eventstore.targets.pg]\nfactory = 'a:b'\nfactry = 'a:b'",
            ["targets.pg]", "unknown key 'factry'"],
        ),
        ("targets.pg = 'a:b'", ["targets.pg]", "must be a table, not 'a:b'"]),
    ],
)
def test_a_wrong_setting(pytester: pytest.Pytester, table: str, words: list[str]) -> None:
    pytester.makepyprojecttoml(f"[tool.pytest-eventstore]\n{table}\n")
    line = said(pytester.runpytest("--eventstore=memory"))
    for word in words:
        assert word in line


def test_an_unreadable_pyproject(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\n")
    pytester.makepyprojecttoml("[tool\n")
    line = said(pytester.runpytest("--eventstore=memory"))
    assert "pyproject.toml: " in line


def test_settings_are_not_read_where_nobody_asks(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\n")
    pytester.makepyprojecttoml("[tool.pytest-eventstore]\nefort = 1\n")
    pytester.makepyfile("def test_a(): pass")
    pytester.runpytest().assert_outcomes(passed=1)
