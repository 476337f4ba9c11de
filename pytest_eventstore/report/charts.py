"""Draws measured values: lines over a size, and times as stacked bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from pytest_eventstore.report import svg, wording

Point: TypeAlias = tuple[float, float]

_WIDTH = 440.0
_HEIGHT = 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, _WIDTH - 30, 14.0, _HEIGHT - 34
_ROW = 30.0
_COLOURS = 6
_STEPS = 4


@dataclass(frozen=True)
class _Scale:
    """Sizes on a logarithmic axis, values on a linear one that starts at 0."""

    low: float
    high: float
    most: float

    def place(self, size: float, value: float) -> Point:
        spread = self.high - self.low
        share = (math.log10(max(size, 1)) - self.low) / spread if spread else 0.5
        return _LEFT + share * (_RIGHT - _LEFT), _BOTTOM - value / self.most * (_BOTTOM - _TOP)


def line_chart(lines: Mapping[str, Sequence[Point]]) -> str:
    """Draw values over sizes, one line for each name, with a legend."""
    points = [point for line in lines.values() for point in line]
    if not points:
        return ""
    sizes = sorted({size for size, _ in points})
    scale = _Scale(
        low=math.log10(max(sizes[0], 1)),
        high=math.log10(max(sizes[-1], 1)),
        most=_round_up(max(value for _, value in points)),
    )
    body = [*_grid(scale), *_sizes(scale, sizes)]
    for index, line in enumerate(lines.values()):
        body.append(_polyline([scale.place(*point) for point in sorted(line)], index))
    legend = "".join(_key(name, index) for index, name in enumerate(lines))
    drawing = svg.frame(body, _WIDTH, _HEIGHT, f"Chart of {', '.join(lines)}", "chart")
    return f'{drawing}<p class="legend">{legend}</p>'


def stacked_bars(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]]) -> str:
    """Draw one bar of seconds for each name, a piece for each kind, its total at the end."""
    most = max((sum(value for _, value in pieces) for _, pieces in rows), default=0.0)
    if not most:
        return ""
    names = [svg.shorten(name, 18) for name, _ in rows]
    head = max(map(len, names)) * svg.CHARACTER + 16
    room = _WIDTH - head - 84
    body = []
    for row, (name, (_, pieces)) in enumerate(zip(names, rows, strict=True)):
        y, x = row * _ROW + 4, head
        body.append(svg.text(name, 0, y + 15, "lane"))
        for kind, value in pieces:
            size = value / most * room
            body.append(
                f'<rect class="tier-{escape(kind)}" x="{x:.1f}" y="{y:.1f}" width="{size:.1f}"'
                f' height="22"><title>{escape(kind)} {wording.duration(value)}</title></rect>'
            )
            x += size
        total = wording.duration(sum(value for _, value in pieces))
        body.append(svg.text(total, x + 6, y + 15, "tick"))
    return svg.frame(body, _WIDTH, len(rows) * _ROW + 6, "Time spent", "chart")


def _round_up(value: float) -> float:
    """Return the next higher number whose quarters are short to write."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value)


def _grid(scale: _Scale) -> Iterator[str]:
    for step in range(_STEPS + 1):
        value = scale.most * step / _STEPS
        _, y = scale.place(1, value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield svg.text(wording.number(value), _LEFT - 6, y + 4, "tick end")


def _sizes(scale: _Scale, sizes: Sequence[float]) -> Iterator[str]:
    for size in sizes:
        x, _ = scale.place(size, 0)
        yield svg.text(wording.number(size), x, _HEIGHT - 12, "tick mid")


def _polyline(places: Sequence[Point], index: int) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in places)
    return f'<g class="series{index % _COLOURS}"><polyline points="{path}"/>{dots}</g>'


def _key(name: str, index: int) -> str:
    swatch = f'<i class="series{index % _COLOURS}"></i>'
    return f'<span class="key">{swatch}{escape(name)}</span>'
