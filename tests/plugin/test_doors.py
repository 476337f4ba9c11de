"""Both doors: which tests run, under which ids, on which adapter."""

from __future__ import annotations

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import ADAPTERS, USERS

QUICK = ("-p", "no:randomly", "--eventstore-effort=quick", "-v")
DOOR_B = """
import pytest
from pytest_eventstore import EventStoreSuite
from eventstore_reference.memory import open_ports


class TestMine(EventStoreSuite):
    pass


@pytest.fixture(scope="session")
def eventstore_factory():
    return open_ports
"""


@pytest.fixture
def pretended(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(pretended=ADAPTERS)
    return pytester


def test_one_command_in_an_empty_folder_runs_the_suite(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "-k", "app_01")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["eventstore-suite::AppendTests::test_app_01_*[[]memory] PASSED*"])
    assert not list(pytester.path.glob("*.py"))


def test_a_factory_beside_the_command_needs_no_installation(pretended: pytest.Pytester) -> None:
    result = pretended.runpytest_subprocess(
        *QUICK, "--eventstore=pretended:managed", "-k", "app_01"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::test_app_01_*[[]pretended:managed] PASSED*"])


def test_several_targets_run_side_by_side(pretended: pytest.Pytester) -> None:
    result = pretended.runpytest(
        *QUICK, "--eventstore=memory", "--eventstore=pretended:forgetful", "-k", "app_01"
    )
    assert result.ret == 1
    result.stdout.fnmatch_lines_random(
        [
            "*::test_app_01_*[[]memory] PASSED*",
            "*::test_app_01_*[[]pretended:forgetful] FAILED*",
            "verdict: non-conformant *: memory partial; pretended:forgetful non-conformant",
        ]
    )


def test_the_header_names_target_class_and_capabilities(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(
        *QUICK, "--eventstore=memory", "--eventstore-seed=7", "-k", "app_01"
    )
    result.stdout.fnmatch_lines(
        [
            "eventstore: memory = *.MemoryEventStore (durability none, sharing thread)",
            "eventstore: contract 1.0, effort quick, tiers u,c,f,p, seed 7",
        ]
    )


def test_without_an_option_there_is_no_header(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_users=USERS)
    result = pytester.runpytest(*QUICK[:2])
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("eventstore:*")
    result.stdout.no_fnmatch_line("*event store contract*")


@pytest.mark.parametrize("testpaths", [True, False])
def test_without_a_path_only_the_suite_runs(pytester: pytest.Pytester, testpaths: bool) -> None:
    pytester.makepyfile(**{"tests/test_users": USERS})
    if testpaths:
        pytester.makeini("[pytest]\ntestpaths = tests")
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "-k", "app_01 or users")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*test_of_the_users*")


def test_with_a_path_both_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_users=USERS)
    result = pytester.runpytest(
        *QUICK, "--eventstore=memory", "-k", "app_01 or users", "test_users.py"
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(
        ["test_users.py::test_of_the_users PASSED*", "*::test_app_01_*[[]memory] PASSED*"]
    )


def test_a_fixture_of_the_users_root_conftest_does_not_win(pretended: pytest.Pytester) -> None:
    pretended.makeconftest(
        """
        import pytest
        from pretended import good

        @pytest.fixture
        def eventstore_factory():
            return good
        """
    )
    result = pretended.runpytest(*QUICK, "--eventstore=pretended:forgetful", "-k", "app_01")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*::test_app_01_*[[]pretended:forgetful] FAILED*"])


def test_names_that_the_user_gave_to_tests_do_not_matter(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\npython_classes = Check\npython_functions = check_\npython_files = check_*.py"
    )
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "-k", "app_01")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::AppendTests::test_app_01_*[[]memory] PASSED*"])


@pytest.mark.skipif(pytest.version_tuple < (8, 4), reason="the setting is of pytest 8.4")
def test_tests_that_were_imported_need_not_be_collected(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\ncollect_imported_tests = false")
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "-k", "app_01")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*::AppendTests::test_app_01_*[[]memory] PASSED*"])


def test_a_class_of_the_users_holds_its_adapter_to_the_contract(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine=DOOR_B + "\n" + USERS)
    result = pytester.runpytest(*QUICK[:2], "-v", "-k", "app_01 or users")
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(
        [
            "test_mine.py::TestMine::test_app_01_* PASSED*",
            "test_mine.py::test_of_the_users PASSED*",
            "TestMine: eventstore_reference.memory.MemoryEventStore, durability*",
            "verdict: partial*TestMine*",
        ]
    )


def test_a_class_with_parameters_runs_once_for_each(pretended: pytest.Pytester) -> None:
    pretended.makepyfile(
        test_mine="""
        import pytest
        import pretended
        from pytest_eventstore import EventStoreSuite

        class TestMine(EventStoreSuite):
            pass

        @pytest.fixture(params=["good", "forgetful"])
        def eventstore_factory(request):
            return getattr(pretended, request.param)
        """
    )
    result = pretended.runpytest(*QUICK, "-k", "app_01")
    assert result.ret == 1
    result.stdout.fnmatch_lines_random(
        [
            "*::TestMine::test_app_01_*[[]good] PASSED*",
            "*::TestMine::test_app_01_*[[]forgetful] FAILED*",
            "verdict: non-conformant *: TestMine?good? partial; TestMine?forgetful? non-conformant",
        ]
    )


def test_a_class_without_a_factory_is_told_of_both_doors(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_mine="""
        from pytest_eventstore import EventStoreSuite

        class TestMine(EventStoreSuite):
            pass
        """
    )
    result = pytester.runpytest(*QUICK, "-k", "app_01")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*pytest --eventstore=module:factory*`eventstore_factory`*"])


def test_both_doors_can_be_open_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_mine=DOOR_B)
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "test_mine.py", "-k", "app_01")
    assert result.ret == 0
    result.stdout.fnmatch_lines_random(
        [
            "test_mine.py::TestMine::test_app_01_* PASSED*",
            "eventstore-suite::AppendTests::test_app_01_*[[]memory] PASSED*",
        ]
    )


def test_a_target_may_be_named_in_pyproject(pretended: pytest.Pytester) -> None:
    pretended.makepyprojecttoml(
        """
        [tool.pytest-eventstore]
        effort = "quick"
        seed = 3
        [tool.pytest-eventstore.targets.mine]
        factory = "pretended:good"
        """
    )
    result = pretended.runpytest("-v", "--eventstore=mine", "-k", "app_01")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["eventstore: mine = *", "*effort quick*seed 3", "*::test_app_01_*[[]mine] PASSED*"]
    )
    result = pretended.runpytest(
        "-v",
        "--eventstore=mine",
        "-k",
        "app_01",
        "--eventstore-seed=4",
        "--eventstore-effort=standard",
    )
    result.stdout.fnmatch_lines(["*effort standard*seed 4"])
