"""The sequence allocator: each number once, in order, exact to the last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.story import Story, ToldHandle, story
from pytest_eventstore.ports import MAX_SEQ_NR

LATEST = "the allocator's latest_seq_nr()"

Step: TypeAlias = tuple[str, int]
"""A call by name, with its argument or the handle that makes it."""


def steps(*names: str) -> SearchStrategy[list[Step]]:
    """Short runs of the calls named; `initialize_at` carries a number, others a handle."""
    return st.lists(
        st.sampled_from(names).flatmap(
            lambda name: st.tuples(
                st.just(name),
                st.integers(0, 40) if name == "initialize_at" else st.integers(0, 1),
            )
        ),
        max_size=12,
    )


class _Counter:
    """An allocator on two handles, beside the number that it should have come to.

    Only what a requirement is about is compared, so that each failure names its own.
    """

    def __init__(self, told: Story, *, about: str, cause: str) -> None:
        self._about = about
        self._cause = cause
        self._story = told
        self._latest = 0
        self._initialized = False
        self._handles = self._open()

    def run(self, calls: Sequence[Step]) -> None:
        """Make the calls, comparing their results with what they should be."""
        for name, argument in calls:
            getattr(self, f"_{name}")(argument)

    def _open(self) -> list[ToldHandle]:
        return [self._story.open("A"), self._story.open("B")]

    def _alloc(self, which: int) -> None:
        if self._latest == MAX_SEQ_NR:
            return
        seen = self._handles[which].allocator.alloc_seq_nr()
        if self._about == "alloc" or (self._about == "initialize_at" and self._initialized):
            self._story.expect_equal(seen, self._latest + 1, "the number", cause=self._cause)
        self._latest = seen

    def _latest_seq_nr(self, which: int) -> None:
        seen = self._handles[which].allocator.latest_seq_nr()
        self._story.expect_equal(seen, self._latest, LATEST, cause=self._cause)

    def _initialize_at(self, number: int) -> None:
        self._handles[number % 2].allocator.initialize_at(number)
        self._initialized = True
        self._latest = max(self._latest, number)

    def _reopen(self, _: int) -> None:
        self._story.diary.note("close all handles")
        self._story.location.close()
        self._handles = self._open()


class AllocatorTests:
    """Requirements on `Ports.seq_allocator`, in sequential use."""

    def test_seq_01_starts_at_one_and_rises_by_one(self, eventstore_lab: Bench) -> None:
        cause = "the counter begins elsewhere, or is not kept in storage"
        with story(eventstore_lab) as told:
            _Counter(told, about="alloc", cause=cause).run(
                [("alloc", 0), ("alloc", 0), ("alloc", 1), ("reopen", 0), ("alloc", 1)]
            )

    def test_seq_01_any_handle_goes_on_where_another_stopped(self, eventstore_lab: Bench) -> None:
        def check(calls: list[Step]) -> None:
            cause = "numbers reserved by handle, or a counter kept in memory"
            with story(eventstore_lab) as told:
                _Counter(told, about="alloc", cause=cause).run(calls)

        eventstore_lab.for_all(check, calls=steps("alloc", "alloc", "reopen"), examples=10)

    def test_seq_04_initialize_at_moves_forward_only(self, eventstore_lab: Bench) -> None:
        cause = "initialize_at assigns instead of taking the higher number"
        with story(eventstore_lab) as told:
            _Counter(told, about="initialize_at", cause=cause).run(
                [("initialize_at", 7), ("alloc", 0), ("initialize_at", 3), ("alloc", 1)]
            )

    def test_seq_04_initialize_at_in_any_order(self, eventstore_lab: Bench) -> None:
        def check(calls: list[Step]) -> None:
            cause = "initialize_at moved the counter back, or is off by one"
            with story(eventstore_lab) as told:
                _Counter(told, about="initialize_at", cause=cause).run([*calls, ("alloc", 0)])

        eventstore_lab.for_all(
            check, calls=steps("initialize_at", "initialize_at", "alloc", "reopen"), examples=12
        )

    def test_seq_05_exact_past_the_edges_of_machine_types(self, eventstore_lab: Bench) -> None:
        cause = "numbers kept in 32 bits, or as floating-point values"
        with story(eventstore_lab) as told:
            counter = _Counter(told, about="alloc", cause=cause)
            for edge in (2**31 - 2, 2**32 - 2, 2**53 - 2, MAX_SEQ_NR - 4):
                counter.run([("initialize_at", edge), *[("alloc", 0), ("alloc", 1)] * 2])

    def test_seq_05_raises_past_the_last_number(self, eventstore_lab: Bench) -> None:
        cause = "the addition overflows to a negative number, to a float or back to 0"
        with story(eventstore_lab) as told:
            allocator = told.open("A").allocator
            allocator.initialize_at(MAX_SEQ_NR - 1)
            told.expect_equal(allocator.alloc_seq_nr(), MAX_SEQ_NR, "the number", cause=cause)
            for open_another in (told.open, told.reopen):
                allocator = open_another("B").allocator
                for _ in range(2):
                    told.expect_raises(
                        allocator.alloc_seq_nr, "alloc_seq_nr() after 2**63 - 1", cause=cause
                    )

    def test_seq_08_latest_is_zero_at_first(self, eventstore_lab: Bench) -> None:
        cause = "asking for the latest number makes or moves the counter"
        with story(eventstore_lab) as told:
            _Counter(told, about="latest", cause=cause).run(
                [("latest_seq_nr", 0), ("latest_seq_nr", 1), ("reopen", 0), ("latest_seq_nr", 0)]
            )

    def test_seq_08_latest_allocates_nothing(self, eventstore_lab: Bench) -> None:
        def check(calls: list[Step]) -> None:
            cause = "latest_seq_nr takes a number, or answers from memory"
            with story(eventstore_lab) as told:
                _Counter(told, about="latest", cause=cause).run(calls)

        eventstore_lab.for_all(check, calls=steps("latest_seq_nr", "alloc", "reopen"), examples=10)
