"""A target that cannot be tested is reported once, with status 6, and not as many failures."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import ADAPTERS, USERS
from pytest_eventstore.outcomes import EXIT_HARNESS_BROKEN
from pytest_eventstore.ports import Ports
from pytest_eventstore.preflight import examine
from pytest_eventstore.targets import Target

BROKEN = [
    ("not_ports", ["the factory gave {'event_store': None}", "pytest_eventstore.ports.Ports"]),
    ("no_methods", ["Ports.event_store is a object without append, load_all"]),
    (
        "raising",
        ["opening a location raised ConnectionError: no route to the database", "pretended"],
    ),
    ("shared", ["two locations gave the same data", "location.name"]),
    ("future", ["the factory is async", "run_coroutine_threadsafe"]),
    ("async_ports", ["Ports.event_store.append is async", "run_coroutine_threadsafe"]),
    ("generator", ["the factory is a generator", "@contextlib.contextmanager"]),
]


@pytest.fixture
def pretended(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(pretended=ADAPTERS)
    return pytester


@pytest.mark.parametrize(("name", "words"), BROKEN, ids=[name for name, _ in BROKEN])
def test_a_broken_target_is_reported_once(
    pretended: pytest.Pytester, name: str, words: list[str]
) -> None:
    result = pretended.runpytest(f"--eventstore=pretended:{name}")
    assert result.ret == EXIT_HARNESS_BROKEN
    result.stdout.fnmatch_lines(
        [
            "eventstore: pretended:* = broken, see below",
            f"problem: broken harness: pretended:{name}: *",
        ]
    )
    text = " ".join(result.outlines)
    for word in words:
        assert word in text
    result.stdout.no_fnmatch_line("*FAILED*")
    assert "failed" not in result.parseoutcomes()


def test_a_module_that_raises_on_import_is_a_broken_harness(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pretended="import no_such_driver")
    result = pytester.runpytest("--eventstore=pretended:good")
    assert result.ret == EXIT_HARNESS_BROKEN
    result.stdout.fnmatch_lines(
        [
            "*: importing pretended raised ModuleNotFoundError: *'no_such_driver' (*:1)",
        ]
    )


def test_the_other_targets_and_the_users_tests_run_all_the_same(pretended: pytest.Pytester) -> None:
    pretended.makepyfile(test_users=USERS)
    result = pretended.runpytest(
        "--eventstore=pretended:raising",
        "--eventstore=memory",
        "test_users.py",
        "-k",
        "app_01 or users",
    )
    assert result.ret == EXIT_HARNESS_BROKEN
    result.assert_outcomes(passed=2, deselected=result.parseoutcomes()["deselected"])


def test_a_broken_target_breaks_no_worker(pretended: pytest.Pytester) -> None:
    result = pretended.runpytest_subprocess(
        "--eventstore=pretended:raising", "--eventstore=memory", "-n2", "-k", "app_01"
    )
    assert result.ret == EXIT_HARNESS_BROKEN
    result.stdout.fnmatch_lines(["*broken harness: pretended:raising*"])
    assert result.parseoutcomes()["passed"] >= 1


def test_a_broken_factory_of_the_users_is_told_once(pretended: pytest.Pytester) -> None:
    pretended.makepyfile(
        test_mine="""
        import pytest
        from pretended import raising
        from pytest_eventstore import EventStoreSuite

        class TestMine(EventStoreSuite):
            pass

        @pytest.fixture
        def eventstore_factory():
            return raising
        """
    )
    result = pretended.runpytest("-k", "app_01 or app_02")
    assert result.ret == EXIT_HARNESS_BROKEN
    outcomes = result.parseoutcomes()
    assert outcomes["errors"] == 1
    assert "not checkable" in result.outlines[-1]
    assert "passed" not in outcomes


def test_a_factory_that_never_returns_is_given_up_on() -> None:
    import threading

    gate = threading.Event()

    def hanging(location: Path) -> Ports:
        gate.wait()
        raise AssertionError

    try:
        found = examine(Target(name="hanging", spec="", factory=hanging), time_limit=0.2)
    finally:
        gate.set()
    assert found.problem == "opening a location took more than 0.2 s"


@pytest.mark.parametrize("name", ["memory", "reference"])
def test_the_adapters_of_this_project_pass(pytester: pytest.Pytester, name: str) -> None:
    from pytest_eventstore.resolve import resolve_all

    (resolved,) = resolve_all([name], {}, Path())
    assert resolved.target is not None
    found = examine(resolved.target)
    assert found.problem == ""
    assert found.adapter.startswith("eventstore_reference.")
    assert set(found.capabilities) == {"durability", "sharing"}
