"""The options of the command line, declared; what they come to is in `settings`."""

from __future__ import annotations

from typing import Any

import pytest

_OPTIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    (
        "--eventstore",
        {
            "action": "append",
            "metavar": "TARGET",
            "help": "Run the conformance suite on an adapter: a name (reference, memory, one of an "
            "entry point or of pyproject.toml) or module:factory. May be given several times.",
        },
    ),
    (
        "--eventstore-level",
        {
            "metavar": "must|should",
            "help": "must: run only what is a MUST. should: hold the adapter to every SHOULD too. "
            "Unless given, both run and only a MUST decides.",
        },
    ),
    (
        "--eventstore-tier",
        {
            "action": "append",
            "metavar": "TIERS",
            "help": "Run only these tiers: u (ordinary), c (concurrency), f (fault), "
            "p (performance), or several with commas. All unless given.",
        },
    ),
    (
        "--eventstore-effort",
        {"metavar": "quick|standard|thorough", "help": "How hard to look. standard unless given."},
    ),
    (
        "--eventstore-seed",
        {"metavar": "N", "help": "Where all chance comes from. A new one is drawn unless given."},
    ),
    (
        "--eventstore-replay",
        {
            "metavar": "TOKEN",
            "help": "Run only what a failure's token names, such as kill:record:12.",
        },
    ),
    (
        "--eventstore-list",
        {"action": "store_true", "help": "Print the contract as a table and exit."},
    ),
    (
        "--eventstore-explain",
        {"metavar": "ID", "help": "Print what one requirement means, such as SNP-03, and exit."},
    ),
    (
        "--eventstore-report",
        {
            "action": "append",
            "metavar": "PATH",
            "help": "Write a report; its suffix chooses .json, .md, .html or .svg (a badge). "
            "May be given several times.",
        },
    ),
    (
        "--eventstore-diff",
        {"metavar": "OLD.json", "help": "Compare the run with an earlier report."},
    ),
    (
        "--eventstore-require",
        {
            "metavar": "WHAT",
            "help": "Fail unless conformant (the verdict), unless every must or should was met, or "
            "unless these requirement ids, with commas between, were met.",
        },
    ),
    (
        "--eventstore-contract",
        {"metavar": "VERSION", "help": "Score only what the contract held in that version."},
    ),
    (
        "--eventstore-known",
        {"metavar": "FILE", "help": "A TOML list of known failures, each of which must go on."},
    ),
    (
        "--eventstore-known-update",
        {"action": "store_true", "help": "Rewrite that list from what this run found."},
    ),
)


def add_options(parser: pytest.Parser) -> None:
    """Declare every option, in one group of ``pytest --help``."""
    group = parser.getgroup("eventstore", "conformance of event stores (pytest-eventstore)")
    for name, keywords in _OPTIONS:
        group.addoption(name, **keywords)


def is_asked_for(config: pytest.Config) -> bool:
    """Whether the command line has any of the plugin's options."""
    return any(option(config, name) for name, _ in _OPTIONS)


def option(config: pytest.Config, name: str) -> Any:
    """Return an option's raw value; None where the plugin's options do not exist."""
    return config.getoption(name.removeprefix("--").replace("-", "_"), None)
