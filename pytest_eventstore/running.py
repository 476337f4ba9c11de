"""One run of the suite: what was asked for, what ran, what came out of it."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import Any

import pytest

from pytest_eventstore import collect, records
from pytest_eventstore.collect import is_suite_test
from pytest_eventstore.gates import Tally, exit_status
from pytest_eventstore.options import Settings
from pytest_eventstore.outcomes import ContractViolation
from pytest_eventstore.preflight import Preflight, examine
from pytest_eventstore.records import Record
from pytest_eventstore.summary import Outline, make_run
from pytest_eventstore.targets import Target

KEY = pytest.StashKey["SuiteRun"]()

_STATUS = {
    "not offered": ("not offered", "o", ("NOT OFFERED", {"yellow": True})),
    "not checkable": ("not checkable", "k", ("NOT CHECKABLE", {"yellow": True})),
    "inconclusive": ("inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})),
}


class SuiteRun:
    """The hooks that watch the suite's tests, through either door."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.outline = Outline()
        self.records: dict[str, Record] = {}
        self.tally = Tally()
        self.preflights: dict[str, Preflight] = {}
        self.run: Any = None
        self.written: list[str] = []
        self._started = time.time()
        self.is_worker = hasattr(config, "workerinput")

    # -- before the first test -------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Open every target once, in the controller, and leave the broken ones out."""
        if self.is_worker:
            broken = self.config.workerinput["eventstore_broken"]  # type: ignore[attr-defined]
        else:
            for resolved in self.settings.targets:
                self.preflights[resolved.name] = (
                    Preflight(problem=resolved.problem)
                    if resolved.target is None
                    else examine(resolved.target)
                )
            broken = self.broken
        virtual = self.config.pluginmanager.get_plugin("eventstore-virtual")
        if virtual is not None:
            virtual.targets = [
                r.target for r in self.settings.targets if r.target and r.name not in broken
            ]

    @property
    def broken(self) -> list[str]:
        """The targets that cannot be tested."""
        return [name for name, found in self.preflights.items() if found.problem]

    def pytest_report_header(self) -> list[str]:
        """Say what is under test, if anything is."""
        lines = []
        for name, found in self.preflights.items():
            claims = ", ".join(f"{k} {v}" for k, v in found.capabilities.items())
            what = f"{found.adapter} ({claims})" if not found.problem else "broken, see below"
            lines.append(f"eventstore: {name} = {what}")
        if lines:
            lines.append(
                f"eventstore: contract {self.settings.contract}, effort {self.settings.effort}, "
                f"tiers {','.join(self.settings.tiers)}, seed {self.settings.seed}"
            )
        return lines

    # -- collection ------------------------------------------------------------

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark a suite test with what it is about."""
        if is_suite_test(item):
            collect.describe(item)

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect suite tests that the options leave out; touch no other test."""
        left_out = [
            item
            for item in items
            if is_suite_test(item) and collect.left_out_because(item, self.settings)
        ]
        if left_out:
            items[:] = [item for item in items if item not in left_out]
            config.hook.pytest_deselected(items=left_out)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Remember which tests of the contract are not to run."""
        self.outline.left_out += _pairs(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember which tests of the contract are to run."""
        self.outline.selected = _pairs(session.items)

    # -- every test ------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the record, and put a violation in words instead of a traceback."""
        report = yield
        if not is_suite_test(item):
            return report
        record = records.make_record(item, call, report, self.settings)
        if record is None:
            return report
        report.eventstore = record  # type: ignore[attr-defined]
        if record["outcome"] == "failed":
            error = call.excinfo.value if call.excinfo else None
            text = records.readable(record, collect.requirement_tested(item), error)
            if isinstance(error, ContractViolation) and self.config.getoption("tbstyle") == "auto":
                report.longrepr = text
            else:
                report.sections.append(("event store contract", text))
        return report

    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Give each outcome that is neither passed nor failed a name of its own."""
        record = getattr(report, "eventstore", None)
        return _STATUS.get(record["outcome"]) if record and not report.failed else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record; of two phases the worse one counts."""
        record: Record | None = getattr(report, "eventstore", None)
        if record is None:
            self.tally.other_failures += report.failed
            return
        known = self.records.get(record["test"])
        if known is None or record["outcome"] != "met":
            self.records[record["test"]] = record

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Count a file that could not be collected as a failure of the user's."""
        self.tally.other_failures += report.failed

    # -- the end ---------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Make the run of the records, write the reports, decide the exit status."""
        if self.is_worker:
            self.config.workeroutput["eventstore"] = self.outline.as_dict()  # type: ignore[attr-defined]
            return
        if self.config.option.collectonly or not (self.settings.targets or self.records):
            return
        self.run = make_run(self, time.time() - self._started)
        session.exitstatus = exit_status(self, int(exitstatus))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary, whose last line is the verdict."""
        if self.run is None:
            return
        from pytest_eventstore.report.terminal import write_summary

        for name in self.broken:
            terminalreporter.write_sep("=", f"broken harness: {name}", red=True)
            terminalreporter.write_line(self.preflights[name].problem)
        write_summary(terminalreporter, self.run, details=self.config.getoption("tbstyle") == "no")


def _pairs(items: Sequence[pytest.Item]) -> list[tuple[str, str]]:
    return [
        (collect.target_name(item), collect.requirement_tested(item).id)
        for item in items
        if is_suite_test(item)
    ]


def target_of(request: pytest.FixtureRequest, factory: Any) -> Target:
    """Return the target that a test's ``eventstore_factory`` stands for."""
    if isinstance(factory, Target):
        return factory
    spec = f"{getattr(factory, '__module__', '')}:{getattr(factory, '__qualname__', '')}"
    importable = "<" not in spec and not spec.startswith(":") and not spec.endswith(":")
    return Target(
        name=collect.target_name(request.node), spec=spec if importable else "", factory=factory
    )
