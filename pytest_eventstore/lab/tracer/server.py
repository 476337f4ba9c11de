"""The inside of the tracing process: takes calls from a pipe, one at a time, until it closes."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import os
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

_report: Callable[[str], None] | None = None


def report(text: str) -> None:
    """Tell the calling process how far the function is; nothing happens outside of a call."""
    if _report is not None:
        _report(text)


def serve(descriptor: int) -> None:
    """Answer calls until the other end of the pipe is closed, or dies."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    connection: Connection = Connection(descriptor)
    os.set_inheritable(descriptor, False)

    def send_report(text: str) -> None:
        if os.getpid() == server:  # a tracee has inherited the pipe, and must not speak
            connection.send(("progress", text))

    server = os.getpid()
    global _report  # noqa: PLW0603 — functions under call reach it without an argument
    _report = send_report
    while True:
        try:
            function, args = connection.recv()
        except EOFError:
            return
        with contextlib.suppress(BrokenPipeError):
            connection.send(_answer(function, args))


def _answer(function: str, args: tuple[object, ...]) -> tuple[str, Any]:
    try:
        module, _, name = function.partition(":")
        return "result", getattr(importlib.import_module(module), name)(*args)
    except Exception:
        return "error", traceback.format_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
