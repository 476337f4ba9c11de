"""Targets: the adapters under test, and how another process finds them again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pytest_eventstore.ports import Ports

Factory: TypeAlias = Callable[[Path], Ports | AbstractContextManager[Ports]]


@dataclass(frozen=True, slots=True)
class TargetReference:
    """Names a factory for a process that has to import it by itself."""

    spec: str
    sys_path: tuple[str, ...]

    def load(self) -> Factory:
        """Import and return the factory."""
        for entry in reversed(self.sys_path):
            if entry not in sys.path:
                sys.path.insert(0, entry)
        return load_attribute(self.spec)


@dataclass(frozen=True)
class Target:
    """One adapter under test.

    Args:
        name: What reports call it.
        spec: ``module:attribute``; empty if the factory has no importable name.
        factory: Opens the adapter's ports on a location.
    """

    name: str
    spec: str
    factory: Factory

    @property
    def reference(self) -> TargetReference | None:
        """The picklable name of the factory; None if only this process has it."""
        return TargetReference(self.spec, tuple(sys.path)) if self.spec else None


def load_attribute(spec: str) -> Factory:
    """Import what ``module:attribute`` names; raises whatever the import raises."""
    module_name, _, attribute = spec.partition(":")
    found: object = importlib.import_module(module_name)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found  # type: ignore[return-value]  # the preflight checks that it opens Ports
