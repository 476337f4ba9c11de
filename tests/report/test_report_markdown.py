"""The Markdown report."""

from __future__ import annotations

from pytest_eventstore.report import markdown
from pytest_eventstore.report.model import Result
from report.sample_run import all_met, finding, make, report, two_targets


def test_the_heading_is_the_verdict() -> None:
    assert markdown.render(make(all_met())).startswith(
        "## Event store contract 1.0: ✅ conformant\n"
    )


def test_targets_stand_side_by_side() -> None:
    text = markdown.render(two_targets())
    assert "| reference | ✅ conformant | 86 of 86 MUST | – |" in text
    assert "| part | reference | pg |" in text
    assert "| Concurrency | 8/8 | 5/8: 1 failed, 1 known to fail, 1 inconclusive |" in text


def test_each_failure_is_told_in_full() -> None:
    run = two_targets()
    text = markdown.render(run)
    for requirement in run.targets[1].broken:
        assert f"<b>{requirement.id}</b> {requirement.level.upper()} on <b>pg</b>" in text
        found = requirement.failures[0].finding
        assert found is not None
        assert requirement.failures[0].reproduce in text
    assert "**Expected:** the snapshot saved with number 9" in text
    assert "**Seen:** the snapshot saved with number 4" in text
    assert "**Likely cause:** The write replaces the file" in text
    assert "save('amadeus.state', 4, b'old')" in text


def test_what_an_adapter_says_is_no_markup() -> None:
    seen = "<script>alert(1)</script> | `x` *y*\n# z"
    text = markdown.render(make([report("SNP-03", "failed", finding=finding(seen=seen))]))
    assert "<script>" not in text
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \| \`x\` \*y\* \# z" in text


def test_a_history_cannot_close_its_own_block() -> None:
    history = ["```", "# out"]
    text = markdown.render(make([report("SNP-03", "failed", finding=finding(history=history))]))
    assert "\n````\n```\n# out\n````\n" in text


def test_a_limit_leaves_failures_out_and_says_how_many() -> None:
    run = two_targets()
    full = markdown.render(run)
    limit = len(full.encode()) - 800
    short = markdown.render(run, limit=limit)
    assert len(short.encode()) <= limit
    broken = sum(r.result in (Result.FAILED, Result.KNOWN) for r in run.targets[1].requirements)
    told = short.count("<details>")
    assert 0 < told < broken
    assert f"… {broken - told} more failures left out here" in short
    assert short.splitlines()[-1] == full.splitlines()[-1]


def test_the_seed_is_told() -> None:
    assert "seed 7" in markdown.render(two_targets()).splitlines()[-1]
