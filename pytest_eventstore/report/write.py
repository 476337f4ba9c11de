"""Writes a run into a file, in the format its name asks for."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from pytest_eventstore.report import badge, json_, markdown
from pytest_eventstore.report.model import Run

SUFFIXES = {
    ".json": "JSON, see the schema in the package",
    ".md": "Markdown",
    ".html": "one HTML page",
    ".svg": "a badge",
}
STEP_SUMMARY = "GITHUB_STEP_SUMMARY"


class UnwritableReportError(ValueError):
    """No report can be written under that name; the message says why."""


def check(path: str | os.PathLike[str]) -> None:
    """Raise `UnwritableReportError` unless `write` can make such a report here."""
    if _is_step_summary(path):
        return
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UnwritableReportError(
            f"{os.fspath(path)!r}: the suffix of a report must be one of {', '.join(SUFFIXES)},"
            f" not {suffix!r}"
        )
    if Path(path).is_dir():
        raise UnwritableReportError(f"{os.fspath(path)!r} is a directory")
    if suffix == ".html" and importlib.util.find_spec("jinja2") is None:
        raise UnwritableReportError(
            f"{os.fspath(path)!r}: HTML reports need jinja2:"
            " pip install 'pytest-eventstore[report]'"
        )


def write(run: Run, path: str | os.PathLike[str]) -> str:
    """Write the report and return one line that says what was done.

    The file is replaced, its folder made. The file that ``GITHUB_STEP_SUMMARY``
    names is appended to, in Markdown, whatever its suffix. A badge is written
    only for a complete run; of a partial one no claim could be made.

    Raises:
        UnwritableReportError: see `check`.
        OSError: the file cannot be written.
    """
    check(path)
    if _is_step_summary(path):
        with open(path, "a", encoding="utf-8") as summary:
            summary.write(markdown.render(run, limit=markdown.STEP_SUMMARY_LIMIT) + "\n")
        return f"appended to the step summary {os.fspath(path)}"
    suffix = Path(path).suffix.lower()
    if suffix == ".svg" and not badge.is_deserved(run):
        return f"{os.fspath(path)} not written: a badge needs a complete run"
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(_render(run, suffix), encoding="utf-8")
    return f"wrote {os.fspath(path)}"


def _render(run: Run, suffix: str) -> str:
    if suffix == ".json":
        return json_.render(run)
    if suffix == ".md":
        return markdown.render(run)
    if suffix == ".svg":
        return badge.render(run)
    from pytest_eventstore.report.html import render as render_page

    return render_page(run)


def _is_step_summary(path: str | os.PathLike[str]) -> bool:
    return os.environ.get(STEP_SUMMARY, "") == os.fspath(path) != ""
