"""One line on a terminal that says what a long test is doing."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

_INTERVAL = 0.2


def reporter(config: pytest.Config, nodeid: str) -> Callable[[str], None] | None:
    """Return what takes progress texts; None where no person is watching."""
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    if terminal is None or capture is None or not terminal.isatty or terminal.verbosity < 0:
        return None
    test = nodeid.rpartition("::")[2]
    shown = time.monotonic()

    def show(text: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < _INTERVAL:
            return
        shown = now
        with capture.global_and_fixture_disabled():
            terminal.rewrite(f"{test}: {text}"[: terminal._screen_width - 1], erase=True)

    return show
