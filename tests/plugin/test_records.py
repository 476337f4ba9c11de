"""What a failure says, and which of its exceptions says it."""

from __future__ import annotations

from pytest_eventstore.outcomes import ContractViolation, Finding
from pytest_eventstore.records import readable, violation_in
from pytest_eventstore.requirements import load_requirements

VIOLATION = ContractViolation(Finding(expected="4", seen="5"))


def text_of(error: BaseException) -> str:
    record = {"finding": {"seen": "ValueError: x"}, "target": "pg", "reproduce": "pytest …"}
    return readable(record, load_requirements()["APP-01"], error)


def test_a_violation_is_found_in_a_group() -> None:
    group = ExceptionGroup("flaky", [ValueError(), ExceptionGroup("inner", [VIOLATION])])
    assert violation_in(VIOLATION) is VIOLATION
    assert violation_in(group) is VIOLATION
    assert violation_in(ExceptionGroup("others", [ValueError()])) is None
    assert violation_in(None) is None


def test_a_failure_that_comes_and_goes_says_so() -> None:
    assert "not deterministic" in text_of(ExceptionGroup("flaky", [VIOLATION]))
    assert "not deterministic" not in text_of(VIOLATION)


def test_the_smallest_example_is_part_of_the_text() -> None:
    error = ContractViolation(Finding(expected="4", seen="5"))
    error.add_note("Falsifying example: counted(\n    n=0,\n)")
    assert "Falsifying example: counted(\n    n=0,\n)" in text_of(error)


def test_any_other_error_is_what_was_seen() -> None:
    assert "seen:     ValueError: x" in text_of(ValueError("x"))
