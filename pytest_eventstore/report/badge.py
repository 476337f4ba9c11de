"""A badge that claims no more than the run showed."""

from __future__ import annotations

from html import escape

from pytest_eventstore.report.model import Result, Run, TargetResult, Verdict

_COLOURS = {Verdict.CONFORMANT: "#2b7a3d", Verdict.NON_CONFORMANT: "#b3261e"}
_CHARACTER = 6.6  # pixels of an average character in 11 px Verdana, on the generous side
_PADDING = 12


def is_deserved(run: Run) -> bool:
    """Whether the run was complete and came to an answer for every target."""
    return bool(run.targets) and all(t.is_complete and t.verdict in _COLOURS for t in run.targets)


def render(run: Run) -> str:
    """Return the badge as SVG: exact counts, never a percentage.

    Raises:
        ValueError: the run was not complete, so there is nothing to claim.
    """
    if not is_deserved(run):
        raise ValueError("a badge needs a complete run")
    fields = [(f"event store contract {run.contract}", "#444c56")]
    for target in run.targets:
        name = f"{target.name}: " if len(run.targets) > 1 else ""
        fields.append((name + _claim(target), _COLOURS[target.verdict]))
    boxes, texts, x = [], [], 0.0
    for text, colour in fields:
        width = len(text) * _CHARACTER + _PADDING
        boxes.append(f'<rect x="{x:.0f}" width="{width:.0f}" height="20" fill="{colour}"/>')
        texts.append(
            f'<text x="{x + width / 2:.0f}" y="14" textLength="{width - _PADDING:.0f}">'
            f"{escape(text)}</text>"
        )
        x += width
    title = escape(" | ".join(text for text, _ in fields))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{x:.0f}" height="20" role="img"'
        f' aria-label="{title}"><title>{title}</title>'
        f'<clipPath id="r"><rect width="{x:.0f}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)">{"".join(boxes)}</g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif"'
        f' font-size="11">{"".join(texts)}</g></svg>\n'
    )


def _claim(target: TargetResult) -> str:
    gating = target.gating
    met = target.count(Result.MET, among=gating)
    claim = f"{target.verdict} {met}/{len(gating)}"
    if absent := target.count(Result.NOT_OFFERED, among=gating):
        claim += f", {absent} not offered"
    return claim
