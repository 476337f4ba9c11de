"""What a user sees of a faulty adapter, through pytest itself."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("target", "tests", "lines"),
    [
        (
            "mutants.reads:a_gap_ends_the_read",
            "aft_04",
            [
                "AFT-04 (MUST) *",
                "target:   mutants.reads:a_gap_ends_the_read",
                "expected: load_after_seq_nr(0) gives 2 events: e1 #1, e2 #3",
                "seen:     1 event: e1 #1; missing: e2 #3",
                "history:",
                "  append(Event(id='e1', seq_nr=1, *), Event(id='e2', seq_nr=3, *)) → * bytes",
                "likely cause: the read stops at the first number that is missing*",
                "reproduce: pytest --eventstore=mutants.reads:a_gap_ends_the_read *",
            ],
        ),
        (
            "mutants.append:only_some_fields_are_compared",
            "app_06",
            ["APP-06 (SHOULD) *", "expected: append of a stored id with another timestamp raises"],
        ),
        (
            "mutants.fidelity:integers_go_through_doubles",
            "app_01",
            [
                "seen:     1 event: '0-*'; '0-*' differs at data: * instead of *",
                "Fa*: check(",
                "    batch=[[]Event(id='0', *)[]],",
            ],
        ),
        (
            "mutants.nothing:open_ports",
            "ord_01",
            ["seen:     no events; missing: e1 #1, e0 #2"],
        ),
    ],
)
def test_a_failure_reads_as_a_report(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    tests: str,
    lines: list[str],
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    run = pytester.runpytest_subprocess(
        f"--eventstore={target}",
        "--eventstore-level=should",
        "--eventstore-seed=0",
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-k",
        tests,
    )

    run.assert_outcomes(failed=1, deselected=run.parseoutcomes()["deselected"])
    run.stdout.fnmatch_lines(lines)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
