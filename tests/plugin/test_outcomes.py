"""Outcomes and exit statuses: nothing that proved nothing is green."""

from __future__ import annotations

import json
from typing import Any

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import SUITE, USERS

QUICK = ("-p", "no:randomly", "-v")


class Pretending:
    """Runs the pretended suite with settled outcomes."""

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pytester = pytester
        self._monkeypatch = monkeypatch
        pytester.makepyfile(test_pretend=SUITE)

    def run(self, outcomes: str, *arguments: str) -> pytest.RunResult:
        self._monkeypatch.setenv("PRETEND", outcomes or "APP-01=met")
        return self.pytester.runpytest(*QUICK, *arguments)


@pytest.fixture
def pretending(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Pretending:
    return Pretending(pytester, monkeypatch)


@pytest.mark.parametrize(
    ("outcomes", "arguments", "status"),
    [
        ("", (), 0),
        ("APP-01=failed", (), 1),
        ("APP-01=raises", (), 1),
        ("APP-05=failed", (), 0),
        ("APP-05=failed", ("--eventstore-level=should",), 1),
        ("APP-05=failed", ("--eventstore-level=must",), 0),
        ("APP-05=failed", ("--eventstore-require=APP-05",), 1),
        ("APP-05=failed", ("--eventstore-require=APP-01",), 0),
        ("APP-05=failed APP-01=failed", (), 1),
        ("ORD-05=inconclusive", (), 7),
        ("ORD-05=inconclusive APP-01=failed", (), 1),
        ("ORD-05=inconclusive APP-05=failed", (), 7),
        ("APP-01=offered", (), 0),
        ("APP-01=uncheckable", (), 0),
        ("APP-01=skipped", (), 0),
        ("APP-01=offered", ("-k", "test_app_01_must and not race"), 5),
        ("APP-01=skipped", ("-k", "test_app_01_must and not race"), 5),
        ("", ("-k", "nothing"), 5),
        ("", ("--eventstore-require=APP-01",), 0),
        ("", ("--eventstore-require=app-01, ORD-05",), 0),
        ("", ("--eventstore-require=APP-02",), 8),
        ("APP-01=offered APP-01c=offered", ("--eventstore-require=APP-01",), 1),
        ("APP-01=uncheckable APP-01c=skipped", ("--eventstore-require=APP-01",), 8),
        ("ORD-05=inconclusive", ("--eventstore-require=ORD-05",), 7),
        ("", ("--eventstore-require=conformant",), 8),
        ("", ("--eventstore-require=must",), 8),
        ("APP-01=failed", ("--eventstore-require=conformant",), 1),
        ("APP-05=failed", ("--eventstore-require=should",), 1),
        ("APP-05=failed", ("-x",), 1),
    ],
)
def test_the_exit_status(
    pretending: Pretending, outcomes: str, arguments: tuple[str, ...], status: int
) -> None:
    result = pretending.run(outcomes, *arguments)
    assert result.ret == status, result.stdout.str()


def test_a_failure_of_the_users_own_test_stays_a_failure(pretending: Pretending) -> None:
    pretending.pytester.makepyfile(test_users="def test_a(): assert 0")
    assert pretending.run("APP-05=failed").ret == 1


def test_a_file_that_cannot_be_collected_stays_an_error(pretending: Pretending) -> None:
    pretending.pytester.makepyfile(test_users="import no_such_module")
    assert pretending.run("APP-05=failed").ret == pytest.ExitCode.INTERRUPTED
    assert pretending.run("APP-05=failed", "--continue-on-collection-errors").ret == 1


def test_no_test_of_the_contract_is_not_green(pretending: Pretending) -> None:
    pretending.pytester.makepyfile(test_pretend="", test_users=USERS)
    result = pretending.run("", "--eventstore-require=conformant")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(["required, and missing: no target was tested"])


def test_outcomes_have_names_of_their_own(pretending: Pretending) -> None:
    result = pretending.run("APP-01=offered APP-05=uncheckable ORD-05=inconclusive")
    result.stdout.fnmatch_lines_random(
        [
            "*test_app_01_must* NOT OFFERED*",
            "*test_app_05_should* NOT CHECKABLE*",
            "*test_ord_05_race* INCONCLUSIVE*",
            "*1 passed, *1 not offered, 1 not checkable, 1 inconclusive*",
        ]
    )


def test_a_plain_skip_is_not_a_pass(pretending: Pretending) -> None:
    result = pretending.run("APP-01=skipped APP-01c=skipped")
    result.stdout.fnmatch_lines(["*test_app_01_must* NOT CHECKABLE*"])
    assert "skipped" not in result.parseoutcomes()


def test_a_violation_is_told_in_words(pretending: Pretending) -> None:
    result = pretending.run("APP-01=failed", "--eventstore-seed=5", "-k", "test_app_01_must")
    result.stdout.fnmatch_lines(
        [
            "APP-01 (MUST) *",
            "target:   TestPretend?mem?",
            "expected: 4",
            "seen:     5",
            "history:",
            "  append(a)",
            "  load_all()",
            "likely cause: the cause",
            "reproduce: pytest 'test_pretend.py::TestPretend::test_app_01_must?mem?' *-seed=5",
        ]
    )
    result.stdout.no_fnmatch_line("*violated(*")


def test_any_other_error_keeps_its_traceback(pretending: Pretending) -> None:
    result = pretending.run("APP-01=raises", "-k", "test_app_01_must")
    result.stdout.fnmatch_lines(
        ["*ValueError: the adapter raised", "*event store contract*", "APP-01 (MUST) *"]
    )


def test_the_verdict_is_the_last_line_of_the_summary(pretending: Pretending) -> None:
    result = pretending.run("APP-01=failed", "-rN")
    assert result.outlines[-2].startswith("verdict: non-conformant (contract 1.0")


def test_records_reach_the_reports(pretending: Pretending) -> None:
    result = pretending.run(
        "APP-01=failed", "--eventstore-report=out/a.json", "--eventstore-seed=5"
    )
    result.stdout.fnmatch_lines(["report: wrote *a.json"])
    report: dict[str, Any] = json.loads((pretending.pytester.path / "out/a.json").read_text())
    (target,) = report["targets"]
    assert target["name"] == "TestPretend[mem]"
    assert target["adapter"] == "eventstore_reference.memory.MemoryEventStore"
    assert target["figures"] == {"tries": 8}
    by_id = {r["id"]: r for r in target["requirements"]}
    assert by_id["APP-01"]["result"] == "failed"
    assert by_id["APP-01"]["trials"][0]["finding"]["seen"] == "5"
    assert by_id["APP-05"]["result"] == "met"
    assert by_id["APP-02"]["result"] == "not run"
    assert report["environment"]["seed"] == 5


def test_the_same_records_come_from_workers(pretending: Pretending) -> None:
    def results(*arguments: str) -> dict[str, str]:
        pretending.run("APP-01=failed ORD-05=offered", "--eventstore-report=a.json", *arguments)
        report = json.loads((pretending.pytester.path / "a.json").read_text())
        (target,) = report["targets"]
        assert target["adapter"].endswith("MemoryEventStore")
        return {r["id"]: r["result"] for r in target["requirements"]}

    assert results("-n2") == results()


def test_a_report_that_cannot_be_written_fails_the_run(pretending: Pretending) -> None:
    (pretending.pytester.path / "file").write_text("")
    result = pretending.run("", "--eventstore-report=file/a.json")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["report: *a.json could not be written: *"])


def test_a_comparison_that_came_out_worse_fails_the_run(pretending: Pretending) -> None:
    pretending.run("", "--eventstore-report=old.json")
    same = pretending.run("", "--eventstore-diff=old.json")
    assert same.ret == 0
    same.stdout.fnmatch_lines(["not worse: no change"])
    worse = pretending.run("APP-05=failed", "--eventstore-diff=old.json")
    assert worse.ret == 1
    worse.stdout.fnmatch_lines(["newly failing:", "*APP-05 SHOULD*", "worse: 1 newly failing"])


def test_an_xfail_of_the_users_does_not_make_it_met(pretending: Pretending) -> None:
    path = pretending.pytester.path / "test_pretend.py"
    mark = "@pytest.mark.xfail(reason='ours', raises=AssertionError)\nclass TestPretend"
    path.write_text(path.read_text().replace("class TestPretend", mark))
    result = pretending.run("APP-01=failed APP-01c=failed APP-05=failed ORD-05=failed")
    assert result.parseoutcomes() == {"xfailed": 4}
    result.stdout.fnmatch_lines(["verdict: non-conformant *"])


def test_text_that_no_terminal_can_show_is_escaped(pretending: Pretending) -> None:
    path = pretending.pytester.path / "test_pretend.py"
    path.write_text(path.read_text().replace('seen="5"', "seen=chr(0xd800)"))
    for arguments in ((), ("-n1",)):
        result = pretending.run("APP-01=failed", *arguments)
        assert result.ret == 1
        result.stdout.fnmatch_lines(["seen:     \\ud800"])


def test_passwords_in_a_failure_are_not_printed(pretending: Pretending) -> None:
    path = pretending.pytester.path / "test_pretend.py"
    text = path.read_text().replace('"the adapter raised"', "'postgresql://me:hunter22@host/db'")
    path.write_text(text)
    result = pretending.run("APP-01=raises", "--junitxml=junit.xml")
    assert result.ret == 1
    assert "postgresql://me:***@host/db" in result.stdout.str()
    assert "hunter22" not in result.stdout.str()
    assert "hunter22" not in (pretending.pytester.path / "junit.xml").read_text()


def test_passwords_are_not_printed(pretending: Pretending) -> None:
    pretending.pytester.makepyfile(
        pretended="""
        def open_ports(location):
            raise ConnectionError("postgresql://me:hunter22@host/db is down")
        """
    )
    result = pretending.run("", "--eventstore=pretended:open_ports")
    assert result.ret == 6
    assert "hunter22" not in result.stdout.str()
    assert "postgresql://me:***@host/db" in result.stdout.str()
