"""The hooks that pytest-xdist calls; registered only where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_eventstore.running import SuiteRun


class XdistHooks:
    """Hands the workers what the controller found out, and takes theirs."""

    def __init__(self, run: SuiteRun) -> None:
        self._run = run

    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker the seed, and the targets that need not be tried."""
        node.workerinput["eventstore_seed"] = self._run.settings.seed
        node.workerinput["eventstore_broken"] = self._run.broken

    def pytest_testnodedown(self, node: Any) -> None:
        """Take the selection from the first worker that ends; all have the same."""
        found = getattr(node, "workeroutput", {}).get("eventstore")
        if found is not None:
            self._run.outline.take(found)
