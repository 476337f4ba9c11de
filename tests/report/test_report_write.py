"""Writing a report: the name chooses the format, and a bad name is refused up front."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_eventstore.report import UnwritableReportError, check, write
from report.sample_run import all_met, make, two_targets


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("r.json", "{"),
        ("r.JSON", "{"),
        ("deep/er/r.md", "## Event store contract"),
        ("r.html", "<!doctype html>"),
        ("r.svg", "<svg "),
    ],
)
def test_the_suffix_chooses_the_format(tmp_path: Path, name: str, beginning: str) -> None:
    path = tmp_path / name
    assert write(make(all_met()), path) == f"wrote {path}"
    assert path.read_text(encoding="utf-8").startswith(beginning)


def test_a_report_replaces_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write(two_targets(), path)
    write(make(all_met()), path)
    assert json.loads(path.read_text())["verdict"] == "conformant"


def test_a_badge_of_an_incomplete_run_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "r.svg"
    assert "not written" in write(two_targets(), path)
    assert not path.exists()


@pytest.mark.parametrize("name", ["r.pdf", "r", "json", ".html"])
def test_an_unknown_suffix_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnwritableReportError, match=r"must be one of \.json, \.md, \.html, \.svg"):
        check(tmp_path / name)
    with pytest.raises(ValueError, match="suffix"):
        write(two_targets(), tmp_path / name)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "r.json").mkdir()
    with pytest.raises(UnwritableReportError, match="is a directory"):
        check(tmp_path / "r.json")


def test_html_without_its_library_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(UnwritableReportError, match=r"pip install 'pytest-eventstore\[report\]'"):
        check(tmp_path / "r.html")
    check(tmp_path / "r.json")


def test_the_step_summary_is_appended_to_whatever_its_suffix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "step_summary_4f1c"
    path.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    check(str(path))
    write(two_targets(), str(path))
    text = path.read_text(encoding="utf-8")
    assert text.startswith("before\n## Event store contract 1.0")
    assert text.count("## Event store contract") == 1


def test_without_a_step_summary_an_empty_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with pytest.raises(UnwritableReportError):
        check("")
