"""Known failures: the list has to be exactly true."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import date
from typing import Any

import pytest

import pytest_eventstore.suite  # noqa: F401  # kept loaded, which runs in this process profit from
from plugin.pretend import SUITE
from pytest_eventstore.known import KnownFailures, check, parse_known, stale
from pytest_eventstore.known_update import updated_text

TARGET = "TestPretend[mem]"
LISTED = f"""
[[known]]
id = "APP-01"
target = "{TARGET}"
match = "the cause"
link = "https://example.org/7"
"""


@pytest.fixture
def pretend(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PRETEND", "APP-01=failed")
    pytester.makepyfile(test_pretend=SUITE)
    return pytester


def run(pytester: pytest.Pytester, listed: str, *arguments: str) -> pytest.RunResult:
    (pytester.path / "known.toml").write_text(listed)
    return pytester.runpytest("--eventstore-known=known.toml", "-rx", *arguments)


def test_a_listed_failure_does_not_fail_the_run_but_is_not_met(pretend: pytest.Pytester) -> None:
    result = run(pretend, LISTED)
    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 3, "xfailed": 1}
    result.stdout.fnmatch_lines(
        ["known to fail, and still broken:", "    known: https://example.org/7"]
    )
    result.stdout.fnmatch_lines(["verdict: non-conformant *"])
    assert run(pretend, LISTED, "--eventstore-require=conformant").ret == 1
    assert run(pretend, LISTED, "--eventstore-require=APP-01").ret == 1


@pytest.mark.parametrize(
    ("outcomes", "listed", "words"),
    [
        ("APP-01=met", LISTED, "passes: take it off the list"),
        ("APP-01=offered APP-01c=offered", LISTED, "is not offered: take it off the list"),
        ("APP-01=otherwise", LISTED, "fails otherwise than with 'the cause'"),
        ("APP-01=failed", LISTED.replace("mem", "mom"), "matches nothing"),
        ("APP-01=failed", LISTED.replace("APP-01", "APP-02"), "matches nothing"),
        ("APP-01=failed", LISTED + LISTED, "is listed twice"),
        ("APP-01=failed", LISTED + "expires = 2020-01-01\n", "has expired on 2020-01-01"),
    ],
)
def test_a_list_that_is_not_true_fails_the_run(
    pretend: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    outcomes: str,
    listed: str,
    words: str,
) -> None:
    monkeypatch.setenv("PRETEND", outcomes)
    result = run(pretend, listed)
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"problem: known failure APP-0? of *{words}*"])


@pytest.mark.parametrize(
    ("extra", "is_listed"),
    [
        ("when = \"sys_platform == 'nowhere'\"", False),
        ("when = \"python_version >= '3.11'\"", True),
        ('version = "<0"', False),
        ('version = ">=0.1"', True),
        ("expires = 2999-01-01", True),
    ],
)
def test_an_entry_counts_only_where_its_conditions_hold(
    pretend: pytest.Pytester, extra: str, is_listed: bool
) -> None:
    result = run(pretend, LISTED + extra + "\n")
    assert result.ret == (0 if is_listed else 1)
    result.stdout.no_fnmatch_line("problem:*")


def test_an_entry_that_was_not_selected_is_not_held_against_the_run(
    pretend: pytest.Pytester,
) -> None:
    result = run(pretend, LISTED, "-k", "app_05")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("problem:*")


def test_an_entry_of_a_target_that_is_not_run_is_passed_over(pretend: pytest.Pytester) -> None:
    other = LISTED.replace(TARGET, "reference")
    assert run(pretend, LISTED + other).ret == 0


def test_known_failures_are_the_same_with_workers(pretend: pytest.Pytester) -> None:
    result = run(pretend, LISTED, "-n2")
    assert result.ret == 0
    assert result.parseoutcomes() == {"passed": 3, "xfailed": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[known]]\nid = 'APP-99'\ntarget='x'\nmatch='y'", "'APP-99'"),
        ("[[known]]\nid = 'APP-01'\nmatch='y'", "lacks target"),
        ("[[known]]\nid = 'APP-01'\ntarget='x'\nmatch=''", "lacks match"),
        ("[[known]]\nid = 'APP-01'\ntarget='x'\nmatch='y'\nexpire=2020-01-01", "'expire'"),
        ("[[known]]\nid = 'APP-01'\ntarget='x'\nmatch='y'\nexpires='soon'", "expires"),
        ("[[known]]\nid = 'APP-01'\ntarget='x'\nmatch='y'\nwhen='bad marker'", "marker"),
        ("[[knwon]]\nid = 'APP-01'", "'knwon'"),
        ("known = 3", "[[known]]"),
        ("[[known", "known.toml"),
    ],
)
def test_a_malformed_list_is_a_usage_error(pretend: pytest.Pytester, text: str, words: str) -> None:
    result = run(pretend, text, "--eventstore=memory")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stderr.str()


# Rewriting


def record(
    id_: str, outcome: str, *, target: str = "pg", known: str = "", seen: str = "5", cause: str = ""
) -> dict[str, Any]:
    return {
        "requirement": id_,
        "target": target,
        "outcome": outcome,
        "known": known,
        "is_violation": bool(cause),
        "finding": {"expected": "4", "seen": seen, "cause": cause},
    }


LIST = textwrap.dedent(
    """\
    # What we know, and why.

    # Waiting for the driver.
    [[known]]
    id = "SNP-03"        # saves
    target = "pg"
    match = "older"      # from the log
    link = "https://example.org/1"

    # Will be gone soon.
    [[known]]
    id = "APP-02"
    target = "pg"
    match = "partial"

    [[known]]
    id = "APP-03"
    target = "sqlite"
    match = "partial"
    """
)


def rewritten(text: str, *records: Mapping[str, Any]) -> tuple[str, list[str]]:
    known = check(parse_known(text, "test"), date(2026, 1, 1))
    return updated_text(text, known, list(records))


def test_a_list_that_is_true_stays_as_it_is() -> None:
    text, changes = rewritten(
        LIST,
        record("SNP-03", "failed", known="yes"),
        record("APP-02", "failed", known="yes"),
        record("APP-01", "met"),
    )
    assert text == LIST
    assert changes == []


def test_an_entry_that_passes_goes_with_its_comment_and_no_other() -> None:
    text, changes = rewritten(
        LIST, record("SNP-03", "failed", known="yes"), record("APP-02", "met")
    )
    assert changes == ["1 removed"]
    assert text == LIST.replace(
        LIST[LIST.index("# Will be") : LIST.index('[[known]]\nid = "APP-03')], ""
    )


def test_an_entry_that_fails_otherwise_keeps_everything_but_its_text() -> None:
    text, changes = rewritten(
        LIST,
        record("SNP-03", "failed", seen='got "x"\nand y'),
        record("APP-02", "failed", known="yes"),
    )
    assert changes == ["1 changed"]
    assert text == LIST.replace('match = "older" ', 'match = "got \\"x\\"" ')


def test_a_new_failure_is_added_with_what_stays_the_same_about_it() -> None:
    text, changes = rewritten(
        LIST,
        record("SNP-03", "failed", known="yes"),
        record("APP-02", "failed", known="yes"),
        record("CUT-01", "failed", seen="id 0x7f", cause="decided by the counter"),
    )
    assert changes == ["1 added"]
    assert text == LIST + textwrap.dedent(
        """
        [[known]]
        id = "CUT-01"
        target = "pg"
        match = "decided by the counter"
        """
    )


def test_a_second_entry_for_the_same_failure_goes() -> None:
    text, changes = rewritten(LISTED + LISTED, record("APP-01", "failed", target=TARGET, known="y"))
    assert changes == ["1 removed"]
    assert text.strip() == LISTED.strip()


def test_a_list_that_cannot_be_edited_safely_is_refused() -> None:
    text = 'known = [{id = "APP-01", target = "pg", match = "x"}]\n'
    with pytest.raises(ValueError, match="to be rewritten"):
        rewritten(text, record("APP-01", "met"))
    text = '[[known]]\nid = "APP-01"\ntarget = "pg"\nmatch = """\nx"""\n'
    with pytest.raises(ValueError, match="edit it by hand"):
        rewritten(text, record("APP-01", "failed", seen="y"))


def test_a_partial_run_rewrites_nothing(pretend: pytest.Pytester) -> None:
    result = run(pretend, LISTED, "--eventstore-known-update")
    assert (pretend.path / "known.toml").read_text() == LISTED
    assert result.ret == 8
    result.stdout.fnmatch_lines(["known failures not rewritten: the run is partial (*)"])


def test_a_complete_run_rewrites_the_list(pretend: pytest.Pytester) -> None:
    pretend.makeconftest(
        """
        from pytest_eventstore import requirements, summary

        whole = requirements.load_requirements()
        small = {id_: whole[id_] for id_ in ("APP-01", "APP-05", "ORD-05")}
        summary.load_requirements = lambda: small
        """
    )
    (pretend.path / "known.toml").write_text("# Ours.\n")
    command = ("--eventstore-known=known.toml",)
    first = pretend.runpytest_subprocess(*command, "--eventstore-known-update")
    assert first.ret == 1
    first.stdout.fnmatch_lines(["known failures: *known.toml: 1 added"])
    assert (pretend.path / "known.toml").read_text() == (
        f'# Ours.\n\n[[known]]\nid = "APP-01"\ntarget = "{TARGET}"\nmatch = "the cause"\n'
    )
    second = pretend.runpytest_subprocess(*command, "--eventstore-known-update")
    assert second.ret == 0
    second.stdout.fnmatch_lines(["known failures: *known.toml: nothing to change"])


def test_stale_entries_of_a_doubtful_outcome_are_left_to_that_outcome() -> None:
    known = KnownFailures(parse_known(LIST, "test")[:1])
    assert stale(known, [record("SNP-03", "inconclusive")], set(), set()) == []
    assert len(stale(known, [record("SNP-03", "met")], set(), set())) == 1
