"""The bench: fresh locations, generated input that repeats by seed, honest skips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.lab.handles import fresh_location, open_handle
from pytest_eventstore.outcomes import NotOffered
from pytest_eventstore.ports import Capabilities, Ports
from pytest_eventstore.targets import Target


class Store:
    closed = 0

    def close(self) -> None:
        Store.closed += 1


def only_a_store(location: Path) -> Ports:
    store: Any = Store()
    return Ports(event_store=store, capabilities=Capabilities(durability="none", sharing="thread"))


@contextmanager
def as_context(location: Path) -> Iterator[Ports]:
    ports = only_a_store(location)
    (location / "entered").touch()
    yield ports
    (location / "left").touch()


def bench(**over: Any) -> Bench:
    return Bench(Target("t", "", only_a_store), name="node", **over)


def drawn(subject: Bench) -> list[int]:
    seen: list[int] = []
    subject.for_all(lambda n: seen.append(n), n=st.integers())
    return seen


def test_the_same_seed_draws_the_same_examples() -> None:
    assert drawn(bench(seed=5)) == drawn(bench(seed=5))
    assert drawn(bench(seed=5)) != drawn(bench(seed=6))


def test_effort_scales_the_examples_and_they_are_counted() -> None:
    counts = []
    for effort in Effort:
        subject = bench(effort=effort)
        drawn(subject)
        counts.append(subject.figures["examples"])
    assert counts == [7, 30, 300]


def test_the_smallest_failing_example_is_named() -> None:
    def check(n: int) -> None:
        assert n < 100

    with pytest.raises(AssertionError) as caught:
        bench().for_all(check, n=st.integers())
    assert "n=100" in "\n".join(caught.value.__notes__)


@pytest.mark.parametrize(
    "use",
    [
        lambda h: h.snapshots,
        lambda h: h.allocator,
        lambda h: h.lock,
        lambda h: h.recorder("s"),
        lambda h: h.cutover("a"),
        lambda h: h.archive(3),
        lambda h: h.recover(None, "a"),
    ],
)
def test_a_missing_port_is_not_offered(use: Any, tmp_path: Path) -> None:
    with pytest.raises(NotOffered, match="not offered"):
        use(open_handle(only_a_store, tmp_path))


def test_weaker_capabilities_are_not_offered() -> None:
    with pytest.raises(NotOffered, match="thread"):
        bench().need_processes()
    with pytest.raises(NotOffered, match='"none", not "power"'):
        bench().need_durability("power")


def test_a_location_closes_its_handles_and_leaves_nothing() -> None:
    Store.closed = 0
    with fresh_location(only_a_store) as location:
        location.open()
        location.open()
        location.reopen()
        path = location.path
        assert path.is_dir()
    assert Store.closed == 3
    assert not path.exists()
    assert not path.parent.exists()


def test_a_factory_may_be_a_context_manager(tmp_path: Path) -> None:
    handle = open_handle(as_context, tmp_path)
    assert (tmp_path / "entered").exists()
    assert not (tmp_path / "left").exists()
    handle.close()
    handle.close()
    assert (tmp_path / "left").exists()


def test_discard_is_called_with_the_location() -> None:
    discarded: list[Path] = []

    def factory(location: Path) -> Ports:
        return only_a_store(location)

    factory.discard = discarded.append  # type: ignore[attr-defined]
    with fresh_location(factory) as location:
        path = location.path
    assert discarded == [path]


def test_locations_have_different_names() -> None:
    with fresh_location(only_a_store) as one, fresh_location(only_a_store) as other:
        assert one.path.name != other.path.name
