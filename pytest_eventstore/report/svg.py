"""What all drawings share: safe text, and the frame of an SVG."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

CHARACTER = 6.7  # pixels of an average character at 12 px, on the generous side


def shorten(text: str, most: int) -> str:
    """Return text of at most so many characters, an ellipsis for the rest."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def text(content: str, x: float, y: float, kind: str = "") -> str:
    """Return a line of text."""
    name = f' class="{kind}"' if kind else ""
    return f'<text{name} x="{x:.1f}" y="{y:.1f}">{escape(content)}</text>'


def frame(body: Iterable[str], width: float, height: float, label: str, kind: str) -> str:
    """Return the drawing, with a label for those who do not see it."""
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(label)}" width="{width:.0f}"'
        f' height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}">{"".join(body)}</svg>'
    )
