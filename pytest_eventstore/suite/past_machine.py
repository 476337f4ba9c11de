"""The stateful model that archives and recovery share: a location is given a past."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from pytest_eventstore.lab.bench import Bench
from pytest_eventstore.lab.past import Past
from pytest_eventstore.lab.story import Story


class PastMachine(RuleBasedStateMachine):
    """One location that is given a past: appended to and snapshotted."""

    def __init__(self, bench: Bench, *, cutover: bool) -> None:
        super().__init__()
        self.cutover = cutover
        self.stack = ExitStack()
        self.story = Story(self.stack.enter_context(bench.location()))
        self.past = Past(self.story, self.story.open())

    def teardown(self) -> None:
        """Give the location back."""
        self.stack.close()

    @initialize(local_numbers=st.lists(st.integers(0, 30), max_size=4), cut_over=st.booleans())
    def begin(self, local_numbers: list[int], cut_over: bool) -> None:
        """Perhaps there were tools before the global numbers."""
        if self.cutover and cut_over:
            self.past.cut_over(local_numbers)

    @rule(steps=st.lists(st.integers(1, 3), min_size=1, max_size=4))
    def append(self, steps: list[int]) -> None:
        """Append events, with gaps."""
        self.past.append(steps)

    @rule(back=st.integers(0, 3))
    def save(self, back: int) -> None:
        """Save a snapshot, perhaps one that was long in the making."""
        self.past.save(back)
