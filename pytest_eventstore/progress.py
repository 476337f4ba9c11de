"""A few words at the end of pytest's line that say what a long test is doing."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

INTERVAL = 0.2
_SAVE, _RESTORE, _ERASE = "\x1b7", "\x1b8", "\x1b[K"
_NARROWEST = 12


class Progress:
    """Takes progress texts and shows them behind the cursor, where pytest's own output goes on."""

    def __init__(self, writer: Any, capture: Any) -> None:
        self._writer = writer
        self._capture = capture
        self._last = time.monotonic()
        self._is_shown = False

    def __call__(self, text: str) -> None:
        """Show the text, unless one was shown a moment ago."""
        now = time.monotonic()
        room = self._writer.fullwidth - self._writer.width_of_current_line - 2
        if now - self._last < INTERVAL or room < _NARROWEST:
            return
        self._last = now
        self._is_shown = True
        self._write(f"{_SAVE} {text[:room]}{_ERASE}{_RESTORE}")

    def clear(self) -> None:
        """Take away what is shown."""
        if self._is_shown:
            self._is_shown = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        with self._capture.global_and_fixture_disabled():
            sys.stdout.write(text)
            sys.stdout.flush()


def watch(config: pytest.Config) -> Progress | None:
    """Return what takes progress texts; None where no person is watching."""
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    capture: Any = config.pluginmanager.get_plugin("capturemanager")
    if terminal is None or capture is None or terminal.verbosity < 0 or not terminal.isatty:
        return None
    writer = config.get_terminal_writer()
    return Progress(writer, capture) if writer.hasmarkup else None
