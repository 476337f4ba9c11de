"""Known failures: a list that must be exactly true, or the run fails.

The file is TOML, one table for each failure::

    [[known]]
    id = "SNP-03"
    target = "pg"
    match = "older"                       # the failure's text must contain it
    link = "https://example.org/issues/7"
    expires = 2027-01-01
    when = "sys_platform == 'win32'"      # an environment marker, as in requirements files
    version = ">=0.1"                     # of pytest-eventstore

The last four are optional. An entry whose `when` or `version` does not hold here
is passed over.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

import pytest

from pytest_eventstore.settings import requirement_id

_REQUIRED = ("id", "target", "match")
_OPTIONAL = ("link", "when", "version")


@dataclass(frozen=True, kw_only=True)
class KnownFailure:
    """One entry of the list."""

    id: str
    target: str
    match: str
    link: str = ""
    when: str = ""
    version: str = ""
    expires: date | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What the entry is about: target and requirement."""
        return self.target, self.id

    @property
    def remark(self) -> str:
        """What a report says of it."""
        return self.link or f"contains {self.match!r}"

    def __str__(self) -> str:
        return f"known failure {self.id} of {self.target}"


@dataclass(frozen=True)
class KnownFailures:
    """The entries that hold here, and what is wrong with the list itself."""

    entries: tuple[KnownFailure, ...] = ()
    problems: tuple[str, ...] = ()

    def explaining(self, target: str, id_: str, text: str) -> KnownFailure | None:
        """Return the entry that a failure of this text is listed in."""
        for entry in self.entries:
            if entry.key == (target, id_) and entry.match in text:
                return entry
        return None


def load_known(path: Path | None, *, may_be_new: bool = False) -> KnownFailures:
    """Return the list in a file; none, or a file that is yet to be written, lists nothing.

    Raises:
        pytest.UsageError: the file cannot be read, or an entry is malformed.
    """
    if path is None or (may_be_new and not path.exists()):
        return KnownFailures()
    try:
        text = path.read_text(encoding="utf-8")
        entries = parse_known(text, str(path))
    except FileNotFoundError:
        raise pytest.UsageError(f"--eventstore-known: there is no file {str(path)!r}") from None
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--eventstore-known: {path}: {error}") from error
    return check(entries, datetime.now(UTC).date())


def parse_known(text: str, source: str) -> tuple[KnownFailure, ...]:
    """Return every entry of the text, whether it holds here or not."""
    tables = tomllib.loads(text)
    for key in tables:
        if key != "known":
            raise ValueError(f"unknown key {key!r}; expected [[known]] tables")
    listed = tables.get("known", [])
    if not isinstance(listed, list):
        raise ValueError("known must be written as [[known]] tables")  # noqa: TRY004
    return tuple(_entry(table, source) for table in listed)


def check(entries: Iterable[KnownFailure], today: date) -> KnownFailures:
    """Return the entries that hold here and now, and what is wrong among them."""
    problems: list[str] = []
    kept: dict[tuple[str, str], KnownFailure] = {}
    for entry in entries:
        if not _holds_here(entry):
            continue
        if entry.key in kept:
            problems.append(f"{entry} is listed twice")
        elif entry.expires is not None and entry.expires < today:
            problems.append(f"{entry} has expired on {entry.expires}")
        else:
            kept[entry.key] = entry
    return KnownFailures(tuple(kept.values()), tuple(problems))


def stale(
    known: KnownFailures,
    records: Iterable[Mapping[str, Any]],
    left_out: set[tuple[str, str]],
    missing_targets: set[str],
) -> list[str]:
    """Return a problem for each entry that this run does not bear out.

    Args:
        known: The list.
        records: What the tests reported.
        left_out: Target and requirement of tests that were not to run.
        missing_targets: Targets that exist but are not part of this run.
    """
    outcomes: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for record in records:
        outcomes.setdefault((record["target"], record["requirement"]), []).append(record)
    problems = []
    for entry in known.entries:
        found = outcomes.get(entry.key, [])
        if not found:
            if entry.key not in left_out and entry.target not in missing_targets:
                problems.append(f"{entry} matches nothing: no such test ran")
        elif any(record.get("known") for record in found):
            continue
        elif any(record["outcome"] == "failed" for record in found):
            problems.append(f"{entry} fails otherwise than with {entry.match!r}")
        elif not any(record["outcome"] in ("inconclusive", "error") for record in found):
            outcome = "passes" if found[0]["outcome"] == "met" else f"is {found[0]['outcome']}"
            problems.append(f"{entry} {outcome}: take it off the list")
    return problems


def _entry(table: Any, source: str) -> KnownFailure:
    if not isinstance(table, dict):
        raise ValueError(f"{table!r} is not a [[known]] table")  # noqa: TRY004
    allowed = (*_REQUIRED, *_OPTIONAL, "expires")
    for key, value in table.items():
        if key not in allowed:
            raise ValueError(f"unknown key {key!r}; expected one of {', '.join(allowed)}")
        wanted: type = date if key == "expires" else str
        if not isinstance(value, wanted):
            raise ValueError(f"{key} must be a {wanted.__name__}, not {value!r}")  # noqa: TRY004
    for key in _REQUIRED:
        if not table.get(key):
            raise ValueError(f"an entry lacks {key}: {table!r}")
    expires = table.get("expires")
    entry = KnownFailure(
        **{
            **table,
            "id": requirement_id(table["id"], f"--eventstore-known: {source}"),
            "expires": expires.date() if isinstance(expires, datetime) else expires,
        }
    )
    _holds_here(entry)
    return entry


def _holds_here(entry: KnownFailure) -> bool:
    """Whether the entry's conditions hold; a malformed one is a ValueError."""
    from packaging.markers import Marker
    from packaging.specifiers import SpecifierSet

    if entry.when and not Marker(entry.when).evaluate():
        return False
    if not entry.version:
        return True
    return SpecifierSet(entry.version).contains(
        installed_version("pytest-eventstore"), prereleases=True
    )
