"""From what ``--eventstore`` was given to a factory that can be called."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pytest_eventstore.targets import Target

GROUP = "pytest_eventstore.adapters"
_SPEC = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_TARGET_KEYS = ("factory",)

ASYNC_ADVICE = (
    "the suite calls ports without await: wrap the client in ports that run it on an event loop "
    "of their own, in a thread (asyncio.run_coroutine_threadsafe(call, loop).result())"
)


@dataclass(frozen=True)
class Resolved:
    """A target that was asked for; `problem` says why it could not be loaded, if so."""

    name: str
    spec: str
    target: Target | None
    problem: str = ""


def resolve_all(
    names: Iterable[str], tables: Mapping[str, Any], folder: Path
) -> tuple[Resolved, ...]:
    """Return the targets of the given names, each once, in the order given.

    Raises:
        pytest.UsageError: a name is unknown, or what it names is not a factory.
    """
    _check_tables(tables)
    wanted = tuple(dict.fromkeys(names))
    if wanted and str(folder) not in sys.path and "" not in sys.path:
        # As with `python -m pytest`; last, so that a folder of the user's hides no package.
        sys.path.append(str(folder))
    return tuple(_resolve(name, tables) for name in wanted)


def registered() -> dict[str, str]:
    """Return the adapters that installed distributions register, by name."""
    return {entry.name: _spec(entry) for entry in entry_points(group=GROUP)}


def _spec(entry: EntryPoint) -> str:
    return entry.value.split("[")[0].replace(" ", "")


def _check_tables(tables: Mapping[str, Any]) -> None:
    for name, table in tables.items():
        where = f"[tool.pytest-eventstore.targets.{name}]"
        if not isinstance(table, dict):
            raise pytest.UsageError(f"{where} must be a table, not {table!r}")
        for key in table:
            if key not in _TARGET_KEYS:
                raise pytest.UsageError(f"{where} has the unknown key {key!r}; expected factory")
        if not isinstance(table.get("factory"), str):
            raise pytest.UsageError(f'{where} needs factory = "module:attribute"')


def _resolve(name: str, tables: Mapping[str, Any]) -> Resolved:
    if name in tables:
        spec = str(tables[name]["factory"])
    elif ":" in name:
        spec = name
    else:
        known = registered()
        if name not in known:
            names = ", ".join(sorted({*known, *tables}))
            raise pytest.UsageError(
                f"--eventstore: unknown target {name!r}; give module:factory, or one of {names}"
            )
        spec = known[name]
    if not _SPEC.fullmatch(spec):
        raise pytest.UsageError(
            f"--eventstore: {spec!r} is not of the form module:factory, as my.testing:open_ports is"
        )
    return _load(name, spec)


def _load(name: str, spec: str) -> Resolved:
    module_name, _, attribute = spec.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # Only the module asked for is the user's slip; one that it imports is a broken harness.
        if error.name and f"{module_name}.".startswith(f"{error.name}."):
            raise pytest.UsageError(
                f"--eventstore: {spec!r}: there is no module {error.name!r} to import"
            ) from error
        return _unloadable(name, spec, error)
    except (Exception, SystemExit) as error:
        return _unloadable(name, spec, error)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise pytest.UsageError(
                f"--eventstore: {spec!r}: {getattr(found, '__name__', found)!r} has no {part!r}"
            )
        found = getattr(found, part)
    check_factory(found, f"--eventstore: {spec!r}")
    return Resolved(name, spec, Target(name=name, spec=spec, factory=found))


def check_factory(factory: object, source: str) -> None:
    """Raise a usage error unless the object can be called with one path, and at once."""
    if not callable(factory):
        _refuse(source, f"is not a factory but {factory!r:.80}; it must be callable with a path")
    for called in (factory, type(factory).__call__):
        if inspect.iscoroutinefunction(called) or inspect.isasyncgenfunction(called):
            _refuse(source, f"is async; {ASYNC_ADVICE}")
    try:
        signature = inspect.signature(factory)
    except (ValueError, TypeError):  # built in, and silent about its arguments
        return
    try:
        signature.bind(Path())
    except TypeError as error:
        _refuse(source, f"cannot be called as factory(location): {error}; it takes {signature}")


def _refuse(source: str, why: str) -> NoReturn:
    raise pytest.UsageError(f"{source} {why}")


def _unloadable(name: str, spec: str, error: BaseException) -> Resolved:
    module = spec.partition(":")[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
    text = f"importing {module} raised {type(error).__name__}: {error}{where}"
    return Resolved(name, spec, None, text)
