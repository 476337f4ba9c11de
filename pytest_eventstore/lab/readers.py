"""Handles to read through, one after another."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_eventstore.lab.story import Story, ToldHandle


def now_and_reopened(told: Story, handle: ToldHandle) -> Iterator[ToldHandle]:
    """Give the handle that is open; then close every handle and give a new one."""
    yield handle
    yield told.reopen("reopened")
