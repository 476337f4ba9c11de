"""The freeze sweep: it catches, it recognises who waits, and it says when it has proved nothing."""

from __future__ import annotations

import socketserver
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from adapters import sqlite_tables
from pytest_eventstore.lab.bench import Bench, Effort
from pytest_eventstore.lab.freeze import Duel, freeze, judges
from pytest_eventstore.lab.freeze.duel import point_of
from pytest_eventstore.lab.freeze.sweep import Assignment, Sweep, middles, sample
from pytest_eventstore.lab.operations import allocate
from pytest_eventstore.lab.tracer import JobError, TracerHelper, shared_helper, why_not
from pytest_eventstore.outcomes import (
    ContractViolation,
    Inconclusive,
    NotCheckable,
    NotOffered,
)
from pytest_eventstore.targets import Target, load_attribute

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")

RACE = Duel(
    name="allocate/allocate",
    held=(allocate(),),
    other=(allocate(),),
    after=(allocate(),),
    judges=(judges.allocator,),
)


def bench(adapter: str, replay: str | None = None) -> Bench:
    spec = f"lab.raced_adapters:{adapter}"
    return Bench(Target(adapter, spec, load_attribute(spec)), effort=Effort.THOROUGH, replay=replay)


def swept(adapter: str, duel: Duel = RACE, **limits: float) -> Sweep:
    reference = bench(adapter).target.reference
    assert reference is not None
    task = Assignment(reference, duel, 1000, "seed", **limits)  # type: ignore[arg-type]
    found: Sweep = shared_helper().call("pytest_eventstore.lab.freeze.sweep:sweep", task)
    return found


@pytest.mark.parametrize(
    "adapter",
    [
        "waits_in_the_kernel",
        "waits_by_sleeping",
        "sleeps_in_odd_places",
        "writes_in_another_thread",
    ],
)
def test_who_waits_is_let_wait_and_never_caught(adapter: str) -> None:
    found = swept(adapter)
    assert found.broken is None
    assert not found.stuck
    assert found.played == found.points == found.overlapped
    assert 0 < found.waited < found.played
    assert not found.drifted
    assert not found.missed


def test_who_only_takes_its_time_comes_to_its_end() -> None:
    found = swept("sleeps_again_and_again")
    assert found.broken is None
    assert not found.stuck
    assert found.played == found.points


def test_threads_of_the_held_process_are_held() -> None:
    found = swept("writes_in_another_thread_without_a_lock")
    assert found.broken is not None
    assert found.broken.fired
    assert "number" in found.broken.stood_at


def test_violation_tells_the_schedule_and_its_token() -> None:
    with pytest.raises(ContractViolation) as caught:
        freeze(bench("writes_in_another_thread_without_a_lock"), [RACE])
    finding = caught.value.finding
    assert finding.history[0].startswith("A was held before its call ")
    assert finding.token.startswith("freeze:allocate/allocate:")
    assert finding.timeline
    assert "allocate()" in "\n".join(finding.history)


def test_token_plays_one_schedule() -> None:
    replayed = bench("waits_in_the_kernel", "freeze:allocate/allocate:2")
    freeze(replayed, [RACE])
    assert replayed.figures["schedules"] == 1


def test_token_of_another_duel_is_passed_over() -> None:
    with pytest.raises(pytest.skip.Exception, match="another test"):
        freeze(bench("waits_in_the_kernel", "freeze:save/save:2"), [RACE])


@pytest.mark.parametrize("token", ["freeze:record", "freeze:record/record:x", "forget:record:1"])
def test_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="a token such as"):
        point_of(token, "record/record")


def test_point_that_is_never_reached_is_inconclusive() -> None:
    with pytest.raises(Inconclusive, match="did not come to its calls 999"):
        freeze(bench("waits_in_the_kernel", "freeze:allocate/allocate:999"), [RACE])


@pytest.mark.parametrize(
    ("adapter", "reason"),
    [
        ("touches_nothing", "no call on the location"),
        ("takes_another_way_each_time", "other calls than when it was recorded|did not come to"),
        ("fails", "without any race, A's allocate.* raised OSError: no luck today"),
    ],
)
def test_sweep_that_proves_nothing_is_inconclusive(adapter: str, reason: str) -> None:
    quick = bench(adapter)
    quick.effort = Effort.QUICK
    with pytest.raises(Inconclusive, match=reason):
        freeze(quick, [RACE])


def test_processes_that_never_end_are_given_up() -> None:
    found = swept("waits_for_ever", limit=0.5)
    assert "came to no end" in found.stuck
    assert found.broken is None


def test_process_that_dies_by_itself_is_an_error() -> None:
    with pytest.raises(JobError, match="SIGABRT"):
        swept("dies")


def test_missing_port_is_not_offered() -> None:
    with pytest.raises(NotOffered, match="seq_allocator"):
        freeze(bench("lacks_a_counter"), [RACE])


def test_adapter_of_one_process_is_not_offered() -> None:
    spec = "eventstore_reference.memory:open_ports"
    with pytest.raises(NotOffered, match="thread"):
        freeze(Bench(Target("memory", spec, load_attribute(spec))), [RACE])


def test_adapter_without_a_name_is_not_checkable() -> None:
    with pytest.raises(NotCheckable, match="no name"):
        freeze(Bench(Target("nameless", "", sqlite_tables.open_ports)), [RACE])


class CounterServer(socketserver.ThreadingTCPServer):
    """Keeps numbers by name: ``NAME get``, ``NAME set N``, ``NAME incr``."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CounterHandler)
        self.numbers: Counter[str] = Counter()
        self.guard = threading.Lock()


class CounterHandler(socketserver.StreamRequestHandler):
    server: CounterServer

    def handle(self) -> None:
        name, verb, *value = self.rfile.readline().decode().split()
        with self.server.guard:
            if verb == "set":
                self.server.numbers[name] = int(value[0])
            elif verb == "incr":
                self.server.numbers[name] += 1
            self.wfile.write(b"%d\n" % self.server.numbers[name])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with CounterServer() as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setenv("EVENTSTORE_TEST_COUNTER_PORT", str(running.server_address[1]))
        yield
        running.shutdown()


@pytest.mark.usefixtures("server")
def test_calls_on_a_servers_socket_are_points_too() -> None:
    helper = TracerHelper()  # one that has the server's address in its environment
    try:
        found = {}
        for adapter in ("asks_a_server", "asks_a_server_then_tells_it"):
            reference = bench(adapter).target.reference
            assert reference is not None
            task = Assignment(reference, RACE, 1000, "seed")
            found[adapter] = helper.call("pytest_eventstore.lab.freeze.sweep:sweep", task)
    finally:
        helper.close()
    assert found["asks_a_server"].broken is None
    assert found["asks_a_server"].played == found["asks_a_server"].points > 2
    broken = found["asks_a_server_then_tells_it"].broken
    assert broken is not None
    assert "socket:" in broken.stood_at


CALLS = ["openat"] * 3 + ["fcntl"] * 4 + ["pread64"] * 5 + ["pwrite64"] * 2
PLACES = [*"aab", *"aabb", *"aaaaa", *"ab"]


def test_all_points_are_played_if_they_fit() -> None:
    assert sample(CALLS, PLACES, 14, "seed") == list(range(1, 15))
    assert middles(3, 14) == [1, 2, 3]


def test_new_places_come_first_and_reads_last() -> None:
    new = {1, 3, 4, 6, 13, 14}
    again = {2, 5, 7}
    assert set(sample(CALLS, PLACES, 6, "seed")) == new
    assert set(sample(CALLS, PLACES, 9, "seed")) == new | again
    assert set(sample(CALLS, PLACES, 10, "seed")) == new | again | {8}
    assert new < set(sample(CALLS, PLACES, 8, "seed")) < new | again
    assert set(sample(CALLS, PLACES, 3, "seed")) < new


def test_sample_takes_one_of_each_stretch() -> None:
    calls, places = ["write"] * 100, [str(n) for n in range(100)]
    for seed in "abcdef":
        assert [(point - 1) // 10 for point in sample(calls, places, 10, seed)] == list(range(10))
    assert middles(100, 4) == [13, 38, 63, 88]


def test_sample_follows_the_seed() -> None:
    calls = ["write"] * 1000
    places = [""] * 1000
    one, again, two = (sample(calls, places, 20, seed) for seed in ("one", "one", "two"))
    assert one == again != two
