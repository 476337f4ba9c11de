"""The tracing process: it answers, it fails loudly, and it leaves other processes alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_eventstore.lab.tracer import (
    HelperCrashError,
    JobError,
    TracerHelper,
    shared_helper,
    why_not,
)

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@pytest.fixture
def helper() -> Iterator[TracerHelper]:
    helper = TracerHelper()
    yield helper
    helper.close()


def test_call_gives_result_and_progress(helper: TracerHelper) -> None:
    told: list[str] = []
    assert helper.call("lab.tracing_jobs:add", 2, 3, progress=told.append) == 5
    assert told == ["adding"]


def test_one_process_answers_all_calls(helper: TracerHelper) -> None:
    pids = {helper.call("lab.tracing_jobs:own_pid") for _ in range(3)}
    assert pids == {helper.pid}
    assert os.getpid() not in pids


def test_error_comes_with_its_traceback_and_ends_nothing(helper: TracerHelper) -> None:
    with pytest.raises(JobError, match="ValueError: no such thing"):
        helper.call("lab.tracing_jobs:fail")
    assert helper.call("lab.tracing_jobs:add", 1, 1) == 2


def test_crash_is_an_error_with_the_last_words(helper: TracerHelper) -> None:
    with pytest.raises(HelperCrashError, match=r"(?s)status 9.*last words"):
        helper.call("lab.tracing_jobs:crash", 9)
    assert helper.call("lab.tracing_jobs:add", 1, 1) == 2


def test_silence_is_an_error_with_the_stack(helper: TracerHelper) -> None:
    with pytest.raises(HelperCrashError, match=r"(?s)no sign of life.*in hang"):
        helper.call("lab.tracing_jobs:hang", silence=0.4)
    assert helper.call("lab.tracing_jobs:add", 1, 1) == 2


def test_what_is_traced_dies_with_the_tracing_process(helper: TracerHelper, tmp_path: Path) -> None:
    with pytest.raises(HelperCrashError):
        helper.call("lab.tracing_jobs:die_with_tracee", str(tmp_path))
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while _is_alive(pid):
        assert time.monotonic() < deadline, "the traced process lives on"


def test_children_of_the_caller_are_not_taken(helper: TracerHelper) -> None:
    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(7)"]) as child:
        for _ in range(5):
            assert helper.call("pytest_eventstore.lab.tracer.selftest:run") == ""
        assert child.wait(20) == 7


def test_closed_helper_leaves_no_process(helper: TracerHelper) -> None:
    pid = helper.call("lab.tracing_jobs:own_pid")
    helper.close()
    assert not _is_alive(pid)


def test_tests_with_children_run_beside_it_under_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import subprocess, sys
        import pytest
        from pytest_eventstore.lab.tracer import shared_helper

        @pytest.mark.parametrize("number", range(6))
        def test_child(number):
            code = f"raise SystemExit({number})"
            with subprocess.Popen([sys.executable, "-c", code]) as child:
                assert shared_helper().call("pytest_eventstore.lab.tracer.selftest:run") == ""
                assert child.wait(20) == number
    """)
    result = pytester.runpytest_subprocess("-n", "2", "-p", "no:randomly")
    result.assert_outcomes(passed=6)


def test_forked_process_gets_a_helper_of_its_own() -> None:
    ours = shared_helper()
    ours.call("lab.tracing_jobs:add", 1, 1)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            os.write(writer, b"other" if shared_helper() is not ours else b"same")
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        assert answer.read() == b"other"
    assert os.waitpid(child, 0)[1] == 0
    assert ours.call("lab.tracing_jobs:add", 1, 1) == 2


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
