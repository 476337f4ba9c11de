"""Collection: the virtual module of the first door, and what a suite test says of itself.

Both doors lead to the same test functions. Through the first, ``--eventstore``,
they hang under one module that has no file, so that a node id is the same
wherever the package is installed.
"""

from __future__ import annotations

import types
from collections.abc import Generator, Iterable, Sequence
from typing import Any, TypeAlias

import pytest

from pytest_eventstore.requirements import Requirement, load_requirements, requirement_of
from pytest_eventstore.settings import Settings
from pytest_eventstore.targets import Target

SUITE_NODE = "eventstore-suite"
"""The first part of every virtual node id; the dash keeps it from being importable."""

_Wrapper: TypeAlias = Generator[None, pytest.CollectReport, pytest.CollectReport]
_SUITE_PACKAGE = "pytest_eventstore.suite"


def is_suite_test(item: pytest.Item) -> bool:
    """Whether the item is a test of the contract, through whichever door."""
    return isinstance(item, pytest.Function) and item.function.__module__.startswith(_SUITE_PACKAGE)


def requirement_tested(item: pytest.Item) -> Requirement:
    """Return the one requirement that a suite test checks."""
    return load_requirements()[requirement_of(_function_name(item))]


def tier_of(item: pytest.Item) -> str:
    """Return the tier of a suite test: its marker's, else its requirement's."""
    mark = item.get_closest_marker("eventstore_tier")
    return str(mark.args[0]) if mark else requirement_tested(item).tier


def target_name(item: pytest.Item) -> str:
    """Return what reports call the adapter: the target's name, or the user's class."""
    callspec = getattr(item, "callspec", None)
    given = callspec.params.get("eventstore_factory") if callspec else None
    if isinstance(given, Target):
        return given.name
    cls = getattr(item, "cls", None)
    name = cls.__name__ if cls else item.name
    return f"{name}[{callspec.id}]" if callspec else name


def replays_of(item: pytest.Item) -> tuple[str, ...]:
    """Return the kinds of token that the test can replay."""
    function = getattr(item, "function", None)
    kinds: Any = getattr(function, "eventstore_replays", None)
    if kinds is None:
        kinds = getattr(getattr(item, "cls", None), "eventstore_replays", ())
    return (kinds,) if isinstance(kinds, str) else tuple(kinds)


def replay_kinds() -> tuple[str, ...]:
    """Return the kinds of token that some test of the suite can replay."""
    from pytest_eventstore.suite import EventStoreSuite

    found: set[str] = set()
    for owner in (EventStoreSuite, *EventStoreSuite.__bases__):
        for holder in (owner, *vars(owner).values()):
            kinds: Any = getattr(holder, "eventstore_replays", ())
            found |= {kinds} if isinstance(kinds, str) else set(kinds)
    return tuple(sorted(found))


def describe(item: pytest.Item) -> None:
    """Put what the test is about where markers, JUnit and other plugins look for it."""
    requirement = requirement_tested(item)
    item.add_marker(
        pytest.mark.eventstore(
            requirement=requirement.id, level=requirement.level, tier=tier_of(item)
        )
    )
    item.user_properties += [
        ("requirement", requirement.id),
        ("level", requirement.level),
        ("tier", tier_of(item)),
        ("target", target_name(item)),
    ]


def is_left_out(item: pytest.Item, settings: Settings) -> bool:
    """Whether a setting leaves a suite test out."""
    if settings.replay:
        return settings.replay.partition(":")[0] not in replays_of(item)
    if settings.level == "must" and requirement_tested(item).level != "must":
        return True
    return tier_of(item) not in settings.tiers


def pairs(items: Iterable[pytest.Item]) -> list[tuple[str, str]]:
    """Return target and requirement of each suite test among the items."""
    return [
        (target_name(item), requirement_tested(item).id) for item in items if is_suite_test(item)
    ]


def _function_name(item: pytest.Item) -> str:
    return getattr(item, "originalname", None) or item.name


class SuiteClass(pytest.Class):
    """One part of the contract, collected alike under any ``python_functions``."""

    def funcnamefilter(self, name: str) -> bool:
        return name.startswith("test_")


class SuiteModule(pytest.Module):
    """A module without a file: the parts of the suite, and the adapters as a fixture."""

    targets: Sequence[Target] = ()

    def _getobj(self) -> types.ModuleType:
        from pytest_eventstore.suite import EventStoreSuite

        module = types.ModuleType(SUITE_NODE)
        contents: dict[str, Any] = vars(module)
        # In the module, not the plugin, where a conftest.py's fixture of that name would win.
        contents["eventstore_factory"] = _factory_fixture(self.targets)
        contents["eventstore_lab"] = _lab_fixture()
        for part in EventStoreSuite.__bases__:
            # A class of this module's own: collect_imported_tests = false skips any other.
            contents[part.__name__] = type(part.__name__, (part,), {"__module__": SUITE_NODE})
        return module

    def istestclass(self, obj: object, name: str) -> bool:  # noqa: ARG002  # as pytest calls it
        return isinstance(obj, type)


def _factory_fixture(targets: Sequence[Target]) -> object:
    @pytest.fixture(scope="session", params=targets, ids=[t.name for t in targets])
    def eventstore_factory(request: pytest.FixtureRequest) -> Target:
        target: Target = request.param
        return target

    return eventstore_factory


def _lab_fixture() -> object:
    from pytest_eventstore import plugin

    return plugin.eventstore_lab


class VirtualSuite:
    """The hooks of the first door."""

    def __init__(self, config: pytest.Config, targets: Sequence[Target]) -> None:
        self.targets = targets
        self.wanted = take_virtual_ids(config)

    @pytest.hookimpl(wrapper=True, specname="pytest_make_collect_report")
    def pytest_make_collect_report_of_session(self, collector: pytest.Collector) -> _Wrapper:
        report = yield
        if isinstance(collector, pytest.Session) and report.passed and self.targets:
            root = collector.config.rootpath
            node = SuiteModule.from_parent(collector, path=root / SUITE_NODE)
            # Its id is made. From here on a path that exists: --nf asks for its age.
            node.path = root
            node.targets = self.targets
            report.result = [*report.result, node]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> pytest.CollectReport | None:
        # --lf passes over modules whose *file* had no failure, and ours has no file.
        if not isinstance(collector, SuiteModule):
            return None
        runner: Any = collector.config.pluginmanager.get_plugin("runner")
        report: pytest.CollectReport = runner.pytest_make_collect_report(collector)
        return report

    def pytest_pycollect_makeitem(
        self, collector: pytest.Collector, name: str, obj: object
    ) -> pytest.Collector | None:
        if isinstance(collector, SuiteModule) and isinstance(obj, type):
            return SuiteClass.from_parent(collector, name=name)
        return None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        if not self.wanted:
            return
        unused = set(self.wanted)
        kept = []
        for item in items:
            matches = {w for w in self.wanted if is_within(item.nodeid, w)}
            unused -= matches
            if matches or not is_within(item.nodeid, SUITE_NODE):
                kept.append(item)
        items[:] = kept
        if unused and not hasattr(config, "workerinput"):
            raise pytest.UsageError(f"not found: {', '.join(sorted(unused))}")


def take_virtual_ids(config: pytest.Config) -> tuple[str, ...]:
    """Take the virtual node ids out of pytest's arguments and return them.

    Without a path of the user's on the command line nothing else is left to
    collect: testpaths and the current folder are pytest's defaults, not a wish.
    """
    given = config.args if config.args_source is pytest.Config.ArgsSource.ARGS else []
    wanted = tuple(str(arg) for arg in given if is_within(str(arg), SUITE_NODE))
    config.args[:] = [arg for arg in given if str(arg) not in wanted]
    config.args_source = pytest.Config.ArgsSource.ARGS
    return wanted


def is_within(nodeid: str, parent: str) -> bool:
    """Whether a node id is that of the parent, or of something under it."""
    return nodeid == parent or nodeid.startswith((f"{parent}::", f"{parent}["))
