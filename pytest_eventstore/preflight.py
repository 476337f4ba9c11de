"""The preflight: is there an adapter to test at all, before a hundred tests say there is not."""

from __future__ import annotations

import inspect
import traceback
import uuid
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.ports import (
    Capabilities,
    Event,
    EventStore,
    Ports,
    SeqAllocator,
    SnapshotStore,
)
from pytest_eventstore.resolve import ASYNC_ADVICE
from pytest_eventstore.targets import Factory, Target
from pytest_eventstore.time_limit import TimeUp, within

TIME_LIMIT = 30.0
"""How long an adapter may take to open two locations, in seconds."""

_PROTOCOLS: dict[str, type] = {
    "event_store": EventStore,
    "snapshot_store": SnapshotStore,
    "seq_allocator": SeqAllocator,
}


class BrokenHarnessError(Exception):
    """There is nothing that could be tested; the message says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What opening an adapter showed; `problem` is empty if it can be tested."""

    adapter: str = ""
    capabilities: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def examine(target: Target, time_limit: float = TIME_LIMIT) -> Preflight:
    """Open the adapter on two locations and say whether it can be tested.

    Whatever goes wrong ends up in the result, a factory that never returns included.
    """
    stage = ["calling the factory"]

    def run() -> Preflight:
        try:
            return _examine(target.factory, stage)
        except BrokenHarnessError as error:
            return Preflight(problem=str(error))
        except (KeyboardInterrupt, TimeUp):
            raise
        except BaseException as error:
            return Preflight(problem=f"{stage[0]} raised {_described(error)}")

    try:
        return within(time_limit, run)
    except TimeUp:
        return Preflight(problem=f"{stage[0]} took more than {time_limit:g} s")


def _examine(factory: Factory, stage: list[str]) -> Preflight:
    with ExitStack() as stack:
        # Locations as the suite makes them, but opened here, where a wrong shape has a name.
        first = stack.enter_context(fresh_location(factory))
        second = stack.enter_context(fresh_location(factory))
        stage[0] = "opening a location"
        ports = _open(factory, first.path, stack)
        _check_shape(ports)
        stage[0] = "opening a second location"
        other = _open(factory, second.path, stack)
        stage[0] = "comparing two locations"
        _check_apart(ports, other)
        found = Preflight(
            adapter=_class_name(ports.event_store),
            capabilities={
                "durability": ports.capabilities.durability,
                "sharing": ports.capabilities.sharing,
            },
        )
        stage[0] = "closing"
    return found


def _open(factory: Factory, path: Path, stack: ExitStack) -> Ports:
    opened: Any = factory(path)
    if inspect.isawaitable(opened) or hasattr(opened, "__aenter__"):
        if inspect.iscoroutine(opened):
            opened.close()
        raise BrokenHarnessError(f"the factory is async; {ASYNC_ADVICE}")
    if inspect.isgenerator(opened):
        raise BrokenHarnessError(
            "the factory is a generator; put @contextlib.contextmanager in front of it"
        )
    if isinstance(opened, AbstractContextManager) and not isinstance(opened, Ports):
        opened = stack.enter_context(opened)
    elif isinstance(opened, Ports):
        stack.callback(opened.close)
    if not isinstance(opened, Ports):
        raise BrokenHarnessError(
            f"the factory gave {opened!r:.80}; it must return pytest_eventstore.ports.Ports, "
            "or be a context manager that yields it"
        )
    return opened


def _check_shape(ports: Ports) -> None:
    for name, protocol in _PROTOCOLS.items():
        port = getattr(ports, name)
        if port is None and name != "event_store":
            continue
        missing = [
            method
            for method in vars(protocol)
            if not method.startswith("_") and not callable(getattr(port, method, None))
        ]
        if missing:
            raise BrokenHarnessError(
                f"Ports.{name} is a {_class_name(port)} without {', '.join(missing)}"
            )
        is_async = [
            method
            for method in vars(protocol)
            if not method.startswith("_") and inspect.iscoroutinefunction(getattr(port, method))
        ]
        if is_async:
            raise BrokenHarnessError(f"Ports.{name}.{is_async[0]} is async; {ASYNC_ADVICE}")
    for name in ("recorder", "cutover", "recover", "archive"):
        port = getattr(ports, name)
        if port is not None and not callable(port):
            raise BrokenHarnessError(f"Ports.{name} is not callable but {port!r:.80}")
    if ports.lock is not None and not isinstance(ports.lock, AbstractContextManager):
        raise BrokenHarnessError(f"Ports.lock is no context manager but {ports.lock!r:.80}")
    if not isinstance(ports.capabilities, Capabilities):
        raise BrokenHarnessError(f"Ports.capabilities is {ports.capabilities!r:.80}")


def _check_apart(ports: Ports, other: Ports) -> None:
    """Raise if the two share data; what else they get wrong is for the tests to say."""
    event = Event(
        id=f"preflight-{uuid.uuid4()}", type="preflight", timestamp=datetime.now(UTC), data=None
    )
    try:
        ports.event_store.append(event)
        found = [stored.id for stored in other.event_store.load_all().events]
    except Exception:
        return
    if event.id in found:
        raise BrokenHarnessError(
            "two locations gave the same data: an event appended on one came out of the other. "
            "Derive the file, schema or namespace from the location (location.name is unique)"
        )


def _class_name(port: object) -> str:
    cls = type(port)
    return f"{cls.__module__}.{cls.__qualname__}".removeprefix("builtins.")


def _described(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if frames else text
