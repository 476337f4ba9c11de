"""Nothing is proven by a fault that could not be tried; and what is found can be found again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mutants import faults, known_truths, odd
from mutants.storage import sound
from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.lab.faults import verdict
from pytest_eventstore.lab.faults.lines import FIGURE
from pytest_eventstore.lab.tracer import why_not
from pytest_eventstore.outcomes import ContractViolation, Inconclusive, NotCheckable, NotOffered
from pytest_eventstore.suite import EventStoreSuite
from pytest_eventstore.targets import Target

traced = pytest.mark.skipif(why_not() is not None, reason=f"{why_not()}")


def bench(factory: Any, **over: Any) -> Bench:
    spec = f"{factory.__module__}:{factory.__name__}"
    return Bench(Target("t", spec, factory), effort=Effort.QUICK, name="t", **over)


def sweep(subject: Bench, verb: str, scenario: str = "append", **over: Any) -> None:
    verdict.sweep(subject, verb, (scenario,), cause="a cause", **over)


@traced
def test_a_writable_mapping_makes_power_loss_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="mapped shared and writable"):
        sweep(bench(odd.mapped), "forget")


@traced
def test_a_store_that_never_does_the_same_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match=r"call \d+ was"):
        sweep(bench(odd.restless), "kill")


@traced
def test_a_store_that_fails_undisturbed_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="fails undisturbed"):
        sweep(bench(odd.broken), "kill")


@traced
def test_a_store_elsewhere_is_not_offered_what_needs_its_files() -> None:
    for verb in ("forget", "tear"):
        with pytest.raises(NotOffered, match="not in files under its location"):
            sweep(bench(odd.elsewhere), verb)


@traced
def test_a_port_that_is_missing_is_not_offered() -> None:
    with pytest.raises(NotOffered, match="recorder"):
        sweep(bench(known_truths.repairing_log), "kill", "record")


def test_what_needs_the_tracer_is_not_checkable_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "why_not", lambda: "no ptrace in this container")
    for verb in ("forget", "tear", "refuse", "lostsync", "rekill"):
        with pytest.raises(NotCheckable, match="no ptrace in this container"):
            sweep(bench(sound), verb)


def test_kill_falls_back_to_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "why_not", lambda: "no ptrace in this container")
    subject = bench(sound)
    sweep(subject, "kill", "append", points=(12, 12, 12))

    assert subject.figures[FIGURE] == 12


def test_lines_catch_what_a_kill_catches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict, "why_not", lambda: "no ptrace in this container")
    with pytest.raises(ContractViolation) as caught:
        sweep(bench(faults.snapshot_removed_first), "kill", "snapshot")

    finding = caught.value.finding
    assert finding.token.startswith("lines:snapshot:")
    assert "weaker" in finding.cause
    assert any("storage.py:" in line for line in finding.history)


@traced
def test_a_factory_without_a_name_is_taken_along() -> None:
    def local(location: Path) -> Any:
        return sound(location)

    subject = Bench(Target("t", "", local), effort=Effort.QUICK, name="t")
    sweep(subject, "kill", points=(5, 5, 5))

    assert subject.figures["kill points"] == 5


@traced
@pytest.mark.parametrize(
    ("verb", "store", "scenario"),
    [
        ("forget", known_truths.file_synced, "snapshot"),
        ("kill", known_truths.in_place, "snapshot"),
        ("tear", known_truths.tolerant_log, "append"),
        ("refuse", faults.full_disk_swallowed, "append"),
        ("lostsync", faults.failed_sync_retried, "append"),
        ("damage", faults.damaged_snapshot_returned, "snapshot"),
        ("rekill", faults.repair_that_must_not_be_interrupted, "append"),
        ("counter", faults.lost_counter_begins_anew, "records"),
    ],
)
def test_a_token_shows_it_again_and_keeps_the_disk(verb: str, store: Any, scenario: str) -> None:
    with pytest.raises(ContractViolation) as first:
        sweep(bench(store), verb, scenario)
    token = first.value.finding.token
    with pytest.raises(ContractViolation) as again:
        sweep(bench(store, replay=token), verb, scenario)

    finding = again.value.finding
    assert token.startswith(f"{verb}:{scenario}:")
    assert finding.token == token
    assert finding.expected == first.value.finding.expected
    assert finding.disk is not None
    kept = Path(finding.disk["kept in"])
    assert str(kept) in finding.seen
    assert {name.split("/")[0] for name in finding.disk["files"]} <= {
        path.name for path in kept.iterdir()
    }
    shutil.rmtree(kept)


@traced
@pytest.mark.parametrize(
    "token", ["forget:snapshot:9999:posix:0", "forget:snapshot:x", "forget:snapshot"]
)
def test_a_token_that_names_nothing_is_inconclusive(token: str) -> None:
    with pytest.raises(Inconclusive):
        sweep(bench(known_truths.both_synced, replay=token), "forget", "snapshot")


@traced
def test_a_token_of_what_is_well_stops_there_too() -> None:
    with pytest.raises(Inconclusive, match="nothing is wrong at") as caught:
        sweep(bench(known_truths.both_synced, replay="kill:snapshot:3"), "kill", "snapshot")

    shutil.rmtree(str(caught.value).rpartition(" ")[2])


@traced
def test_a_token_of_another_test_is_left_to_it() -> None:
    for token in ("kill:append:3", "forget:append:3:posix:1"):
        with pytest.raises(NotOffered, match="not a token of this test"):
            sweep(bench(known_truths.both_synced, replay=token), "forget", "snapshot")


def test_each_kind_of_token_has_a_test_that_replays_it() -> None:
    kinds = {
        kind
        for name in dir(EventStoreSuite)
        for kind in getattr(getattr(EventStoreSuite, name), "eventstore_replays", ())
        if name.startswith("test_")
    }

    assert kinds >= set(verdict.SWEEPS) - {"piles"}
