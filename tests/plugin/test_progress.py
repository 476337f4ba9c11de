"""Long tests say what they are doing, to a person at a terminal and to nobody else."""

from __future__ import annotations

import sys

import pytest

from plugin.pretend import SUITE

WATCHED = """
import pytest
from pytest_eventstore import progress

progress.INTERVAL = 0

class Flag:
    # A bool up to pytest 8.4, and callable too from then on.
    def __bool__(self):
        return {isatty}

    def __call__(self):
        return {isatty}

@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    config.pluginmanager.get_plugin("terminalreporter").isatty = Flag()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs ANSI sequences")


@pytest.mark.parametrize("isatty", [True, False])
def test_progress_is_shown_on_a_terminal_only(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, isatty: bool
) -> None:
    monkeypatch.setenv("PRETEND", "APP-01=met")
    pytester.makeconftest(WATCHED.format(isatty=isatty))
    suite = SUITE.replace(
        'bench.figures["tries"] += 2', 'bench.progress("kill point 1 of 2"); print("captured")'
    )
    pytester.makepyfile(test_pretend=suite)
    result = pytester.runpytest_subprocess("--color=yes", "-k", "test_ord_05")
    assert result.ret == 0
    text = result.stdout.str()
    assert ("\x1b7 kill point 1 of 2\x1b[K\x1b8" in text) is isatty
    # It is gone before the next thing is written, and pytest's capture was not disturbed.
    assert text.count("\x1b[K") == (2 if isatty else 0)
    assert "captured" not in text
