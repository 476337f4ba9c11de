"""The contract as data: every numbered requirement, in the order of the contract.

The list itself is `requirements.toml`, beside this module; tests, reports and
documentation take their wording from there.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, get_args

from pytest_eventstore.ports import Ports

Level: TypeAlias = Literal["must", "should"]
Tier: TypeAlias = Literal["u", "c", "f", "p"]

TIERS: Mapping[Tier, str] = MappingProxyType(
    {"u": "ordinary use", "c": "concurrency", "f": "faults", "p": "performance"}
)
"""What it takes to check a requirement, in words."""

PORTS = ("ports", *(f.name for f in fields(Ports) if f.name not in ("lock", "capabilities")))

_ID = re.compile(r"[A-Z]{3}-\d\d")
_TEST_NAME = re.compile(r"test_([a-z]{3})_(\d\d)_\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """One numbered requirement; its id is never renamed and never reused.

    Args:
        id: Such as ``"SNP-03"``.
        level: ``"must"`` gates; ``"should"`` is reported, and gates only when asked to.
        tier: What it takes to check it; see `TIERS`.
        part: The part of the contract it belongs to.
        port: The attribute of `Ports` it is about; ``"ports"`` where it is about all.
        statement: What an adapter must do.
        since: The version of the contract that brought it.
        rationale: Why it matters.
        how: How it is tested.
        breaks: What typically breaks it.
    """

    id: str
    level: Level
    tier: Tier
    part: str
    port: str
    statement: str
    since: str
    rationale: str
    how: str
    breaks: str

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"requirement {self.id!r}: {f.name} must be text, not {value!r}")
        choices = {"level": get_args(Level), "tier": tuple(TIERS), "port": PORTS}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"requirement {self.id!r}: {name} must be one of {', '.join(allowed)}, "
                    f"not {getattr(self, name)!r}"
                )
        if not _ID.fullmatch(self.id):
            raise ValueError(f"requirement id must look like SNP-03, not {self.id!r}")


@cache
def load_requirements() -> Mapping[str, Requirement]:
    """Return the contract by id, in its order; every entry is valid and no id doubled."""
    text = (files("pytest_eventstore") / "requirements.toml").read_text(encoding="utf-8")
    return parse_requirements(text)


@cache
def contract_version() -> str:
    """Return the version of the contract that this package tests."""
    text = (files("pytest_eventstore") / "requirements.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["version"])


def parse_requirements(text: str) -> Mapping[str, Requirement]:
    """Return the requirements that TOML text lists.

    Raises:
        ValueError: an entry lacks a key, has an unknown one or a bad value, or an id is doubled.
    """
    known = {f.name for f in fields(Requirement)} - {"part"}
    found: dict[str, Requirement] = {}
    for part in tomllib.loads(text)["part"]:
        entries: list[dict[str, Any]] = part["requirement"]
        for entry in entries:
            if wrong := known ^ entry.keys():
                raise ValueError(
                    f"requirement {entry.get('id', entry)!r}: missing or unknown keys "
                    f"{', '.join(sorted(wrong))}"
                )
            requirement = Requirement(part=part["name"], **entry)
            if requirement.id in found:
                raise ValueError(f"requirement {requirement.id} is listed twice")
            found[requirement.id] = requirement
    return MappingProxyType(found)


def requirement_of(test_name: str) -> str:
    """Return the id that a test's name begins with: ``test_snp_03_older`` gives ``SNP-03``.

    Raises:
        ValueError: the name does not begin with an id of the contract.
    """
    match = _TEST_NAME.match(test_name)
    id_ = f"{match[1].upper()}-{match[2]}" if match else ""
    if id_ not in load_requirements():
        raise ValueError(f"{test_name!r} does not begin with a requirement, as test_snp_03_… does")
    return id_
