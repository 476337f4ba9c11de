"""The contract as data, and its match with the tests."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

import pytest_eventstore.suite
from pytest_eventstore.requirements import (
    TIERS,
    Requirement,
    contract_version,
    load_requirements,
    parse_requirements,
    requirement_of,
)
from pytest_eventstore.suite import EventStoreSuite

ENTRY = """
[[part]]
name = "Snapshots"
[[part.requirement]]
id = "SNP-03"
level = "must"
tier = "c"
port = "snapshot_store"
since = "1.0"
statement = "s"
rationale = "r"
how = "h"
breaks = "b"
"""


def suite_tests() -> Iterator[tuple[type, str]]:
    """Yield each class of the suite with each of its tests' names."""
    for module_info in pkgutil.iter_modules(pytest_eventstore.suite.__path__):
        module = importlib.import_module(f"pytest_eventstore.suite.{module_info.name}")
        for cls in vars(module).values():
            if isinstance(cls, type) and cls.__module__ == module.__name__:
                yield from ((cls, name) for name in vars(cls) if name.startswith("test"))


def test_every_requirement_has_a_test() -> None:
    tested = {requirement_of(name) for _, name in suite_tests()}

    assert sorted(set(load_requirements()) - tested) == []


def test_every_test_has_a_requirement() -> None:
    for cls, name in suite_tests():
        assert requirement_of(name) in load_requirements(), f"{cls.__name__}.{name}"


def test_every_test_is_part_of_the_suite() -> None:
    for cls, name in suite_tests():
        assert getattr(EventStoreSuite, name, None) is vars(cls)[name], f"{cls.__name__}.{name}"


def test_no_test_hides_another_of_the_same_name() -> None:
    names = [name for _, name in suite_tests()]

    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_the_contract_is_complete_and_in_order() -> None:
    requirements = load_requirements()

    assert contract_version() == "1.0"
    assert len(requirements) == 95
    assert list(requirements)[:2] == ["APP-01", "APP-02"]
    assert {r.tier for r in requirements.values()} == set(TIERS)
    parts = [r.part for r in requirements.values()]
    assert len(set(parts)) == sum(a != b for a, b in zip(["", *parts], parts, strict=False))


def test_statements_differ_and_end_as_sentences() -> None:
    requirements = load_requirements().values()

    assert len({r.statement for r in requirements}) == len(requirements)
    for requirement in requirements:
        for text in (requirement.statement, requirement.rationale, requirement.how):
            assert text.endswith("."), f"{requirement.id}: {text}"


def test_the_contract_is_loaded_once_and_read_only() -> None:
    assert load_requirements() is load_requirements()
    with pytest.raises(TypeError):
        load_requirements()["APP-01"] = load_requirements()["APP-02"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("name", "id_"),
    [("test_snp_03_older_never_replaces_newer", "SNP-03"), ("test_app_01_x", "APP-01")],
)
def test_requirement_of_a_test_name(name: str, id_: str) -> None:
    assert requirement_of(name) == id_


@pytest.mark.parametrize("name", ["test_words", "test_snp_03", "test_snp_3_x", "test_xyz_01_x", ""])
def test_a_name_without_a_requirement_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="does not begin with a requirement"):
        requirement_of(name)


def test_an_entry_becomes_a_requirement() -> None:
    assert dict(parse_requirements(ENTRY)) == {
        "SNP-03": Requirement(
            id="SNP-03",
            level="must",
            tier="c",
            part="Snapshots",
            port="snapshot_store",
            statement="s",
            since="1.0",
            rationale="r",
            how="h",
            breaks="b",
        )
    }


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('level = "must"', 'level = "may"', "level must be one of must, should"),
        ('tier = "c"', 'tier = "x"', "tier must be one of u, c, f, p"),
        ('port = "snapshot_store"', 'port = "store"', "port must be one of"),
        ('id = "SNP-03"', 'id = "SNP-3"', "must look like SNP-03"),
        ('how = "h"', 'how = " "', "how must be text"),
        ('how = "h"', "how = 1", "how must be text"),
        ('how = "h"\n', "", "missing or unknown keys how"),
        ('how = "h"', 'how = "h"\nwho = "w"', "missing or unknown keys who"),
    ],
)
def test_a_bad_entry_is_named(old: str, new: str, message: str) -> None:
    assert old in ENTRY

    with pytest.raises(ValueError, match=message):
        parse_requirements(ENTRY.replace(old, new))


def test_a_doubled_id_is_named() -> None:
    with pytest.raises(ValueError, match="SNP-03 is listed twice"):
        parse_requirements(ENTRY + ENTRY)


def test_the_contract_loads_with_the_standard_library_only() -> None:
    code = (
        "import sys; before = set(sys.modules)\n"
        "from pytest_eventstore.requirements import load_requirements; load_requirements()\n"
        "print(*sorted(m for m in set(sys.modules) - before"
        " if m.split('.')[0] not in sys.stdlib_module_names))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert {name.split(".")[0] for name in done.stdout.split()} <= {"pytest_eventstore"}
