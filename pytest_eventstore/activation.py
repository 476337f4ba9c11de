"""Turning the plugin on, from either door, and putting an adapter on the bench."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_eventstore import progress
from pytest_eventstore.collect import VirtualSuite, replays_of
from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.options import read_settings
from pytest_eventstore.running import KEY, SuiteRun, target_of


def activate(config: pytest.Config) -> SuiteRun:
    """Read the settings and register the hooks that watch the suite.

    Raises:
        pytest.UsageError: a setting is wrong.
    """
    settings = read_settings(config)
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


def make_bench(request: pytest.FixtureRequest, factory: Any) -> Bench:
    """Return the bench for one test."""
    config = request.config
    settings = config.stash[KEY].settings
    kind = settings.replay.partition(":")[0]
    return Bench(
        target_of(request, factory),
        effort=Effort(settings.effort),
        seed=settings.seed,
        name=request.node.nodeid,
        replay=settings.replay if kind in replays_of(request.node) else None,
        database=_examples(config),
        report_progress=progress.reporter(config, request.node.nodeid),
    )


def _examples(config: pytest.Config) -> Any:
    """Return where Hypothesis keeps failing examples: with pytest's own memory of failures."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return None
    from hypothesis.database import DirectoryBasedExampleDatabase

    make_folder: Callable[[str], Any] = cache.mkdir
    return DirectoryBasedExampleDatabase(make_folder("eventstore-examples"))
