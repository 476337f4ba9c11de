"""From the records of a run to the `Run` that every report is drawn from."""

from __future__ import annotations

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from pytest_eventstore.preflight import Preflight
from pytest_eventstore.report.build import TargetInfo, build_run
from pytest_eventstore.report.model import Environment, Run
from pytest_eventstore.requirements import load_requirements

if TYPE_CHECKING:
    from pytest_eventstore.running import SuiteRun


@dataclass
class Outline:
    """Which tests of the contract were to run, by target and requirement."""

    selected: list[tuple[str, str]] | None = None
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the outline as values that pytest-xdist can send."""
        return {"selected": self.selected, "left_out": self.left_out}

    def take(self, found: dict[str, Any]) -> None:
        """Take over another process's outline."""
        self.selected = [(target, id_) for target, id_ in found["selected"] or ()]
        self.left_out = [(target, id_) for target, id_ in found["left_out"]]


def make_run(run: SuiteRun, duration: float, problems: list[str]) -> Run:
    """Return everything the run found out."""
    settings = run.settings
    specs = {resolved.name: resolved.spec for resolved in settings.targets}
    names = dict.fromkeys([*specs, *(r["target"] for r in run.records.values())])
    return build_run(
        run.records.values(),
        requirements=load_requirements(),
        targets=[
            TargetInfo(
                name=name,
                spec=specs.get(name, ""),
                adapter=found.adapter,
                capabilities=found.capabilities,
            )
            for name in names
            for found in [run.preflights.get(name, Preflight())]
        ],
        environment=Environment(
            python=platform.python_version(),
            platform=platform.platform(),
            plugin=version("pytest-eventstore"),
            pytest=pytest.__version__,
            hypothesis=version("hypothesis"),
            seed=settings.seed,
            effort=settings.effort,
            tiers=settings.tiers,
            command=" ".join(["pytest", *map(str, run.config.invocation_params.args)]),
            started=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
        contract=settings.contract,
        level=settings.gating_level,
        selected=run.outline.selected,
        left_out=run.outline.left_out,
        narrowed=narrowed_by(run.config, settings),
        duration=duration,
        known=_known_keys(run),
        problems=problems,
    )


def _known_keys(run: SuiteRun) -> dict[tuple[str, str], str]:
    """Return the remark of each requirement whose failures are all listed."""
    listed: dict[tuple[str, str], str] = {}
    unlisted = set()
    for record in run.records.values():
        if record["outcome"] == "failed":
            key = (record["target"], record["requirement"])
            if record["known"]:
                listed[key] = record["known"]
            else:
                unlisted.add(key)
    return {key: remark for key, remark in listed.items() if key not in unlisted}


def narrowed_by(config: pytest.Config, settings: Any) -> list[str]:
    """Return the words of the command line that make the run smaller than the contract."""
    found = []
    if config.getoption("keyword"):
        found.append(f"-k {config.getoption('keyword')}")
    if config.getoption("markexpr"):
        found.append(f"-m {config.getoption('markexpr')}")
    found += [f"--deselect {prefix}" for prefix in config.getoption("deselect") or ()]
    if config.getoption("lf", False):
        found.append("--lf")
    if len(settings.tiers) < 4:
        found.append(f"--eventstore-tier {','.join(settings.tiers)}")
    if settings.replay:
        found.append(f"--eventstore-replay {settings.replay}")
    found += [str(arg) for arg in config.args if "::" in str(arg)]
    virtual = config.pluginmanager.get_plugin("eventstore-virtual")
    found += list(getattr(virtual, "wanted", ()))
    return found
