"""Worker processes: they race, and whatever becomes of them is reported."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from eventstore_reference import open_ports
from lab import racing_adapters
from pytest_eventstore.lab.checkers import check_allocator
from pytest_eventstore.lab.history import History
from pytest_eventstore.lab.operations import Draft, allocate, load_after, record
from pytest_eventstore.lab.scripts import Script
from pytest_eventstore.lab.workers import Race, race_processes
from pytest_eventstore.outcomes import ContractViolation, NotOffered
from pytest_eventstore.targets import Target

REFERENCE = Target("reference", "eventstore_reference:open_ports", open_ports)


def target(name: str) -> Target:
    return Target(name, f"lab.racing_adapters:{name}", getattr(racing_adapters, name))


def two(*operations: object) -> list[Script]:
    return [Script(name=name, operations=operations) for name in ("p1", "p2")]  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_processes_of_their_own_make_the_calls(tmp_path: Path, method: str) -> None:
    history = race_processes(REFERENCE, tmp_path, two(allocate(), allocate()), method=method)  # type: ignore[arg-type]
    assert {call.process for call in history.of("allocate")} == {"p1", "p2"}
    assert sorted(call.result for call in history.of("allocate")) == [1, 2, 3, 4]
    assert check_allocator(history, gapless_after=0)


def test_a_target_without_a_name_is_taken_along_by_fork(tmp_path: Path) -> None:
    nameless = Target("nameless", "", lambda location: open_ports(location))
    history = race_processes(nameless, tmp_path, two(allocate()))
    assert sorted(call.result for call in history.of("allocate")) == [1, 2]


def test_a_target_whose_name_cannot_be_imported_is_taken_along_by_fork(tmp_path: Path) -> None:
    misnamed = Target("misnamed", "no_such_module:open_ports", open_ports)
    history = race_processes(misnamed, tmp_path, two(allocate()))
    assert sorted(call.result for call in history.of("allocate")) == [1, 2]


def test_a_hanging_worker_is_reported_with_its_stack(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(ContractViolation) as caught:
        race_processes(target("hangs"), tmp_path, two(allocate()), limit=1.5)
    assert "did not come back" in caught.value.finding.seen
    assert "alloc_seq_nr" in caught.value.finding.seen, "the stack says where"
    assert time.monotonic() - began < 30


def test_a_dying_worker_is_reported_with_its_status(tmp_path: Path) -> None:
    with pytest.raises(ContractViolation) as caught:
        race_processes(target("dies"), tmp_path, two(allocate()))
    assert "exit status 3" in caught.value.finding.seen


def test_the_pool_goes_on_after_a_death(tmp_path: Path) -> None:
    with pytest.raises(ContractViolation):
        race_processes(target("dies"), tmp_path, two(allocate()))
    history = race_processes(REFERENCE, tmp_path, two(allocate()))
    assert len(history.of("allocate")) == 2


def test_what_is_not_offered_there_is_not_offered_here(tmp_path: Path) -> None:
    with pytest.raises(NotOffered, match="seq_allocator"):
        race_processes(target("lacks_an_allocator"), tmp_path, two(allocate()))


def test_an_error_is_an_outcome_of_the_call(tmp_path: Path) -> None:
    history = race_processes(target("refuses"), tmp_path, two(allocate()))
    assert {call.error for call in history.of("allocate")} == {"OSError: database is locked"}


def test_a_killed_workers_open_call_is_unknown(tmp_path: Path) -> None:
    scripts = [
        Script(
            name="victim",
            operations=tuple(record("s", Draft(f"e{n}")) for n in range(5000)),
            tell=True,
        ),
        Script(name="reader", operations=(load_after(0),), repeat=True, resume=True),
    ]

    def kill(race: Race) -> None:
        race.take_messages(0.05)
        race.kill(0)

    history = race_processes(REFERENCE, tmp_path, scripts, during=kill, may_die=(0,))
    lost = [call for call in history.of("record") if call.returned is None]
    assert len(lost) == 1
    assert history.of("record")[-1] == lost[0], "what it had told before is known"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_both_sides_of_a_fork_are_in_the_history(tmp_path: Path) -> None:
    twice = (allocate(), allocate())
    history = race_processes(
        REFERENCE, tmp_path, [Script(name="p", operations=twice, forked=twice)]
    )
    processes = [call.process for call in history.of("allocate")]
    assert sorted(processes) == ["p", "p", "p's child", "p's child"]


def test_a_script_of_some_seconds_goes_on_for_so_long(tmp_path: Path) -> None:
    history = race_processes(
        REFERENCE, tmp_path, [Script(name="p", operations=(allocate(),), seconds=0.2)]
    )
    calls = History(history.of("allocate")).calls
    assert calls[-1].called - calls[0].called < 2e8 * 5
    assert (calls[-1].returned or 0) - calls[0].called >= 2e8


def test_the_main_script_is_not_run_again(tmp_path: Path) -> None:
    marker = tmp_path / "runs"
    script = tmp_path / "unguarded.py"
    script.write_text(
        "import pathlib, sys\n"
        f"open({str(marker)!r}, 'a').write('x')\n"
        "from pytest_eventstore.lab.operations import allocate\n"
        "from pytest_eventstore.lab.scripts import Script\n"
        "from pytest_eventstore.lab.workers import race_processes\n"
        "from pytest_eventstore.targets import Target, load_attribute\n"
        "spec = 'eventstore_reference:open_ports'\n"
        "target = Target('reference', spec, load_attribute(spec))\n"
        f"path = pathlib.Path({str(tmp_path / 'data')!r})\n"
        "path.mkdir()\n"
        "race_processes(target, path, [Script(name='p', operations=(allocate(),))])\n"
    )
    import subprocess

    subprocess.run([sys.executable, str(script)], check=True, timeout=60)
    assert marker.read_text() == "x"
