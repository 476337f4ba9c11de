"""The suite over a database server: a correct adapter for PostgreSQL passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.postgres_server import binaries, running_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(binaries() is None, reason="no PostgreSQL server is installed"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_server() as connection_string:
        yield connection_string


@pytest.mark.parametrize(
    "selected",
    [
        "app_ or aft_ or seq_01 or seq_05 or snp_01 or cut_01 or rec_02 or fid_03 or bad_03",
        "seq_02 or con_03 or snp_03 or cut_02",
    ],
    ids=["ordinary", "raced"],
)
def test_postgres_conforms(
    selected: str, server: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVENTSTORE_POSTGRES", server)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))
    result = pytester.runpytest_subprocess(
        "--eventstore=adapters.postgres_tables:open_ports",
        "--eventstore-tier=u,c",
        "-k",
        selected,
        "--eventstore-effort=quick",
        "-p",
        "no:randomly",
    )
    outcomes = result.parseoutcomes()
    assert outcomes.get("passed", 0) > 0
    assert not outcomes.keys() & {"failed", "errors", "inconclusive"}, outcomes
