"""Sources of files that the plugin's tests write: adapters, and a suite of settled outcomes."""

from __future__ import annotations

ADAPTERS = '''
from contextlib import contextmanager
from eventstore_reference.memory import open_ports as open_memory
from pytest_eventstore.ports import Capabilities, Ports


class Forgetful:
    """A store that loses every event."""

    def __init__(self, inner):
        self._inner = inner

    def __getattr__(self, name):
        return getattr(self._inner, name)

    def append(self, *events):
        return self._inner.append()


def good(location):
    return open_memory(location)


@contextmanager
def managed(location):
    ports = open_memory(location)
    yield ports
    ports.close()


def forgetful(location):
    ports = open_memory(location)
    ports.event_store = Forgetful(ports.event_store)
    return ports


def not_ports(location):
    return {"event_store": None}


def no_methods(location):
    ports = open_memory(location)
    ports.event_store = object()
    return ports


def raising(location):
    raise ConnectionError("no route to the database")


def hanging(location):
    import threading
    threading.Event().wait()


_ONE = None


def shared(location):
    global _ONE
    if _ONE is None:
        _ONE = location
    return open_memory(_ONE)


async def awaited(location):
    return open_memory(location)


class AsyncStore(Forgetful):
    async def append(self, *events):
        return self._inner.append(*events)


def async_ports(location):
    ports = open_memory(location)
    ports.event_store = AsyncStore(ports.event_store)
    return ports


def future(location):
    return awaited(location)


def generator(location):
    yield open_memory(location)


def two_arguments(location, dsn):
    return open_memory(location)


NOT_CALLABLE = 7
'''

SUITE = '''
import sys
import types
import pytest

module = types.ModuleType("pytest_eventstore.suite.pretend")
sys.modules[module.__name__] = module
exec(compile("""
import os
import pytest
from pytest_eventstore.outcomes import inconclusive, not_checkable, not_offered, violated

OUTCOMES = dict(word.split("=") for word in os.environ["PRETEND"].split())


class PretendTests:
    eventstore_replays = ("pretend",)

    def _end(self, bench, id_):
        outcome = OUTCOMES.get(id_, "met")
        bench.figures["tries"] += 2
        if outcome == "failed":
            violated(expected="4", seen="5", history=["append(a)", "load_all()"], cause="the cause")
        if outcome == "otherwise":
            violated(expected="4", seen="6", cause="another cause")
        if outcome == "raises":
            raise ValueError("the adapter raised")
        if outcome == "offered":
            not_offered("the adapter's Ports has no archive")
        if outcome == "uncheckable":
            not_checkable("no ptrace")
        if outcome == "inconclusive":
            inconclusive("no overlap")
        if outcome == "skipped":
            pytest.skip("some reason")

    def test_app_01_must(self, eventstore_lab):
        self._end(eventstore_lab, "APP-01")

    def test_app_05_should(self, eventstore_lab):
        self._end(eventstore_lab, "APP-05")

    def test_ord_05_race(self, eventstore_lab):
        self._end(eventstore_lab, "ORD-05")

    @pytest.mark.eventstore_tier("c")
    def test_app_01_must_in_a_race(self, eventstore_lab):
        self._end(eventstore_lab, "APP-01c")
""", "pretend", "exec"), vars(module))

from eventstore_reference.memory import open_ports


class TestPretend(module.PretendTests):
    pass


@pytest.fixture(params=["mem"])
def eventstore_factory(request):
    return open_ports
'''

USERS = """
def test_of_the_users():
    pass
"""
