"""The command ``pytest-eventstore``: the contract and its reports without a test run."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from pytest_eventstore import contract_text
from pytest_eventstore.report.compare import EXIT_UNREADABLE, compare, read
from pytest_eventstore.report.json_ import NotAReportError
from pytest_eventstore.settings import requirement_id


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    parser = _parser()
    given = parser.parse_args(arguments)
    width = shutil.get_terminal_size().columns
    try:
        if given.command == "compare":
            comparison = compare(read(given.old), read(given.new))
            _print(comparison.lines())
            return comparison.exit_status
        if given.command == "explain":
            id_ = requirement_id(given.id, "pytest-eventstore explain")
            _print(contract_text.explain(id_, width))
        else:
            _print(contract_text.table(width))
    except (NotAReportError, pytest.UsageError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return EXIT_UNREADABLE
    return 0


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pytest-eventstore",
        description="The event store contract and its reports. To test an adapter, run pytest.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    comparing = commands.add_parser(
        "compare",
        help="what changed between two JSON reports",
        description="Exits with 1 if something newly fails or is gone, with 4 if a report "
        "cannot be read, else with 0.",
    )
    comparing.add_argument("old", type=Path, metavar="OLD.json")
    comparing.add_argument("new", type=Path, metavar="NEW.json")
    commands.add_parser("list", help="the contract as a table")
    explaining = commands.add_parser("explain", help="one requirement in full")
    explaining.add_argument("id", metavar="ID", help="such as SNP-03")
    return parser
