"""Stress: what counts as a race, what proves nothing, and how one is played again."""

from __future__ import annotations

import random
import sys

import pytest

from eventstore_reference import memory, open_ports
from lab import racing_adapters
from mutants import races
from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.lab.checkers import check_allocator
from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict
from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.lab.history import Call, History
from pytest_eventstore.lab.operations import Seen, allocate, load_after
from pytest_eventstore.lab.race_judges import (
    never_refused_at_once,
    one_chain,
    pollers_collected_everything,
)
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.stress import Participants, Stress
from pytest_eventstore.lab.threads import race_threads
from pytest_eventstore.outcomes import ContractViolation, Inconclusive, NotOffered
from pytest_eventstore.targets import Factory, Target

NAME = "eventstore-suite::Some::test_seq_02_x[some]"


def bench(factory: Factory, spec: str = "", **options: object) -> Bench:
    options.setdefault("effort", Effort.QUICK)
    return Bench(Target("some", spec, factory), name=NAME, **options)  # type: ignore[arg-type]


def stress(participants: Participants = "spawn", **options: object) -> Stress:
    def write(rng: random.Random) -> list[Script]:
        return [Script(name=f"p{n}", operations=(allocate(),) * 10) for n in range(4)]

    options.setdefault("judges", [check_allocator])
    return Stress(participants=participants, write=write, **options)  # type: ignore[arg-type]


def test_overlap_is_counted() -> None:
    on = bench(open_ports, "eventstore_reference:open_ports")
    stress(rounds=8).play(on)
    assert on.figures["races overlapped"] == 2
    assert on.figures["races"] >= 2


def test_races_that_never_overlap_are_inconclusive() -> None:
    on = bench(racing_adapters.takes_turns)
    with pytest.raises(Inconclusive, match="0 of 8 races overlapped"):
        Stress(
            participants="threads",
            write=lambda _: [Script(name="alone", operations=(allocate(),) * 3)],
            judges=[check_allocator],
            rounds=8,
        ).play(on)
    assert on.figures["races"] == 8, "it tried harder first"


def test_an_adapter_that_refuses_everything_proves_nothing() -> None:
    on = bench(racing_adapters.refuses, "lab.racing_adapters:refuses")
    with pytest.raises(Inconclusive, match="database is locked"):
        stress(counts=lambda _: True).play(on)
    assert on.figures["refusals"] > 0


def test_a_store_for_threads_is_not_offered_to_processes() -> None:
    with pytest.raises(NotOffered, match="thread"):
        stress().play(bench(memory.open_ports))


def test_a_violation_names_its_token_and_the_token_plays_the_round_again() -> None:
    factory, spec = (
        races.reads_then_writes_the_counter,
        "mutants.races:reads_then_writes_the_counter",
    )
    with pytest.raises(ContractViolation) as caught:
        stress(rounds=20).play(bench(factory, spec, seed=5, effort=Effort.STANDARD))
    token = caught.value.finding.token
    assert token.startswith("stress:test_seq_02_x:5:")
    assert caught.value.finding.history
    with pytest.raises(ContractViolation) as again:
        stress(rounds=20).play(bench(factory, spec, replay=token))
    assert again.value.finding.token == token


def test_a_token_of_another_test_skips() -> None:
    with pytest.raises(pytest.skip.Exception, match="another test"):
        stress().play(bench(open_ports, replay="stress:test_other:0:0"))


def test_one_seed_writes_the_same_scripts() -> None:
    written: list[list[float]] = []

    def write(rng: random.Random) -> list[Script]:
        written[-1].append(rng.random())
        return [Script(name=f"p{n}", operations=(allocate(),) * 5) for n in range(3)]

    for seed in (1, 1, 2):
        written.append([])
        Stress(participants="threads", write=write, judges=[], counts=lambda _: True).play(
            bench(memory.open_ports, seed=seed)
        )
    assert written[0] == written[1] != written[2]


def test_threads_switch_fast_only_in_the_race() -> None:
    before = sys.getswitchinterval()
    seen = []

    class Watching:
        def __call__(self, history: History) -> Verdict:
            seen.append(sys.getswitchinterval())
            return HOLDS

    stress("threads", judges=[Watching()], counts=lambda _: True).play(bench(memory.open_ports))
    assert set(seen) == {before}


def test_a_thread_that_hangs_is_reported_with_its_stack() -> None:
    with (
        fresh_location(racing_adapters.hangs) as location,
        pytest.raises(ContractViolation) as caught,
    ):
        race_threads([location.open()], [Script(name="t1", operations=(allocate(),))], limit=0.3)
    assert "t1 did not come back" in caught.value.finding.seen
    assert "alloc_seq_nr" in caught.value.finding.seen


def call(process: str, number: int, result: object, error: str | None = None) -> Call:
    return Call(process, load_after(0), number * 10, number * 10 + 5, result, error)


def test_a_poller_that_missed_an_event_is_named() -> None:
    one, two = Seen(1, "a"), Seen(2, "b")
    whole = [call("poller", 1, [one]), call("poller", 2, [two]), call("after", 3, [one, two])]
    assert pollers_collected_everything(History(whole))
    verdict = pollers_collected_everything(History([whole[0], whole[2]]))
    assert "poller collected 1 of 2" in verdict.seen


def test_a_forked_chain_is_named() -> None:
    chain = [Seen(1, "a", session_id="s"), Seen(2, "b", session_id="s", causation_id="a")]
    assert one_chain(History([call("after", 1, chain)]))
    chain.append(Seen(3, "c", session_id="s", causation_id="a"))
    assert (
        "c (number 3) names 'a' and follows 'b'"
        in one_chain(History([call("after", 1, chain)])).seen
    )


def test_only_a_refusal_at_once_breaks_the_rule_to_wait() -> None:
    at_once = Call("p", allocate(), 0, 1_000_000, None, "OperationalError: database is locked")
    waited = Call("p", allocate(), 0, 900_000_000, None, "LockTimeoutError: busy")
    assert not never_refused_at_once(History([at_once]))
    assert never_refused_at_once(History([waited]))
