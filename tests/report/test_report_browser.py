"""The HTML report in a real browser: it runs, filters, opens, fits and stays offline.

A page of ours holds the report in a frame, plays the user, and leaves what it
saw in its own text, which the browser is asked to print.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_eventstore.report import html
from report.sample_run import two_targets

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.skipif(BROWSER is None, reason="no chromium to look at the page with"),
    pytest.mark.slow,
]

DRIVER = """<!doctype html><meta charset="utf-8">
<iframe id="page" src="report.html{anchor}" style="width:{width}px;height:900px;border:0"></iframe>
<pre id="seen">nothing</pre>
<script>
const errors = [];
document.getElementById("page").addEventListener("load", (event) => {{
  const view = event.target.contentWindow, page = event.target.contentDocument;
  view.addEventListener("error", (e) => errors.push(e.message));
  const all = (selector) => [...page.querySelectorAll(selector)];
  const shown = (selector) => all(selector).filter((e) => e.checkVisibility());
  const set = (name, value, on) => {{
    const box = page.querySelector(`[name=${{name}}][value="${{value}}"]`);
    if (box.checked !== on) box.click();
  }};
  const only = (name, value) => {{
    for (const {{value: each}} of all(`[name=${{name}}]`)) set(name, each, each === value);
  }};
  let seen;
  try {{ seen = (() => {{ {script} }})(); }} catch (e) {{ seen = {{thrown: String(e)}}; }}
  setTimeout(() => {{
    if (typeof seen === "function") seen = seen();
    const requests = view.performance.getEntriesByType("resource").map((r) => r.name);
    document.getElementById("seen").textContent = JSON.stringify({{seen, errors, requests}});
  }}, 50);
}});
</script>
"""

ROWS = ".matrix tr[data-tiers]"


class Seen(HTMLParser):
    """Finds what the driver left."""

    found = ""
    inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = ("id", "seen") in attrs

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.found, self.inside = data, False


def browse(folder: Path, *options: str) -> str:
    assert BROWSER is not None
    done = subprocess.run(
        [
            BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--hide-scrollbars", "--allow-file-access-from-files",
            f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=2000", *options,
        ],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    return done.stdout


Look = Callable[..., Any]


@pytest.fixture
def look(tmp_path: Path) -> Look:
    """Return what a script sees in the report, at a width and a colour scheme."""
    (tmp_path / "report.html").write_text(html.render(two_targets()), encoding="utf-8")

    def run(script: str, *, width: int = 1200, dark: bool = False, anchor: str = "") -> Any:
        driver = tmp_path / "driver.html"
        driver.write_text(DRIVER.format(script=script, width=width, anchor=anchor))
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        reader = Seen()
        reader.feed(browse(tmp_path, scheme, "--dump-dom", driver.as_uri()))
        result = json.loads(reader.found)
        assert result["errors"] == []
        assert result["requests"] == [], "the page asked for something outside itself"
        return result["seen"]

    return run


def test_filters_leave_what_was_asked_for(look: Look) -> None:
    seen = look(f"""
        const counts = {{all: shown("{ROWS}").length}};
        only("result", "failed");
        counts.failed = shown("{ROWS}").map((row) => row.querySelector(".id").textContent);
        counts.failures = shown(".failure").length;
        only("tier", "f");
        counts.faults = shown("{ROWS}").length;
        page.querySelector("[name=part]").value = "append";
        page.querySelector(".filters").dispatchEvent(new Event("input"));
        counts.none = shown(".matrix tbody").length;
        counts.words = page.querySelector("output").textContent;
        page.querySelector(".filters").reset();
        return () => ({{...counts, again: shown("{ROWS}").length}});
    """)
    assert seen == {
        "all": 95,
        "failed": ["CON-03", "SNP-03", "CRA-06", "BAD-01"],
        "failures": 4,
        "faults": 1,
        "none": 0,
        "words": "0 of 95 requirements",
        "again": 95,
    }


def test_a_broken_cell_opens_its_failure(look: Look) -> None:
    seen = look("""
        const failure = page.getElementById("f-2-CRA-06");
        const before = failure.open;
        only("result", "met");
        page.querySelector('a[href="#f-2-CRA-06"]').click();
        return () => ({before, after: failure.open, visible: failure.checkVisibility(),
          disk: failure.querySelector(".disk").innerText.includes("snapshots/.tmp-1"),
          lost: failure.querySelector(".lost").textContent.trim().slice(0, 8)});
    """)
    assert seen == {
        "before": False,
        "after": True,
        "visible": True,
        "disk": True,
        "lost": "4 rename",
    }


def test_a_link_into_the_page_opens_the_failure_and_labels_fit_their_bars(look: Look) -> None:
    seen = look(
        """
        const drawing = page.querySelector("#f-2-CON-03 svg.timeline");
        const boxes = [...drawing.querySelectorAll(".call")].map((call) => {
          const bar = call.querySelector("rect").getBoundingClientRect();
          return [...call.querySelectorAll("text")].every((t) => {
            const r = t.getBoundingClientRect();
            return r.left >= bar.left && r.right <= bar.right && r.bottom <= bar.bottom + 1;
          });
        });
        return {open: page.getElementById("f-2-CRA-06").open, boxes};
        """,
        anchor="#f-2-CRA-06",
    )
    assert seen == {"open": True, "boxes": [True] * 5}


def test_printing_opens_every_failure(look: Look) -> None:
    seen = look("""
        view.dispatchEvent(new Event("beforeprint"));
        return [...page.querySelectorAll(".failure")].map((failure) => failure.open);
    """)
    assert seen == [True] * 5


@pytest.mark.parametrize("width", [320, 390, 760])
def test_a_narrow_page_never_scrolls_sideways(look: Look, width: int) -> None:
    seen = look(
        """
        view.dispatchEvent(new Event("beforeprint"));
        const root = page.documentElement;
        const cut = [...page.querySelectorAll("h1, h2, p, summary, dd, .matrix th[scope=row]")]
          .filter((e) => e.checkVisibility() && !e.closest(".scroll:not(:has(.matrix))"))
          .filter((e) => e.getBoundingClientRect().right > root.clientWidth + 1)
          .map((e) => e.textContent.slice(0, 40));
        const matrix = page.querySelector(".matrix").scrollWidth - root.clientWidth;
        return {wider: root.scrollWidth - root.clientWidth, matrix: Math.max(0, matrix), cut};
        """,
        width=width,
    )
    assert seen == {"wider": 0, "matrix": 0, "cut": []}


CONTRAST = """
    view.dispatchEvent(new Event("beforeprint"));
    const channel = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const parse = (text) => text.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const behind = (element) => {
      for (let e = element; e; e = e.parentElement) {
        const colour = parse(view.getComputedStyle(e).backgroundColor);
        if (colour.length < 4 || colour[3] > 0) return colour;
      }
    };
    const poor = [];
    for (const element of page.querySelectorAll("body *")) {
      const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
      if (!own || element.closest("svg, script, option") || !element.checkVisibility()) continue;
      const a = light(parse(view.getComputedStyle(element).color)), b = light(behind(element));
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      if (ratio < 4.5) poor.push([element.className || element.tagName, ratio.toFixed(2)]);
    }
    return {poor, page: parse(view.getComputedStyle(page.body).backgroundColor)};
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_light_and_in_dark(look: Look, *, dark: bool) -> None:
    seen = look(CONTRAST, dark=dark)
    assert seen["poor"] == []
    assert (max(seen["page"]) < 64) is dark


def test_it_prints(tmp_path: Path) -> None:
    page, printed = tmp_path / "report.html", tmp_path / "report.pdf"
    page.write_text(html.render(two_targets()), encoding="utf-8")
    browse(tmp_path, f"--print-to-pdf={printed}", page.as_uri())
    assert printed.read_bytes().startswith(b"%PDF-")
