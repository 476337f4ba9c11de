"""What a run was asked to do: command line and pyproject.toml merged, every value checked."""

from __future__ import annotations

import difflib
import random
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_eventstore.options import option
from pytest_eventstore.resolve import Resolved, resolve_all

LEVELS = ("must", "should")
EFFORTS = ("quick", "standard", "thorough")
TIERS = {"u": "ordinary", "c": "concurrency", "f": "fault", "p": "performance"}
TABLE = "[tool.pytest-eventstore]"

_KEYS: Mapping[str, tuple[type, ...]] = {
    "targets": (dict,),
    "level": (str,),
    "tier": (str, list),
    "effort": (str,),
    "seed": (int,),
    "report": (str, list),
    "require": (str, list),
    "contract": (str,),
    "known": (str,),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run was asked to do, every value checked.

    Args:
        targets: The adapters to test through the first door, and those that cannot be loaded.
        named: The names of targets in pyproject.toml.
        level: As given; empty if it was not.
        tiers: Letters of the tiers to run.
        effort: One of `EFFORTS`.
        seed: Where all chance comes from.
        replay: The token to replay, or empty.
        reports: Where to write reports.
        diff: An earlier report to compare with, or None.
        require: What the run must reach: empty, ``conformant``, a level, or ids.
        contract: The contract version to score.
        known: The file of known failures, or None.
        known_update: Whether to rewrite that file.
    """

    targets: tuple[Resolved, ...] = ()
    named: tuple[str, ...] = ()
    level: str = ""
    tiers: tuple[str, ...] = tuple(TIERS)
    effort: str = "standard"
    seed: int = 0
    replay: str = ""
    reports: tuple[Path, ...] = ()
    diff: Path | None = None
    require: tuple[str, ...] = ()
    contract: str = ""
    known: Path | None = None
    known_update: bool = False

    @property
    def gating_level(self) -> str:
        """The lowest level that decides the verdict."""
        return "should" if "should" in (self.level, *self.require) else "must"


def read_settings(config: pytest.Config) -> Settings:
    """Return the settings of a run; the command line wins over pyproject.toml.

    Raises:
        pytest.UsageError: a value, a key or a target is not as it should be.
    """
    table, home = read_table(config)
    here = config.invocation_params.dir

    def paths(name: str, key: str) -> tuple[Path, ...]:
        given = _listed(option(config, name))
        base, values = (here, given) if given else (home, _listed(table.get(key)))
        return tuple(base / value for value in values)

    known = paths("--eventstore-known", "known")
    settings = Settings(
        targets=resolve_all(option(config, "--eventstore") or (), table.get("targets", {}), here),
        named=tuple(table.get("targets", {})),
        level=_one_of("--eventstore-level", _pick(config, table, "level"), LEVELS),
        tiers=_tiers(_pick(config, table, "tier")),
        effort=_one_of("--eventstore-effort", _pick(config, table, "effort"), EFFORTS)
        or "standard",
        seed=_seed(config, _pick(config, table, "seed")),
        replay=option(config, "--eventstore-replay") or "",
        reports=paths("--eventstore-report", "report"),
        diff=next(iter(paths("--eventstore-diff", "")), None),
        require=_require(_pick(config, table, "require")),
        contract=_contract(_pick(config, table, "contract")),
        known=known[0] if known else None,
        known_update=bool(option(config, "--eventstore-known-update")),
    )
    if settings.known_update and settings.known is None:
        raise pytest.UsageError(
            "--eventstore-known-update needs --eventstore-known FILE, the list to rewrite"
        )
    for path in settings.reports:
        _check_report(path)
    if settings.diff is not None:
        _check_diff(settings.diff)
    return settings


def read_table(config: pytest.Config) -> tuple[Mapping[str, Any], Path]:
    """Return ``[tool.pytest-eventstore]`` and the folder its paths are relative to."""
    file = config.rootpath / "pyproject.toml"
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}, config.rootpath
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"{file} cannot be read: {error}") from error
    tool = tables.get("tool", {})
    table = tool.get("pytest-eventstore", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise pytest.UsageError(f"{file}: {TABLE} must be a table, not {table!r}")
    for key, value in table.items():
        if key not in _KEYS:
            raise pytest.UsageError(
                f"{file}: {TABLE} has the unknown key {key!r}{_meant(key, _KEYS)}"
            )
        if not isinstance(value, _KEYS[key]) or isinstance(value, bool):
            wanted = " or ".join(kind.__name__ for kind in _KEYS[key])
            raise pytest.UsageError(f"{file}: {TABLE} {key} must be a {wanted}, not {value!r}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise pytest.UsageError(f"{file}: {TABLE} {key} must hold strings, not {value!r}")
    return table, file.parent


def requirement_id(text: str, source: str) -> str:
    """Return the id that the text names, in any case, or raise a usage error."""
    from pytest_eventstore.requirements import load_requirements

    id_ = text.strip().upper()
    if id_ not in load_requirements():
        raise pytest.UsageError(
            f"{source}: {text!r} is no requirement of the contract; see --eventstore-list"
        )
    return id_


def _pick(config: pytest.Config, table: Mapping[str, Any], key: str) -> Any:
    given = option(config, f"--eventstore-{key}")
    return table.get(key) if given is None or given == [] else given


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def _split(value: Any) -> list[str]:
    return [word.strip() for text in _listed(value) for word in text.split(",") if word.strip()]


def _one_of(name: str, value: str | None, allowed: tuple[str, ...]) -> str:
    if value is not None and value not in allowed:
        raise pytest.UsageError(f"{name}: {value!r} is not one of {', '.join(allowed)}")
    return value or ""


def _tiers(value: Any) -> tuple[str, ...]:
    words = _split(value)
    if value and not words:
        raise pytest.UsageError(f"--eventstore-tier: {value!r} names no tier")
    letters = {**{letter: letter for letter in TIERS}, **{v: k for k, v in TIERS.items()}}
    for word in words:
        if word not in letters:
            names = ", ".join(f"{letter} ({name})" for letter, name in TIERS.items())
            raise pytest.UsageError(f"--eventstore-tier: {word!r} is not one of {names}")
    chosen = {letters[word] for word in words} or set(TIERS)
    return tuple(letter for letter in TIERS if letter in chosen)


def _seed(config: pytest.Config, value: Any) -> int:
    workerinput = getattr(config, "workerinput", {})
    if value is None and "eventstore_seed" in workerinput:
        return int(workerinput["eventstore_seed"])
    if value is None:
        return random.SystemRandom().randrange(2**32)
    text = str(value)
    if not (text.isascii() and text.isdigit()):
        raise pytest.UsageError(f"--eventstore-seed: {value!r} is not a whole number from 0 up")
    return int(text)


def _require(value: Any) -> tuple[str, ...]:
    words = _split(value)
    if value and not words:
        raise pytest.UsageError(f"--eventstore-require: {value!r} names nothing to require")
    if words in (["conformant"], ["must"], ["should"]):
        return tuple(words)
    for word in words:
        if word in ("conformant", *LEVELS):
            raise pytest.UsageError(f"--eventstore-require: {word!r} stands alone or not at all")
    return tuple(
        requirement_id(word, "--eventstore-require takes conformant, must, should or ids")
        for word in words
    )


def _check_report(path: Path) -> None:
    from pytest_eventstore.report import UnwritableReportError, check

    try:
        check(path)
    except UnwritableReportError as error:
        raise pytest.UsageError(f"--eventstore-report: {error}") from error


def _check_diff(path: Path) -> None:
    from pytest_eventstore.report.compare import read
    from pytest_eventstore.report.json_ import NotAReportError

    try:
        read(path)
    except NotAReportError as error:
        raise pytest.UsageError(f"--eventstore-diff: {error}") from error


def _contract(value: str | None) -> str:
    from pytest_eventstore.requirements import contract_version, load_requirements

    newest = contract_version()
    versions = sorted({newest, *(r.since for r in load_requirements().values())})
    if value is not None and value not in versions:
        raise pytest.UsageError(
            f"--eventstore-contract: {value!r} is not one of {', '.join(versions)}"
        )
    return value or newest


def _meant(word: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(known)}"
