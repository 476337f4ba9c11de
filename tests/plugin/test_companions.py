"""The suite beside other plugins, and the plugin where nobody asked for it."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import ADAPTERS, SUITE, USERS

QUICK = ("--eventstore-effort=quick",)


def test_xdist_runs_each_test_once_and_the_controller_judges(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pretended=ADAPTERS)
    command = (*QUICK, "--eventstore=pretended:forgetful", "-k", "app_01 or seq_01")
    alone = pytester.runpytest(*command)
    spread = pytester.runpytest_subprocess(*command, "-n2")
    assert spread.ret == alone.ret == 1
    counts = ("passed", "failed")
    assert [spread.parseoutcomes()[c] for c in counts] == [alone.parseoutcomes()[c] for c in counts]
    verdicts = [[x for x in run.outlines if x.startswith("verdict")] for run in (spread, alone)]
    assert verdicts[0] == verdicts[1] != []


def test_xdist_gives_every_worker_the_same_seed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(pretended=ADAPTERS)
    result = pytester.runpytest_subprocess(
        *QUICK, "--eventstore=pretended:forgetful", "-k", "app_01 or app_02 or ord_01", "-n2"
    )
    (header,) = [line for line in result.outlines if ", seed " in line]
    seed = header.rpartition(" ")[2]
    said = [line for line in result.outlines if line.strip().startswith("reproduce: ")]
    assert len(said) >= 4
    assert all(f"--eventstore-seed={seed}" in line for line in said)


def test_a_lost_worker_is_not_green(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(
        pretended="""
        import os
        from eventstore_reference.memory import open_ports

        def dying(location):
            if os.environ.get("PYTEST_XDIST_WORKER"):
                os._exit(1)
            return open_ports(location)
        """
    )
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # these tests may run in one
    result = pytester.runpytest_subprocess(
        *QUICK, "--eventstore=pretended:dying", "-k", "app_01", "-n1", "--max-worker-restart=0"
    )
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*crashed*"])
    result.stdout.no_fnmatch_line("*verdict: conformant*")


def test_the_suite_does_without_xdist(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest(*QUICK, "--eventstore=memory", "-p", "no:xdist", "-k", "app_01")
    assert result.ret == 0


def test_random_order_changes_no_result(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_randomly")
    pytester.makepyfile(test_users=USERS)
    orders = []
    for seed in ("1", "2"):
        result = pytester.runpytest(
            *QUICK,
            "--eventstore=memory",
            "eventstore-suite::AppendTests",
            "-v",
            f"--randomly-seed={seed}",
        )
        assert result.ret == 0
        orders.append([line.split()[0] for line in result.outlines if "PASSED" in line])
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_junit_carries_requirement_level_and_target(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRETEND", "APP-05=failed ORD-05=offered")
    pytester.makepyfile(test_pretend=SUITE, test_users=USERS)
    pytester.runpytest(*QUICK, "--junitxml=junit.xml")
    cases = {
        case.get("name"): {p.get("name"): p.get("value") for p in case.iter("property")}
        for case in ET.parse(pytester.path / "junit.xml").iter("testcase")
    }
    assert cases["test_app_05_should[mem]"] == {
        "requirement": "APP-05",
        "level": "should",
        "tier": "u",
        "target": "TestPretend[mem]",
    }
    assert cases["test_app_01_must_in_a_race[mem]"]["tier"] == "c"
    assert cases["test_ord_05_race[mem]"]["requirement"] == "ORD-05"
    assert cases["test_of_the_users"] == {}


def test_junit_names_the_virtual_classes(pytester: pytest.Pytester) -> None:
    pytester.runpytest(*QUICK, "--eventstore=memory", "-k", "app_01", "--junitxml=junit.xml")
    (case,) = ET.parse(pytester.path / "junit.xml").iter("testcase")
    assert case.get("classname") == "eventstore-suite.AppendTests"
    assert {p.get("name"): p.get("value") for p in case.iter("property")}["target"] == "memory"


def test_coverage_of_the_adapter_is_measured(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_cov")
    pytester.makepyfile(pretended=ADAPTERS)
    result = pytester.runpytest_subprocess(
        *QUICK, "--eventstore=pretended:good", "-k", "app_01", "--cov=pretended"
    )
    assert result.ret == 0
    (line,) = [x for x in result.outlines if x.startswith("pretended.py")]
    _, statements, missed, _ = line.split()
    # The lines that run on import are covered too: measuring began before the plugin loaded it.
    assert int(missed) < 0.7 * int(statements)


def test_the_plugin_can_be_switched_off(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_users=USERS)
    pytester.runpytest("-p", "no:eventstore").assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess("-p", "no:eventstore", "--eventstore=memory")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --eventstore=memory*"])


def test_help_shows_the_options_in_one_group(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--help")
    assert result.ret == 0
    lines = result.outlines
    start = lines.index("conformance of event stores (pytest-eventstore):")
    end = lines.index("", start)
    named = [n for n, line in enumerate(lines) if line.startswith("  --eventstore")]
    assert len(named) >= 14
    assert all(start < number < end for number in named)


def test_marks_are_registered(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.eventstore(*", "@pytest.mark.eventstore_tier(*"])


LIGHT = """
import sys
import pytest

HEAVY = ("hypothesis", "filelock", "jinja2", "pytest_eventstore.suite", "pytest_eventstore.lab",
         "pytest_eventstore.report", "pytest_eventstore.running", "eventstore_reference")

class Spy:
    def pytest_sessionfinish(self):
        print("LOADED", [name for name in HEAVY if name in sys.modules])

assert pytest.main(["-q", "-p", "pytest_eventstore.plugin", "test_users.py"], [Spy()]) == 0
"""


def test_nothing_heavy_is_loaded_where_nobody_asks(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Without other plugins, of which hypothesis brings itself.
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(test_users=USERS)
    script = pytester.makepyfile(light=LIGHT)
    result = pytester.runpython(script)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*LOADED []"])


def test_importing_the_package_loads_neither_pytest_nor_hypothesis() -> None:
    code = (
        "import sys, pytest_eventstore; "
        "print([m for m in ('pytest', 'hypothesis', 'filelock') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_asserts_of_the_suite_are_rewritten() -> None:
    from pytest_eventstore.suite import append

    assert type(append.__loader__).__name__ == "AssertionRewritingHook"
