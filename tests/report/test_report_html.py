"""The HTML report as text; `test_report_browser` looks at it in a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from pytest_eventstore.report import html, timeline
from pytest_eventstore.report.charts import line_chart, stacked_bars
from pytest_eventstore.report.model import RESULT_MEANINGS, Result
from report.sample_run import TIMELINE, all_met, finding, make, report, two_targets

VOID = {"meta", "input", "link", "br", "img", "hr"}


class Page(HTMLParser):
    """Reads a page and complains of tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "action", "data", "poster", "srcset", "xlink:href"):
                self.links.append(value or "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.fixture(scope="module")
def page() -> str:
    return html.render(two_targets())


def test_the_page_is_well_formed_and_its_ids_are_unique(page: str) -> None:
    ids = Page(page).ids
    assert len(ids) == len(set(ids))


def test_nothing_outside_the_page_is_referred_to(page: str) -> None:
    found = Page(page)
    assert all(link.startswith("#") and link[1:] in found.ids for link in found.links)
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|import\(", page)
    urls = set(re.findall(r"https?://[^\s\"'<]+", page))
    assert urls == {"https://example.org/issues/12"}, "only what the run itself quotes"


def test_every_broken_cell_leads_to_its_failure(page: str) -> None:
    expected = {f"#f-2-{r.id}" for r in two_targets().targets[1].broken}
    assert set(Page(page).links) == expected


def test_the_matrix_has_every_requirement_and_a_column_for_each_target(page: str) -> None:
    table = page.partition('<table class="matrix">')[2].partition("</table>")[0]
    assert table.count("data-results=") == len(two_targets().targets[0].requirements)
    assert re.findall(r'<th scope="col">(.*?)</th>', table) == ["Requirement", "reference", "pg"]


def test_every_result_that_occurs_is_explained(page: str) -> None:
    text = "".join(Page(page).text)
    for result in Result:
        assert (RESULT_MEANINGS[result] in text) is (result is not Result.NOT_SCORED)


def test_what_an_adapter_says_is_no_markup() -> None:
    evil = "</script><script>alert(1)</script>{{ 7*7 }}"
    calls = [{"process": evil, "operation": evil, "called": 0, "returned": 1, "outcome": evil}]
    disk = {evil: evil, "files": {evil: {"size": 1, "end": evil}}}
    found = finding(seen=evil, history=[evil], cause=evil, timeline=calls, disk=disk)
    text = html.render(make([report("SNP-03", "failed", target=evil, finding=found)]))
    Page(text)
    assert "<script>alert" not in text
    assert text.count("<script>") == 1
    assert "{{ 7*7 }}" in text


def test_statements_show_code_as_code() -> None:
    assert html.code("`a<b` and c") == "<code>a&lt;b</code> and c"


def test_a_run_without_targets_still_makes_a_page() -> None:
    assert "partial" in html.render(make([])).lower()


def test_measured_points_become_a_series() -> None:
    figures = {
        "append, µs at 1,000 events": 5,
        "append, µs at 10 events": 4.5,
        "races at dawn": 3,
        "examples": 7,
    }
    assert html.series(figures) == {"append, µs": [(10.0, 4.5), (1000.0, 5.0)]}


def bars_in(drawing: str) -> dict[str, tuple[float, float]]:
    found = re.findall(
        r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"[^>]*/><text[^>]*>([^<]*)<', drawing
    )
    return {label: (float(x), float(x) + float(width)) for x, width, label in found}


def test_the_timeline_shows_overlaps_and_only_those() -> None:
    bars = bars_in(timeline.draw(TIMELINE))
    assert len(bars) == len(TIMELINE)
    alloc, paid = bars["alloc_seq_nr()"], bars["record(type=&#x27;paid&#x27;)"]
    load = bars["load_after_seq_nr(4)"]
    assert alloc[0] < paid[0] < alloc[1] < load[0] < load[1] < paid[1]


def test_lanes_are_in_the_order_of_first_calls_and_doubled_where_a_process_overlaps() -> None:
    calls = [
        {"process": "Z", "operation": "one", "called": 0, "returned": 10},
        {"process": "A", "operation": "two", "called": 1, "returned": 2},
        {"process": "Z", "operation": "three", "called": 3, "returned": 4},
        {"process": "Z", "operation": "four", "called": 11, "returned": 12},
    ]
    names = re.findall(r'class="lane"[^>]*>(\w)<', timeline.draw(calls))
    assert names == ["Z", "Z", "A"]


def test_the_shortest_overlap_can_be_seen() -> None:
    calls = [
        {"process": "A", "operation": "a", "called": 0, "returned": 1_000_001, "outcome": "ok"},
        {"process": "B", "operation": "b", "called": 1_000_000, "returned": 9_000_000_000,
         "outcome": "ok"},
    ]  # fmt: skip
    bars = bars_in(timeline.draw(calls))
    assert bars["a"][1] - bars["b"][0] >= 10
    assert timeline.draw(calls).count('class="overlap"') == 1


def test_calls_that_do_not_overlap_are_not_shaded() -> None:
    calls = [
        {"process": "A", "operation": "a", "called": 0, "returned": 5, "outcome": "ok"},
        {"process": "B", "operation": "b", "called": 5, "returned": 9, "outcome": "ok"},
    ]
    assert 'class="overlap"' not in timeline.draw(calls)


def test_every_label_fits_its_bar() -> None:
    for label, (left, right) in bars_in(timeline.draw(TIMELINE)).items():
        assert right - left >= len(label.replace("&#x27;", "'")) * 6


def test_a_call_that_never_came_back_stays_open() -> None:
    drawing = timeline.draw(TIMELINE)
    assert drawing.count('class="call open"') == 1
    assert drawing.count('class="call raised"') == 1


def test_a_long_history_is_cut_and_says_so() -> None:
    calls = [
        {
            "process": "A",
            "operation": f"n{n}",
            "called": 2 * n,
            "returned": 2 * n + 1,
        }
        for n in range(500)
    ]
    drawing = timeline.draw(calls)
    assert "The last 120 of 500 calls." in drawing
    assert ">n499<" in drawing
    assert ">n0<" not in drawing


def test_no_calls_give_no_drawing() -> None:
    assert timeline.draw([]) == ""
    assert line_chart({}) == ""
    assert stacked_bars([]) == ""


def test_a_chart_has_a_point_for_each_value_and_a_key_for_each_line() -> None:
    drawing = line_chart({"a": [(1, 2.0), (100, 3.0)], "b<": [(10, 1.0)]})
    assert drawing.count("<circle") == 3
    assert "b&lt;" in drawing
    ticks = re.findall(r'class="tick end"[^>]*>([^<]*)<', drawing)
    assert ticks == ["0", "1", "2", "3", "4"]


def test_all_met_shows_no_failures() -> None:
    assert 'id="failures"' not in html.render(make(all_met()))
