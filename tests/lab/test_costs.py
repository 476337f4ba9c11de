"""Costs at two histories: what counts as growth, what as noise, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from eventstore_reference import memory
from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.lab.costs import GROWTH, Costs, Histories, histories, timed_in_new_process
from pytest_eventstore.outcomes import ContractViolation, Inconclusive, NotCheckable
from pytest_eventstore.targets import Target


@pytest.fixture
def bench() -> Bench:
    return Bench(Target("memory", "", memory.open_ports), effort=Effort.QUICK)


@pytest.fixture
def past(bench: Bench) -> Iterator[Histories]:
    with histories(bench) as both:
        yield both


def test_the_ratio_is_of_medians_so_an_outlier_does_not_count() -> None:
    costs = Costs(short=(1.0, 1.0, 90.0), long=(2.0, 2.0, 2.0))

    assert costs.ratio == 2.0


def test_the_spread_is_that_of_groups_of_calls() -> None:
    steady = Costs(short=(1.0,) * 20, long=(3.0,) * 20)
    noisy = Costs(short=(1.0,) * 20, long=(1.0, 1.0, 9.0, 9.0, 9.0) * 4)

    assert steady.spread == (3.0, 3.0)
    low, high = noisy.spread
    assert low < 4 < high


def test_few_calls_are_noise_throughout() -> None:
    assert Costs(short=(1.0, 2.0), long=(2.0, 8.0)).spread == (1.0, 8.0)


def test_both_histories_are_filled(past: Histories) -> None:
    counts = [len(loc.open().events.load_after_seq_nr(0).events) for loc in past.locations]

    assert counts == past.heads == [50, 50 * GROWTH]


def test_a_flat_cost_passes_and_is_told(past: Histories, bench: Bench) -> None:
    past.expect_flat("asking", lambda which: 0.001, 20, cause="c")

    name = f"times the cost of asking for {GROWTH} times the history"
    assert bench.figures[name] == 1.0
    assert bench.figures["asking, µs at 5,000 events"] == 1000.0


def test_a_growing_cost_fails_with_the_figures(past: Histories) -> None:
    with pytest.raises(ContractViolation) as caught:
        past.expect_flat("asking", lambda which: 0.001 * (1 + 9 * which), 20, cause="it scans")

    finding = caught.value.finding
    assert finding.expected == "asking costs at most 4 times as much at 100 times the history"
    assert finding.seen.startswith("10.0 times (10.0 to 10.0 among 5 groups) as much, 10,000 µs")
    assert finding.history
    assert finding.cause == "it scans"


def test_growth_within_the_noise_proves_nothing(past: Histories) -> None:
    asked = count()

    def noisy(which: int) -> float:
        # One call to warm up, then five that are measured, one for each group.
        return 0.001 if not which else 0.001 * (1, 1, 1, 9, 9, 9)[next(asked) % 6]

    with pytest.raises(Inconclusive, match="too noisy"):
        past.expect_flat("asking", noisy, 15, cause="c")


def test_a_target_without_a_name_has_no_new_process(past: Histories) -> None:
    with pytest.raises(NotCheckable):
        timed_in_new_process(None, past.locations[0].path, 0)


def test_a_new_process_opens_and_reads() -> None:
    target = Target("reference", "eventstore_reference:open_ports", memory.open_ports)
    with Bench(target).location() as location:
        assert 0 < timed_in_new_process(target.reference, location.path, 0) < 60
