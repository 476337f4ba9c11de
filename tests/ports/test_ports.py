"""`Ports` and `Capabilities`."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_eventstore.ports import Capabilities, Ports


class Closing:
    def __init__(self, fail: bool = False) -> None:
        self.closed = 0
        self.fail = fail

    def close(self) -> None:
        self.closed += 1
        if self.fail:
            raise OSError("cannot close")


def ports(**over: Any) -> Ports:
    fields: dict[str, Any] = {"event_store": object()}
    return Ports(**fields | over)


def test_closes_each_port_once_although_two_names_hold_it() -> None:
    both = Closing()
    ports(event_store=both, snapshot_store=both).close()
    assert both.closed == 1


def test_closes_the_others_although_one_fails() -> None:
    failing, fine = Closing(fail=True), Closing()
    with pytest.raises(OSError, match="cannot close"):
        ports(event_store=failing, snapshot_store=fine).close()
    assert fine.closed == 1


def test_two_failures_are_both_told() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        ports(event_store=Closing(fail=True), snapshot_store=Closing(fail=True)).close()
    assert len(caught.value.exceptions) == 2


@pytest.mark.parametrize("over", [{"durability": "disk"}, {"sharing": "host"}])
def test_unknown_capability_is_quoted(over: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=repr(next(iter(over.values())))):
        Capabilities(**over)


def test_the_strongest_is_the_default() -> None:
    assert Capabilities() == Capabilities(durability="power", sharing="process")
