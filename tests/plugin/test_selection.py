"""What is selected: by pytest's own options, and by the plugin's."""

from __future__ import annotations

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import ADAPTERS, SUITE, USERS

QUICK = ("-p", "no:randomly", "--eventstore-effort=quick")


@pytest.fixture
def pretend(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PRETEND", "APP-01=met")
    pytester.makepyfile(test_pretend=SUITE)
    return pytester


def test_a_printed_id_can_be_run(pytester: pytest.Pytester) -> None:
    listed = pytester.runpytest("--eventstore=memory", "--co", "-q", "-k", "app_01")
    (nodeid, *_) = [line for line in listed.outlines if line.startswith("eventstore-suite::")]
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "-v", nodeid)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"{nodeid.replace('[', '[[]')} PASSED*"])


def test_the_id_of_a_part_runs_that_part(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        "--eventstore=memory", "--co", "-q", "eventstore-suite::AppendTests"
    )
    result.stdout.fnmatch_lines(["eventstore-suite::AppendTests::test_app_01_*"])
    result.stdout.no_fnmatch_line("*::OrderTests::*")


def test_an_id_that_does_not_exist_is_an_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--eventstore=memory", "eventstore-suite::AppendTests::test_x")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: not found: eventstore-suite::AppendTests::test_x"])


def test_an_id_beside_a_path_leaves_the_path_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_users=USERS)
    result = pytester.runpytest(
        "--eventstore=memory", "--co", "-q", "eventstore-suite::AppendTests", "test_users.py"
    )
    result.stdout.fnmatch_lines_random(
        ["test_users.py::test_of_the_users", "eventstore-suite::AppendTests::test_app_01_*"]
    )
    result.stdout.no_fnmatch_line("*::OrderTests::*")


def test_collect_only_runs_nothing_and_judges_nothing(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--eventstore=memory", "--co", "-q", "--eventstore-require=must")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("verdict:*")


def test_markers_select_by_level_and_tier(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\naddopts = --strict-markers")
    result = pytester.runpytest("--eventstore=memory", "--co", "-q", "-m", "eventstore")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["eventstore-suite::AppendTests::test_app_01_*"])
    result = pytester.runpytest("--eventstore=memory", "--co", "-q", "-m", "not eventstore")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.skipif(pytest.version_tuple < (8, 3), reason="such expressions are of pytest 8.3")
def test_marker_arguments_select_by_requirement(pytester: pytest.Pytester) -> None:
    expression = "eventstore(requirement='APP-05')"
    result = pytester.runpytest("--eventstore=memory", "--co", "-q", "-m", expression)
    result.stdout.fnmatch_lines(["*::test_app_05_*"])
    result.stdout.no_fnmatch_line("*::test_app_01_*")


def test_level_must_leaves_the_shoulds_out(pretend: pytest.Pytester) -> None:
    result = pretend.runpytest(*QUICK, "--eventstore-level=must", "-v")
    result.assert_outcomes(passed=3, deselected=1)
    result.stdout.no_fnmatch_line("*test_app_05_*")


@pytest.mark.parametrize("tier", ["c", "concurrency", "c,p"])
def test_tiers_are_those_of_the_tests(pretend: pytest.Pytester, tier: str) -> None:
    result = pretend.runpytest(*QUICK, f"--eventstore-tier={tier}", "-v")
    result.assert_outcomes(passed=2, deselected=2)
    result.stdout.fnmatch_lines_random(["*::test_ord_05_*", "*::test_app_01_must_in_a_race*"])


def test_options_of_the_suite_leave_the_users_tests_alone(pretend: pytest.Pytester) -> None:
    pretend.makepyfile(test_users=USERS)
    result = pretend.runpytest(*QUICK, "--eventstore-tier=f", "-v")
    result.assert_outcomes(passed=1, deselected=4)
    result.stdout.fnmatch_lines(["test_users.py::test_of_the_users PASSED*"])


def test_deselect_takes_a_virtual_id(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        "--eventstore=memory", "--co", "-q", "--deselect=eventstore-suite::AppendTests"
    )
    result.stdout.no_fnmatch_line("*::AppendTests::*")
    result.stdout.fnmatch_lines(["eventstore-suite::OrderTests::*"])


def test_last_failed_finds_the_virtual_tests_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pretended=ADAPTERS)
    command = (*QUICK, "--eventstore=pretended:forgetful", "-k", "app_01 or seq_01")
    first = pytester.runpytest(*command)
    failed = first.parseoutcomes()["failed"]
    assert first.parseoutcomes()["passed"] > 0
    again = pytester.runpytest(*command, "--lf")
    assert again.parseoutcomes()["failed"] == failed
    assert "passed" not in again.parseoutcomes()


def test_last_failed_finds_them_beside_a_failed_file(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pretended=ADAPTERS)
    pytester.makepyfile(test_bad="def test_bad():\n    assert 0\n\ndef test_good():\n    pass")
    command = (
        *QUICK,
        "--eventstore=pretended:forgetful",
        "test_bad.py",
        "-k",
        "app_01 or seq_01 or bad or good",
    )
    first = pytester.runpytest(*command).parseoutcomes()
    again = pytester.runpytest(*command, "--lf")
    assert again.parseoutcomes()["failed"] == first["failed"] > 1
    again.stdout.fnmatch_lines_random(["FAILED test_bad.py::*", "FAILED eventstore-suite::*"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nf"],
        ["--ff"],
        ["--stepwise"],
        ["--setup-show"],
        ["--durations=3"],
        ["--tb=no"],
        ["--no-summary"],
        ["--fixtures-per-test"],
        ["-s"],
        ["-p", "no:terminal"],
        ["-p", "no:cacheprovider"],
    ],
    ids=" ".join,
)
def test_pytests_other_options_work(pytester: pytest.Pytester, arguments: list[str]) -> None:
    pytester.makepyfile(test_users=USERS)
    command = ("--eventstore=memory", "test_users.py", "-k", "app_01 or users", *arguments)
    assert pytester.runpytest(*command).ret == 0
    assert pytester.runpytest(*command).ret == 0


def test_exitfirst_stops_at_the_first_failure(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pretended=ADAPTERS)
    result = pytester.runpytest(
        *QUICK, "--eventstore=pretended:forgetful", "-x", "eventstore-suite::AppendTests"
    )
    assert result.ret == 1
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_a_token_runs_only_what_can_replay_it(pretend: pytest.Pytester) -> None:
    pretend.makeconftest(
        """
        import pytest
        from pytest_eventstore import collect
        collect.replay_kinds = lambda: ("pretend",)
        from pytest_eventstore import activation
        activation.replay_kinds = collect.replay_kinds
        """
    )
    pretend.makepyfile(
        test_real="""
        from pytest_eventstore.suite.append import AppendTests
        from test_pretend import eventstore_factory

        class TestReal(AppendTests):
            pass
        """
    )
    result = pretend.runpytest(*QUICK, "--eventstore-replay=pretend:a/b:12", "-v")
    assert result.parseoutcomes()["passed"] == 4
    result.stdout.no_fnmatch_line("*TestReal*PASSED*")
    result.stdout.fnmatch_lines(["*narrowed by*--eventstore-replay pretend:a/b:12*"])
