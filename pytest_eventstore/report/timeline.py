"""Draws a concurrent history: who called what when, and which calls overlapped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from pytest_eventstore.report import svg

_LANE = 46
_BAR = 34
_GAP = 12
_WIDEST_LABEL = 30
_MOST_CALLS = 120


@dataclass
class _Bar:
    call: Mapping[str, Any]
    lane: int = 0
    left: float = 0
    right: float | None = None

    @property
    def label(self) -> str:
        return svg.shorten(str(self.call.get("operation", "")), _WIDEST_LABEL)

    @property
    def outcome(self) -> str:
        return svg.shorten(str(self.call.get("outcome", "")), _WIDEST_LABEL)


def draw(calls: Sequence[Mapping[str, Any]]) -> str:
    """Draw who called what when: a lane for each process, a bar for each call.

    Bars are placed by the order of beginnings and ends, so that the shortest
    overlap can be seen; spans in which calls of two processes were open are
    shaded. A history longer than can be looked at is cut, and says so.
    """
    bars = [_Bar(call) for call in sorted(calls, key=_began)[-_MOST_CALLS:]]
    if not bars:
        return ""
    lanes = _assign_lanes(bars)
    names = [str(name) for name, _ in lanes]
    head = max(len(svg.shorten(name, 18)) for name in names) * svg.CHARACTER + 16
    ticks = _place(bars, head)
    width = max(tick for tick, _ in ticks) + 3 * _GAP
    height = len(lanes) * _LANE + 30
    body = [*_shades(bars, ticks, width, height), *_lanes(names, head, width)]
    body += [_bar(bar, width) for bar in bars]
    body += _axis(ticks, height)
    cut = len(calls) - len(bars)
    note = f"<p class='note'>The last {len(bars)} of {len(calls)} calls.</p>" if cut else ""
    label = f"Timeline of {len(bars)} calls by {len(set(names))} processes"
    return note + svg.frame(body, width, height, label, "timeline")


def _began(call: Mapping[str, Any]) -> float:
    return float(call.get("called") or 0)


def _assign_lanes(bars: Iterable[_Bar]) -> list[tuple[str, float]]:
    """Give each bar a lane of its process; a second one where its calls overlap.

    The lanes are in the order in which the processes first called.
    """
    lanes: list[tuple[str, float]] = []
    for bar in bars:
        process = str(bar.call.get("process", ""))
        began = _began(bar.call)
        ended = bar.call.get("returned")
        until = math.inf if ended is None else float(ended)
        free = (
            number for number, (name, busy) in enumerate(lanes) if name == process and busy <= began
        )
        bar.lane = next(free, len(lanes))
        if bar.lane == len(lanes):
            lanes.append((process, until))
        else:
            lanes[bar.lane] = (process, until)
    first = {name: number for number, (name, _) in reversed(list(enumerate(lanes)))}
    order = sorted(range(len(lanes)), key=lambda number: first[lanes[number][0]])
    rank = {number: place for place, number in enumerate(order)}
    for bar in bars:
        bar.lane = rank[bar.lane]
    return [lanes[number] for number in order]


def _place(bars: Sequence[_Bar], head: float) -> list[tuple[float, float]]:
    """Give each bar room for its label and return where which moment lies."""
    moments: list[tuple[float, int, _Bar]] = [(_began(bar.call), 1, bar) for bar in bars]
    moments += [
        (float(ended), 0 if float(ended) > _began(bar.call) else 2, bar)
        for bar in bars
        if (ended := bar.call.get("returned")) is not None
    ]
    moments.sort(key=lambda moment: moment[:2])
    x = head
    ticks = []
    for moment, side, bar in moments:
        x += _GAP
        if side == 1:
            bar.left = x
        else:
            x = max(x, bar.left + _room(bar))
            bar.right = x
        ticks.append((x, moment))
    unfinished = [bar.left + _room(bar) for bar in bars if bar.right is None]
    if unfinished and max(unfinished) > x:
        ticks.append((max(unfinished), math.nan))
    return ticks


def _room(bar: _Bar) -> float:
    return max(len(bar.label), len(bar.outcome)) * svg.CHARACTER + 10


def _shades(
    bars: Sequence[_Bar], ticks: Sequence[tuple[float, float]], width: float, height: float
) -> Iterator[str]:
    places = [x for x, _ in ticks]
    for left, right in itertools.pairwise([*places, width]):
        middle = (left + right) / 2
        open_now = {
            bar.call.get("process")
            for bar in bars
            if bar.left <= middle and (bar.right is None or middle <= bar.right)
        }
        if len(open_now) > 1:
            yield (
                f'<rect class="overlap" x="{left:.1f}" y="0" width="{right - left:.1f}"'
                f' height="{height - 26:.0f}"/>'
            )


def _lanes(names: Sequence[str], head: float, width: float) -> Iterator[str]:
    for number, name in enumerate(names):
        y = number * _LANE + _LANE / 2
        yield f'<line class="grid" x1="{head:.0f}" x2="{width:.0f}" y1="{y}" y2="{y}"/>'
        yield svg.text(svg.shorten(name, 18), 0, y + 4, "lane")


def _bar(bar: _Bar, width: float) -> str:
    right = width if bar.right is None else bar.right
    y = bar.lane * _LANE + (_LANE - _BAR) / 2
    kind = "open" if bar.right is None else "raised" if bar.call.get("error") else "fine"
    title = f"{bar.call.get('operation', '')}\n{bar.call.get('outcome', '')}"
    box = f'x="{bar.left:.1f}" y="{y}" width="{right - bar.left:.1f}" height="{_BAR}" rx="4"'
    label = svg.text(bar.label, bar.left + 5, y + 14)
    outcome = svg.text(bar.outcome, bar.left + 5, y + 28, "outcome")
    hint = f"<title>{escape(title)}</title>"
    return f'<g class="call {kind}">{hint}<rect {box}/>{label}{outcome}</g>'


def _axis(ticks: Sequence[tuple[float, float]], height: float) -> Iterator[str]:
    last = -math.inf
    for x, moment in ticks:
        if x - last < 56 or math.isnan(moment):
            continue
        last = x
        yield svg.text(f"{moment / 1e6:.2f} ms", x, height - 8, "tick mid")
