"""The run as one HTML page that needs nothing else: no network, no other file."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pytest_eventstore.report import charts, timeline, wording
from pytest_eventstore.report.model import (
    LEVELS,
    RESULT_MEANINGS,
    TIER_NAMES,
    TIERS,
    Result,
    Run,
    TargetResult,
)

_SYMBOLS = {
    Result.MET: "✓",
    Result.FAILED: "✗",
    Result.KNOWN: "⚑",
    Result.ERROR: "!",
    Result.INCONCLUSIVE: "?",
    Result.NOT_RUN: "○",
    Result.NOT_CHECKABLE: "∅",
    Result.NOT_OFFERED: "–",
    Result.NOT_SCORED: "·",
}
_FACTS = {"lost": "calls lost", "model": "file system"}
_POINT = re.compile(r"(?P<name>.+) at (?P<size>[\d,]+) events")


def render(run: Run) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("pytest_eventstore.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"slug": slug, "code": code}
    template = environment.get_template("report.html")
    return template.render(
        run=run,
        wording=wording,
        tier_names=TIER_NAMES,
        tiers=[t for t in TIERS if any(r.tier == t for x in run.targets for r in x.requirements)],
        levels=LEVELS,
        symbols=_SYMBOLS,
        meanings={r: RESULT_MEANINGS[r] for r in Result if _occurs(run, r)},
        matrix=_matrix(run),
        timeline=lambda calls: _trusted(timeline.draw(calls)),
        disk_facts=disk_facts,
        disk_files=disk_files,
        charts=[(name, _trusted(drawn)) for name, drawn in _charts(run)],
        times=_trusted(charts.stacked_bars(_times(run))),
        style=_source(environment, "style.css"),
        script=_source(environment, "script.js"),
    )


def slug(text: str) -> str:
    """Return text as it may stand in an HTML id or class; different texts may meet."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def code(text: str) -> Markup:
    """Return text with what stands between backticks as code."""
    pieces = (escape(piece) for piece in text.split("`"))
    return Markup("").join(
        Markup("<code>{}</code>").format(piece) if odd else piece
        for piece, odd in zip(pieces, itertools.cycle((False, True)))
    )


def series(figures: Mapping[str, Any]) -> dict[str, list[tuple[float, float]]]:
    """Return the measured series among the figures.

    A figure named ``append, µs at 10,000 events`` is a point of the series ``append, µs``.
    """
    found: dict[str, list[tuple[float, float]]] = {}
    for name, value in figures.items():
        match = _POINT.fullmatch(name)
        if match and isinstance(value, (int, float)):
            size = float(match["size"].replace(",", ""))
            found.setdefault(match["name"], []).append((size, float(value)))
    return {name: sorted(points) for name, points in found.items()}


def disk_facts(disk: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a crash finding says beside the files, each in a few words."""
    facts = []
    for name, value in disk.items():
        if name == "files":
            continue
        words = ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
        facts.append((_FACTS.get(name, name), words or "none"))
    return facts


def disk_files(disk: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the files on a crashed disk: name, size in bytes, and how each ends."""
    return [
        {"name": name, "size": wording.number(file["size"]), "end": file["end"]}
        for name, file in disk.get("files", {}).items()
    ]


def _matrix(run: Run) -> list[tuple[str, list[tuple[Any, list[Any]]]]]:
    """Return, by part, each requirement with its result on every target."""
    by_target = [{r.id: r for r in target.requirements} for target in run.targets]
    every = {r.id: r for target in run.targets for r in target.requirements}
    parts: dict[str, list[tuple[Any, list[Any]]]] = {part: [] for part in run.parts}
    for id_, requirement in every.items():
        parts[requirement.part].append((requirement, [known.get(id_) for known in by_target]))
    return list(parts.items())


def _charts(run: Run) -> list[tuple[str, str]]:
    """Return one chart for each series, all targets in it."""
    lines: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for target in run.targets:
        for name, points in series(target.figures).items():
            lines.setdefault(name, {})[target.name] = points
    return [(name, charts.line_chart(found)) for name, found in lines.items()]


def _times(run: Run) -> list[tuple[str, list[tuple[str, float]]]]:
    return [(target.name, _spent(target)) for target in run.targets]


def _spent(target: TargetResult) -> list[tuple[str, float]]:
    return [(TIER_NAMES[t], target.seconds[t]) for t in TIERS if t in target.seconds]


def _occurs(run: Run, result: Result) -> bool:
    return any(target.count(result) for target in run.targets)


def _source(environment: Environment, name: str) -> Markup:
    assert environment.loader is not None
    return _trusted(environment.loader.get_source(environment, name)[0])


def _trusted(text: str) -> Markup:
    return Markup(text)  # noqa: S704  # a file of ours, or a drawing whose texts are escaped
