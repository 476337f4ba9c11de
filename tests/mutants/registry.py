"""The register of mutants: adapters with one fault each, and what must catch it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mutants
from eventstore_reference import memory
from pytest_eventstore.ports import Ports


@dataclass(frozen=True)
class Mutant:
    """One faulty adapter.

    Args:
        name: Its module and function, such as ``snapshots:older_replaces_newer``.
        factory: Opens it.
        fails: The requirement that must fail.
        companions: Requirements that may fail with it, for they rest on the same thing.
        message: What the failure's report must say.
        tier: Of the tests that must catch it.
    """

    name: str
    factory: Callable[[Path], Ports]
    fails: str
    companions: tuple[str, ...]
    message: str
    tier: str

    @property
    def spec(self) -> str:
        """What `--eventstore` takes to test it."""
        return f"mutants.{self.name}"


MUTANTS: list[Mutant] = []
"""Every mutant of the modules imported so far, in order."""


def mutant(
    *, fails: str, companions: tuple[str, ...] = (), message: str = "", tier: str = "u"
) -> Callable[[Callable[[Path], Ports]], Callable[[Path], Ports]]:
    """Enter a factory in the register; see `Mutant` for the arguments."""

    def enter(factory: Callable[[Path], Ports]) -> Callable[[Path], Ports]:
        if not hasattr(factory, "discard"):  # most are built over the in-memory adapter
            discard: Any = memory.open_ports.discard  # type: ignore[attr-defined]
            factory.discard = discard  # type: ignore[attr-defined]
        name = f"{factory.__module__.rpartition('.')[2]}:{factory.__name__}"
        MUTANTS.append(Mutant(name, factory, fails, companions, message, tier))
        return factory

    return enter


def all_mutants() -> list[Mutant]:
    """Import every module of mutants and return what they entered."""
    for module in pkgutil.iter_modules(mutants.__path__):
        importlib.import_module(f"mutants.{module.name}")
    return MUTANTS
