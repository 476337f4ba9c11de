"""Every checker says of 20 thousand small histories what an exhaustive search says."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from lab.linearizability import possible
from lab.random_histories import random_history
from pytest_eventstore.lab import operations as op
from pytest_eventstore.lab.checkers import (
    Verdict,
    check_allocator,
    check_collection,
    check_log,
    check_register,
    check_run_once,
)
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Draft, Operation, Seen, SeenSnapshot
from pytest_eventstore.ports import SYSTEM_CUTOVER

HISTORIES = 20_000


class Counting:
    """Allocations; `gapless` ones are never moved."""

    def __init__(self, *, gapless: bool) -> None:
        self.gapless = gapless
        self.last = 0

    def make(self, rng: random.Random, number: int) -> Operation:
        if not self.gapless and rng.random() < 0.25:
            return op.initialize_at(rng.randrange(8))
        return op.allocate()

    def apply(self, operation: Operation) -> Any:
        if operation.name == "initialize_at":
            self.last = max(self.last, operation.args[0])
            return None
        self.last += 1
        return self.last

    def spoil(self, rng: random.Random, operation: Operation, result: Any) -> Any:
        return result if result is None else max(1, result + rng.choice([-2, -1, -1, 1, 1, 2]))

    def step(self, last: int, call: Call) -> Iterable[int]:
        if call.operation.name == "initialize_at":
            return [max(last, call.operation.args[0])]
        if call.unknown:
            return [last + 1]
        fits = call.result == last + 1 if self.gapless else call.result > last
        return [call.result] if fits else []

    def agree(self, calls: list[Call]) -> tuple[bool, Verdict]:
        gapless_after = 0 if self.gapless else None
        return possible(calls, 0, self.step), check_allocator(calls, gapless_after=gapless_after)


Row = tuple[int, str]


class Logging:
    """Records, batches with numbers, loads after a number, and the latest number."""

    def __init__(self) -> None:
        self.rows: list[Seen] = []
        self.batches: bool | None = None

    def make(self, rng: random.Random, number: int) -> Operation:
        if self.batches is None:
            self.batches = rng.random() < 0.3
        kind = rng.random()
        if kind < 0.53 and not self.batches:
            return op.record("s", Draft(f"e{number}"))
        if kind < 0.53:
            first = 1 + 3 * number + rng.randrange(2)
            return op.append_batch([Draft(f"b{number}.{n}", first + n) for n in range(2)])
        if kind < 0.88:
            return op.load_after(rng.choice([0, 0, 0, 1, 2, 3]))
        return op.latest()

    def apply(self, operation: Operation) -> Any:
        last = self.rows[-1].seq_nr if self.rows else 0
        if operation.name == "record":
            self.rows.append(Seen(last + 1, operation.args[1].id))
            return self.rows[-1]
        if operation.name == "append_batch":
            if operation.args[0].seq_nr > last:
                self.rows += [Seen(d.seq_nr, d.id) for d in operation.args]
            return 0
        if operation.name == "latest":
            return last
        return [row for row in self.rows if row.seq_nr > operation.args[0]]

    def spoil(self, rng: random.Random, operation: Operation, result: Any) -> Any:
        if operation.name == "record":
            return result._replace(seq_nr=max(1, result.seq_nr + rng.choice([-1, 1])))
        if operation.name == "latest":
            return max(0, result + rng.choice([-1, 1]))
        if operation.name == "load_after" and result:
            rows = list(result)
            kind = rng.random()
            if kind < 0.6:
                del rows[rng.choice([0, -1, rng.randrange(len(rows))])]
            elif kind < 0.8:
                at = rng.randrange(len(rows))
                rows[at] = rows[at]._replace(seq_nr=max(1, rows[at].seq_nr + rng.choice([-1, 1])))
            else:
                rng.shuffle(rows)
            return rows
        return result

    @staticmethod
    def step(state: tuple[Row, ...], call: Call) -> Iterator[tuple[Row, ...]]:
        last = state[-1][0] if state else 0
        name, args = call.operation.name, call.operation.args
        if name == "record":
            if not call.unknown:
                if call.result.seq_nr > last:
                    yield (*state, (call.result.seq_nr, args[1].id))
            else:
                for number in range(last + 1, 10):
                    yield (*state, (number, args[1].id))
        elif name == "append_batch":
            if args[0].seq_nr > last:
                yield (*state, *((d.seq_nr, d.id) for d in args))
        elif call.unknown:
            yield state
        elif name == "latest":
            if call.result == last:
                yield state
        elif [row[:2] for row in call.result] == [row for row in state if row[0] > args[0]]:
            yield state

    def agree(self, calls: list[Call]) -> tuple[bool, Verdict]:
        start: tuple[Row, ...] = ()
        return possible(calls, start, self.step), check_log(calls)


class Saving:
    """Saves of numbers that often are equal, and loads."""

    def __init__(self) -> None:
        self.held: SeenSnapshot | None = None

    def make(self, rng: random.Random, number: int) -> Operation:
        if rng.random() < 0.5:
            return op.save("a", rng.randrange(3), f"s{number}")
        return op.load_snapshot("a")

    def apply(self, operation: Operation) -> Any:
        if operation.name == "load_snapshot":
            return self.held
        _, number, label, _ = operation.args
        if self.held is None or number >= self.held.seq_nr:
            self.held = SeenSnapshot(number, label)
        return None

    def spoil(self, rng: random.Random, operation: Operation, result: Any) -> Any:
        if operation.name == "save":
            return None
        kind = rng.random()
        if kind < 0.2:
            return None
        label = f"s{rng.randrange(7)}"
        return SeenSnapshot(rng.randrange(3) if kind < 0.3 else -1, label)

    @staticmethod
    def step(held: SeenSnapshot | None, call: Call) -> Iterable[SeenSnapshot | None]:
        if call.operation.name == "save":
            _, number, label, _ = call.operation.args
            return [SeenSnapshot(number, label) if not held or number >= held[0] else held]
        return [held] if call.unknown or call.result == held else []

    def agree(self, calls: list[Call]) -> tuple[bool, Verdict]:
        numbers = {
            c.operation.args[2]: c.operation.args[1] for c in calls if len(c.operation.args) == 4
        }
        for n, call in enumerate(calls):  # a spoiled load names the number of its label's save
            if call.result is not None and call.result.seq_nr == -1:
                seen = SeenSnapshot(numbers.get(call.result.label, 0), call.result.label)
                calls[n] = Call(
                    call.process, call.operation, call.called, call.returned, seen, call.error
                )
        return possible(calls, None, self.step), check_register(calls)


class CuttingOver:
    """Cutovers, and loads that show its event or don't."""

    def __init__(self) -> None:
        self.done = False

    def make(self, rng: random.Random, number: int) -> Operation:
        return op.cutover("a") if rng.random() < 0.6 else op.load_all()

    def apply(self, operation: Operation) -> Any:
        if operation.name == "load_all":
            return [Seen(1, "c", SYSTEM_CUTOVER)] if self.done else []
        before, self.done = self.done, True
        return [before, 0, 1]

    def spoil(self, rng: random.Random, operation: Operation, result: Any) -> Any:
        if operation.name == "load_all":
            return [Seen(1, "c", SYSTEM_CUTOVER)] * rng.choice([0, 1, 2])
        return [not result[0], 0, 1]

    @staticmethod
    def step(done: bool, call: Call) -> Iterable[bool]:
        if call.operation.name == "cutover":
            return [True] if call.unknown or call.result[0] == done else []
        return [done] if call.unknown or len(call.result) == done else []

    def agree(self, calls: list[Call]) -> tuple[bool, Verdict]:
        return possible(calls, False, self.step), check_run_once(calls)


class Collecting:
    """Unnumbered appends and full loads; every batch is an object of its own."""

    def __init__(self) -> None:
        self.rows: list[Seen] = []

    def make(self, rng: random.Random, number: int) -> Operation:
        kind = rng.random()
        if kind < 0.4:
            return op.append(Draft(f"e{number}"))
        if kind < 0.5:
            return op.append_batch([Draft(f"b{number}.{n}") for n in range(2)])
        return op.load_all()

    def apply(self, operation: Operation) -> Any:
        if operation.name == "load_all":
            return list(self.rows)
        self.rows += [Seen(0, draft.id) for draft in operation.args]
        return 0

    def spoil(self, rng: random.Random, operation: Operation, result: Any) -> Any:
        if operation.name != "load_all" or not result:
            return result
        rows = list(result)
        kind = rng.random()
        if kind < 0.7:
            del rows[rng.randrange(len(rows))]
        elif kind < 0.8:
            rows.append(rng.choice(rows))
        else:
            rng.shuffle(rows)
        return rows

    @staticmethod
    def whole(calls: list[Call]) -> bool:
        """Look at each load, and then at each batch, as the words of the contract do."""
        writers = {d.id: call for call in calls for d in call.operation.args}
        for load in calls:
            if load.operation.name != "load_all" or load.unknown:
                continue
            ids = [row.id for row in load.result]
            if len(ids) != len(set(ids)) or any(i not in writers for i in ids):
                return False
            for process in {writers[i].process for i in ids}:
                written = [d.id for c in calls if c.process == process for d in c.operation.args]
                mine = [i for i in ids if writers[i].process == process]
                if mine != [i for i in written if i in mine]:
                    return False
        for writer in {id(w): w for w in writers.values()}.values():
            batch = {d.id for d in writer.operation.args}
            reads = [c for c in calls if c.operation.name == "load_all" and not c.unknown]
            for read in reads:
                if len(batch & {row.id for row in read.result}) not in (0, len(batch)):
                    return False

            def step(there: bool, call: Call, ids: set[str] = batch) -> Iterable[bool]:
                if call.operation.name != "load_all":
                    return [True]
                return [there] if any(row.id in ids for row in call.result) == there else []

            if not possible([writer, *reads], False, step):
                return False
        return True

    def agree(self, calls: list[Call]) -> tuple[bool, Verdict]:
        return self.whole(calls), check_collection(calls)


@pytest.mark.parametrize(
    "new",
    [
        pytest.param(lambda: Counting(gapless=False), id="allocator"),
        pytest.param(lambda: Counting(gapless=True), id="gapless allocator"),
        pytest.param(Logging, id="log"),
        pytest.param(Saving, id="register"),
        pytest.param(CuttingOver, id="run once"),
        pytest.param(Collecting, id="collection"),
    ],
)
def test_a_checker_agrees_with_the_search(new: Callable[[], Any]) -> None:
    rng = random.Random(7)
    outcomes: Counter[bool] = Counter()
    for number in range(HISTORIES):
        machine = new()
        calls = random_history(rng, machine.make, machine.apply, machine.spoil)
        wanted, verdict = machine.agree(calls)
        assert bool(verdict) == wanted, f"history {number}: {verdict}\n" + "\n".join(
            f"{c.process} {c.operation} {c.called} {c.returned} {c.result} {c.error}" for c in calls
        )
        outcomes[wanted] += 1
        if not wanted:
            assert len(verdict.history) > 0
    assert min(outcomes[True], outcomes[False]) > HISTORIES / 10, outcomes
