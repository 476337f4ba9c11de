"""Turning the plugin on, from either door, and putting an adapter on the bench."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_eventstore import progress
from pytest_eventstore.collect import VirtualSuite, replay_kinds, replays_of, target_name
from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.running import KEY, SuiteRun
from pytest_eventstore.settings import read_settings
from pytest_eventstore.targets import Target


def activate(config: pytest.Config) -> SuiteRun:
    """Read the settings and register the hooks that watch the suite.

    Raises:
        pytest.UsageError: a setting is wrong.
    """
    settings = read_settings(config)
    if settings.replay:
        _check_token(settings.replay)
    run = SuiteRun(config, settings)
    config.stash[KEY] = run
    if settings.targets:
        config.pluginmanager.register(VirtualSuite(config, ()), "eventstore-virtual")
    config.pluginmanager.register(run, "eventstore-run")
    if config.pluginmanager.has_plugin("xdist"):
        from pytest_eventstore.xdist import XdistHooks

        config.pluginmanager.register(XdistHooks(run), "eventstore-xdist")
    return run


def activate_late(item: pytest.Item) -> None:
    """Make sure that the run is watched, now that it turns out to hold a suite test."""
    config = item.config
    if KEY not in config.stash:
        # Its hooks come too late for this first item only.
        activate(config).pytest_itemcollected(item)


def benches(request: pytest.FixtureRequest, factory: Any) -> Iterator[Bench]:
    """Yield the bench for one test."""
    config = request.config
    run = config.stash[KEY]
    settings = run.settings
    target = factory
    if not isinstance(factory, Target):
        target = _target_of(request, factory)
        run.check_once(target)
    kind = settings.replay.partition(":")[0]
    shown = progress.watch(config)
    yield Bench(
        target,
        effort=Effort(settings.effort),
        seed=settings.seed,
        name=request.node.nodeid,
        replay=settings.replay if kind in replays_of(request.node) else None,
        database=_examples(config),
        report_progress=shown,
    )
    if shown is not None:
        shown.clear()


def _check_token(token: str) -> None:
    kind, _, rest = token.partition(":")
    if not rest or kind not in replay_kinds():
        known = ", ".join(f"{k}:…" for k in replay_kinds())
        raise pytest.UsageError(
            f"--eventstore-replay: {token!r} is not a token of this suite; those begin with {known}"
        )


def _target_of(request: pytest.FixtureRequest, factory: Any) -> Target:
    """Return the target that a user's ``eventstore_factory`` stands for."""
    module_name = str(getattr(factory, "__module__", ""))
    name = str(getattr(factory, "__qualname__", ""))
    module = sys.modules.get(module_name)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    # A worker process must find the very same file under that name.
    is_importable = (
        found is factory
        and module_name != "__main__"
        and (spec := importlib.util.find_spec(module_name)) is not None
        and spec.origin == getattr(module, "__file__", "")
    )
    return Target(
        name=target_name(request.node),
        spec=f"{module_name}:{name}" if is_importable else "",
        factory=factory,
    )


def _examples(config: pytest.Config) -> Any:
    """Return where Hypothesis keeps failing examples: with pytest's own memory of failures."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return None
    from hypothesis.database import DirectoryBasedExampleDatabase

    make_folder: Callable[[str], Any] = cache.mkdir
    return DirectoryBasedExampleDatabase(make_folder("eventstore-examples"))
