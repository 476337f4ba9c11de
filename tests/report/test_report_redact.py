"""No password of a connection string comes out, in any format."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_eventstore.report import badge, html, json_, markdown, terminal
from pytest_eventstore.report.model import Run
from pytest_eventstore.report.redact import presentable, redact, secrets_in
from report.sample_run import SECRET, two_targets

CONNECTIONS = [
    "postgresql://app:{}@db/events",
    "postgres+psycopg://app:{}@db:5432/events?sslmode=require",
    "redis://:{}@cache:6379/0",
    "cannot open mongodb://u:{}@h1,h2/x: refused",
    "host=db user=app password={} dbname=events",
    "host=db password = '{}'",
    'connect(password="{}", user="app")',
    '{{"password": "{}"}}',
    "Server=db;Pwd={};Database=x",
    "https://host/?user=a&api_key={}&x=1",
    "PGPASSWORD={} psql",
]


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("password", ["secret", "p%40ss", "x9"])
def test_a_password_is_hidden_and_the_rest_kept(connection: str, password: str) -> None:
    shown = redact(connection.format(password))
    assert shown == connection.format("***")


@pytest.mark.parametrize("password", ["a/b@c", "a:b", "@@", "p#q?r"])
def test_a_raw_password_in_a_url_may_hold_the_signs_of_a_url(password: str) -> None:
    assert redact(f"postgresql://app:{password}@db/x") == "postgresql://app:***@db/x"


@given(
    st.text(st.characters(exclude_categories=["Z", "C"], exclude_characters="\"'<>"), min_size=1)
)
def test_no_password_survives_in_a_url(password: str) -> None:
    shown = redact(f"open postgresql://app:{password}@db failed")
    assert shown == "open postgresql://app:***@db failed"


@pytest.mark.parametrize(
    "text",
    [
        "eventstore-suite::Tests::test_app_01[pg]",
        "http://localhost:8080/x",
        "password authentication failed for user app",
        "mail me@example.org",
        "seed=7 token=stress:record:7",
    ],
)
def test_text_without_a_password_stays(text: str) -> None:
    assert redact(text) == text


def test_a_password_seen_once_is_hidden_everywhere() -> None:
    secrets = secrets_in("postgresql://app:correct-horse@db/x")
    assert redact("login failed with correct-horse", secrets) == "login failed with ***"


def test_redacting_twice_changes_nothing_more() -> None:
    once = [redact(connection.format("secret")) for connection in CONNECTIONS]
    assert [redact(text) for text in once] == once


def test_values_become_strict_json_with_printable_text() -> None:
    value = {"a\x00": (math.nan, b"x", 1, 2.5, None, True, "\ud800 é")}
    assert presentable(value) == {"a\\x00": ["nan", "b'x'", 1, 2.5, None, True, "\\ud800 é"]}


def render_terminal(run: Run) -> str:
    return "\n".join(line.text for line in terminal.lines(run, details=True))


@pytest.mark.parametrize(
    "render",
    [json_.render, markdown.render, html.render, render_terminal],
    ids=lambda f: f.__module__,
)
def test_no_format_shows_the_password(render: object) -> None:
    assert callable(render)
    text = render(two_targets())
    assert "***" in text.replace("\\*", "*")  # Markdown escapes its signs
    assert SECRET not in text
    assert "hunter2" not in text
    text.encode()  # and what is left fits into any file


def test_a_badge_has_no_room_for_one() -> None:
    assert badge.is_deserved(two_targets()) is False
