"""One run of the suite, watched: what was asked for, what ran, what came out of it."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from typing import Any, TypeAlias

import pytest

from pytest_eventstore import collect, records
from pytest_eventstore.collect import is_suite_test
from pytest_eventstore.ending import Ending, conclude, print_ending
from pytest_eventstore.gates import decides
from pytest_eventstore.known import load_known
from pytest_eventstore.outcomes import not_checkable
from pytest_eventstore.preflight import Preflight, examine
from pytest_eventstore.records import Record
from pytest_eventstore.resolve import check_factory
from pytest_eventstore.settings import Settings
from pytest_eventstore.summary import Outline
from pytest_eventstore.targets import Target

KEY = pytest.StashKey["SuiteRun"]()

_Wrapper: TypeAlias = Generator[None, pytest.TestReport, pytest.TestReport]
_Status: TypeAlias = tuple[str, str, tuple[str, Mapping[str, bool]]]

_NO_RUN = (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR)

_STATUS: Mapping[str, _Status] = {
    "not offered": ("not offered", "o", ("NOT OFFERED", {"yellow": True})),
    "not checkable": ("not checkable", "k", ("NOT CHECKABLE", {"yellow": True})),
    "inconclusive": ("inconclusive", "i", ("INCONCLUSIVE", {"yellow": True})),
}


class SuiteRun:
    """The hooks that watch the suite's tests, through either door."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config = config
        self.settings = settings
        self.known = load_known(settings.known, may_be_new=settings.known_update)
        self.started = time.time()
        self.outline = Outline()
        self.preflights: dict[str, Preflight] = {}
        self.records: dict[str, Record] = {}
        self.undecisive_failures = 0
        self._workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
        self._ending: Ending | None = None

    @property
    def broken(self) -> list[str]:
        """The targets that cannot be tested."""
        return [name for name, found in self.preflights.items() if found.problem]

    # Before the first test

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Open every target once, in the controller, and leave the broken ones out."""
        if self._workerinput is None:
            for resolved in self.settings.targets:
                self.preflights[resolved.name] = (
                    Preflight(problem=resolved.problem)
                    if resolved.target is None
                    else examine(resolved.target)
                )
            broken = self.broken
        else:
            broken = self._workerinput["eventstore_broken"]
        virtual = self.config.pluginmanager.get_plugin("eventstore-virtual")
        if virtual is not None:
            virtual.targets = [
                r.target for r in self.settings.targets if r.target and r.name not in broken
            ]

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

    # Collection

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Mark a suite test with what it is about."""
        if is_suite_test(item):
            collect.describe(item)

    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Deselect suite tests that the options leave out; touch no other test."""
        out = {i for i in items if is_suite_test(i) and collect.is_left_out(i, self.settings)}
        if out:
            config.hook.pytest_deselected(items=[item for item in items if item in out])
            items[:] = [item for item in items if item not in out]

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Remember which tests of the contract are not to run."""
        self.outline.left_out += collect.pairs(items)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Remember which tests of the contract are to run."""
        self.outline.selected = collect.pairs(session.items)

    # Every test

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> _Wrapper:
        """Attach the record, and put a violation in words instead of a traceback."""
        report = yield
        if not is_suite_test(item):
            return report
        preflight = self.preflights.get(collect.target_name(item))
        record = records.make_record(item, call, report, self.settings, preflight)
        if record is None:
            return report
        report.eventstore = record  # type: ignore[attr-defined]
        if report.failed:
            records.hide_secrets(report)
        if record["outcome"] == "failed":
            self._tell(item, call, report, record)
        return report

    def _tell(
        self,
        item: pytest.Item,
        call: pytest.CallInfo[None],
        report: pytest.TestReport,
        record: Record,
    ) -> None:
        error = call.excinfo.value if call.excinfo else None
        text = records.readable(record, collect.requirement_tested(item), error)
        if record["is_violation"] and self.config.getoption("tbstyle", "auto") == "auto":
            report.longrepr = text
        else:
            report.sections.append(("event store contract", text))
        entry = self.known.explaining(record["target"], record["requirement"], text)
        if entry is not None:
            record["known"] = entry.remark
            report.outcome = "skipped"
            report.wasxfail = f"known failure: {entry.remark}"

    def pytest_report_teststatus(
        self, report: pytest.CollectReport | pytest.TestReport
    ) -> _Status | None:
        """Give each outcome that is neither passed nor failed a name of its own."""
        record = getattr(report, "eventstore", None)
        return _STATUS.get(record["outcome"]) if record else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the record; of two phases the worse one counts."""
        record: Record | None = getattr(report, "eventstore", None)
        if record is None:
            return
        earlier = self.records.get(record["test"])
        if earlier is None or record["outcome"] != "met":
            self.records[record["test"]] = record
        if report.failed and not decides(record, self.settings):
            self.undecisive_failures += 1
        if record["about"]:
            self.preflights.setdefault(record["target"], Preflight(**record["about"]))

    # The end

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the reports and decide the exit status."""
        if self._workerinput is not None:
            self.config.workeroutput["eventstore"] = self.outline.as_dict()  # type: ignore[attr-defined]
        elif exitstatus not in _NO_RUN and (self.broken or not self.config.option.collectonly):
            self._ending = conclude(self, session, int(exitstatus))
            session.exitstatus = self._ending.status

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary, whose last line is the verdict."""
        if self._ending is not None:
            print_ending(self, self._ending, terminalreporter)

    # The second door

    def check_once(self, target: Target) -> None:
        """Examine a target that came through a fixture; fail the first test if it is broken."""
        if target.name not in self.preflights:
            try:
                check_factory(target.factory, "what the fixture eventstore_factory gave")
                found = examine(target)
            except pytest.UsageError as error:
                found = Preflight(problem=str(error))
            self.preflights[target.name] = found
            if found.problem:
                pytest.fail(f"broken harness: {found.problem}", pytrace=False)
        elif self.preflights[target.name].problem:
            not_checkable("the harness is broken, as an earlier test has said in full")
