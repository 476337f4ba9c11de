"""The bench: everything a conformance test may use to try one adapter."""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import Enum
from functools import cached_property
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, Verbosity
from hypothesis.database import ExampleDatabase
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test
from hypothesis.strategies import SearchStrategy

from pytest_eventstore.lab.handles import Location, fresh_location
from pytest_eventstore.outcomes import not_offered
from pytest_eventstore.ports import Capabilities, Durability
from pytest_eventstore.targets import Target

_STRENGTH: dict[Durability, int] = {"none": 0, "process": 1, "power": 2}


class Effort(Enum):
    """How hard to look; each level finds at least what the one before it finds."""

    QUICK = "quick"
    STANDARD = "standard"
    THOROUGH = "thorough"

    def pick(self, quick: int, standard: int, thorough: int) -> int:
        """Return the number for this effort."""
        return {Effort.QUICK: quick, Effort.STANDARD: standard, Effort.THOROUGH: thorough}[self]


class Bench:
    """One test's access to the adapter: locations, generated input, figures, chance.

    Args:
        target: The adapter.
        effort: How hard to look.
        seed: Where all chance in the test comes from, with `name`.
        name: The test's node id, so that tests differ in their chance.
        replay: The token given with `--eventstore-replay`, if it is for this test.
        database: Where found examples are kept between runs; None keeps none.
        report_progress: Takes a line on what a long test is doing.
    """

    def __init__(
        self,
        target: Target,
        *,
        effort: Effort = Effort.STANDARD,
        seed: int = 0,
        name: str = "",
        replay: str | None = None,
        database: ExampleDatabase | None = None,
        report_progress: Callable[[str], None] | None = None,
    ) -> None:
        self.target = target
        self.effort = effort
        self.seed = seed
        self.name = name
        self.replay = replay
        self.figures: Counter[str] = Counter()
        self.rng = random.Random(f"{seed}/{name}")  # noqa: S311  # chance, not secrets
        self._database = database
        self._report_progress = report_progress

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the adapter declares."""
        with self.location() as location:
            return location.open().ports.capabilities

    def location(self) -> AbstractContextManager[Location]:
        """Give a fresh location, closed and discarded at the end."""
        return fresh_location(self.target.factory)

    def need_processes(self) -> None:
        """End the test as *not offered* unless several processes may share a location."""
        if self.capabilities.sharing != "process":
            not_offered('the adapter declares sharing "thread": one process at a time')

    def need_durability(self, wanted: Durability) -> None:
        """End the test as *not offered* unless acknowledged writes survive that much."""
        declared = self.capabilities.durability
        if _STRENGTH[declared] < _STRENGTH[wanted]:
            not_offered(f'the adapter declares durability "{declared}", not "{wanted}"')

    def for_all(
        self,
        check: Callable[..., None],
        /,
        *,
        examples: int | None = None,
        **strategies: SearchStrategy[Any],
    ) -> None:
        """Run `check` on generated arguments and shrink the first failure.

        Args:
            check: Takes one keyword argument for each strategy.
            examples: How many to try at standard effort; a quarter of it at
                quick, ten times as many at thorough.
            strategies: Where each argument comes from.
        """

        def counted(**arguments: Any) -> None:
            self.figures["examples"] += 1
            check(**arguments)

        name = getattr(check, "__name__", "")
        # A function called <lambda> sends Hypothesis looking for the text of a lambda.
        counted.__name__ = counted.__qualname__ = name if name.isidentifier() else "check"
        # Hypothesis keys its database by the function, so each test gets a digest of its own.
        prepared: Any = hypothesis.given(**strategies)(counted)
        prepared.hypothesis.inner_test._hypothesis_internal_add_digest = (
            f"{self.name}/{counted.__name__}".encode()
        )
        prepared = hypothesis.seed(self._derived_seed())(prepared)
        self._settings(examples or 30)(prepared)()

    def run_model(
        self,
        machine_factory: Callable[[], RuleBasedStateMachine],
        *,
        examples: int = 20,
        steps: int = 25,
    ) -> None:
        """Drive a stateful model against its oracle.

        Args:
            machine_factory: Makes a machine; it calls `figures` itself.
            examples: How many runs at standard effort.
            steps: How many steps a run at most.
        """
        settings = hypothesis.settings(self._settings(examples), stateful_step_count=steps)
        seeded = hypothesis.seed(self._derived_seed())(machine_factory)
        # Any callable that makes a machine will do, whatever the annotation there says.
        run_state_machine_as_test(seeded, settings=settings)  # type: ignore[arg-type]

    def progress(self, text: str) -> None:
        """Say what a long test is doing, such as ``kill point 120 of 265``."""
        if self._report_progress is not None:
            self._report_progress(text)

    def _derived_seed(self) -> int:
        return zlib.crc32(f"{self.seed}/{self.name}".encode())

    def _settings(self, examples: int) -> hypothesis.settings:
        count = self.effort.pick(max(3, examples // 4), examples, examples * 10)
        return hypothesis.settings(
            max_examples=count,
            deadline=None,
            database=self._database,
            print_blob=False,
            report_multiple_bugs=False,
            verbosity=Verbosity.quiet if self.replay else Verbosity.normal,
            phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
