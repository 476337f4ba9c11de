"""The contract on a terminal: the table of all requirements, and one in full."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator

import pytest

from pytest_eventstore.options import option
from pytest_eventstore.requirements import (
    TIERS,
    Requirement,
    contract_version,
    load_requirements,
)
from pytest_eventstore.settings import requirement_id


def answer(config: pytest.Config) -> int:
    """Print what ``--eventstore-list`` or ``--eventstore-explain`` asks for."""
    wanted = option(config, "--eventstore-explain")
    width = shutil.get_terminal_size().columns
    if wanted:
        lines = explain(requirement_id(wanted, "--eventstore-explain"), width)
    else:
        lines = table(width)
    print(*lines, sep="\n")
    return int(pytest.ExitCode.OK)


def table(width: int = 100) -> Iterator[str]:
    """Yield the contract as a table, a heading for each part."""
    requirements = load_requirements()
    width = max(width, 60)
    indent = " " * 24
    yield f"event store contract {contract_version()}: {len(requirements)} requirements"
    yield f"tiers: {', '.join(f'{letter} = {name}' for letter, name in TIERS.items())}"
    part = ""
    for requirement in requirements.values():
        if requirement.part != part:
            part = requirement.part
            yield ""
            yield part
        head = f"  {requirement.id:<8}{requirement.level.upper():<8}{requirement.tier:<6}"
        yield from textwrap.wrap(
            head + requirement.statement, width, subsequent_indent=indent, break_long_words=False
        )


def explain(id_: str, width: int = 100) -> Iterator[str]:
    """Yield everything the contract says about one requirement."""
    requirement: Requirement = load_requirements()[id_]
    yield (
        f"{id_}  {requirement.level.upper()}  {requirement.part}, {TIERS[requirement.tier]}, "
        f"since {requirement.since}"
    )
    texts = {
        "statement": requirement.statement,
        "why": requirement.rationale,
        "how it is tested": requirement.how,
        "what typically breaks it": requirement.breaks,
    }
    for title, text in texts.items():
        yield ""
        yield f"{title}:"
        yield from textwrap.wrap(
            text,
            max(width, 60),
            initial_indent="  ",
            subsequent_indent="  ",
            break_long_words=False,
        )
    yield ""
    yield f"run it: pytest --eventstore=TARGET -k {id_.lower().replace('-', '_')}"
