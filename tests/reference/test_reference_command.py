"""The command: what it tells, its exit statuses, and that looking writes nothing."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from eventstore_reference import open_ports
from eventstore_reference.command import main
from pytest_eventstore.lab.examples import make_event

KIND = "amadeus.state"


@pytest.fixture
def location(tmp_path: Path) -> Path:
    location = tmp_path / "store"
    folder = location / "events"
    folder.mkdir(parents=True)
    lines = [make_event(n, seq_nr=n).to_json_line() for n in range(3)]
    (folder / "2026-01-01.jsonl").write_text("\n".join(lines) + "\n")
    return location


def run(*arguments: object) -> tuple[int, str]:
    out = io.StringIO()
    status = main([str(one) for one in arguments], out)
    return status, out.getvalue()


def fill(location: Path) -> None:
    ports = open_ports(location)
    assert ports.recorder is not None
    assert ports.snapshot_store is not None
    assert ports.cutover is not None
    ports.cutover(KIND)
    for n in range(10, 14):
        ports.recorder("s").record(make_event(n))
    ports.snapshot_store.save(KIND, 3, b"{}")
    ports.close()


def everything_in(location: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(location.rglob("*")) if p.is_file()}


def test_looking_writes_nothing(location: Path) -> None:
    before = everything_in(location)
    for command in ("info", "verify", "tail"):
        for more in ([], ["--json"]):
            assert run(command, location, *more)[0] == 0
    assert everything_in(location) == before


def test_info_tells_what_the_store_holds(location: Path) -> None:
    fill(location)
    assert run("archive", location)[0] == 0
    found = json.loads(run("info", "--json", location)[1])
    assert found["events"] == 8
    assert found["legacy"] == 3
    assert found["numbered"] == 5
    assert (found["first_seq_nr"], found["latest_seq_nr"]) == (1, 5)
    assert found["archived"] == 6
    assert found["cutover"]["data"] == {"pre_cutover_event_count": 3, "aggregate_type": KIND}
    (snapshot,) = found["snapshots"]
    assert (snapshot["seq_nr"], snapshot["lag"], snapshot["sentinel"]) == (3, 2, False)
    text = run("info", location)[1]
    assert "8 (3 legacy, 5 numbered)" in text
    assert "amadeus.state at 3" in text
    assert text.rstrip().endswith("none")


def test_verify_names_file_and_line(location: Path) -> None:
    fill(location)
    assert run("verify", location) == (0, "8 events and 1 snapshots read, no damage\n")
    (_, path) = sorted((location / "events").iterdir())
    lines = path.read_bytes().split(b"\n")
    lines[2] = lines[2].replace(b'"n":', b'"m":')
    path.write_bytes(b"\n".join(lines))
    snapshot = location / "snapshots" / f"{KIND}.json"
    snapshot.write_bytes(snapshot.read_bytes()[:-1])
    status, text = run("verify", location)
    assert status == 1
    assert f"events/{path.name}:3: the line is damaged" in text
    assert f"snapshots/{KIND}.json: " in text
    assert "2 damaged" in text
    found = json.loads(run("verify", "--json", location)[1])
    assert [one["line"] for one in found["damage"]] == [3, 0]
    assert "see verify" in run("info", location)[1]


def test_verify_reports_an_archive_that_cannot_be_unpacked(location: Path) -> None:
    fill(location)
    run("archive", location)
    path = location / "archive" / "2026-01-01.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-12])
    status, text = run("verify", location)
    assert status == 1
    assert "archive/2026-01-01.jsonl.gz: the file cannot be unpacked to its end" in text


def test_an_unfinished_write_is_no_damage(location: Path) -> None:
    path = location / "events" / "2026-01-01.jsonl"
    path.write_bytes(path.read_bytes() + b'{"schema_version":1,"id":"x"')
    assert run("verify", location)[0] == 0
    assert "the next append repairs it" in run("info", location)[1]


def test_tail_shows_the_events_appended_last(location: Path) -> None:
    fill(location)
    status, text = run("tail", "-n", "2", location)
    assert status == 0
    assert [line.split()[0] for line in text.splitlines()] == ["#4", "#5"]
    last = json.loads(run("tail", "-n", 1, "--json", location)[1])
    assert (last["id"], last["seq_nr"]) == ("e13", 5)
    assert run("tail", "-n", "0", location) == (0, "")


def test_cutover_is_run_once(location: Path) -> None:
    first = json.loads(run("cutover", "--json", location, KIND)[1])
    assert first == {"already_done": False, "event_count": 3, "cutover_seq_nr": 1}
    assert "before; nothing was changed" in run("cutover", location, KIND)[1]


def test_archive_says_when_nothing_is_covered(location: Path) -> None:
    assert "nothing to archive" in run("archive", location)[1]
    fill(location)
    result = json.loads(run("archive", "--json", "--before", 3, location)[1])
    assert result == {"archived_count": 5, "through_seq_nr": 2}
    assert "archived 1 events, up to number 3" in run("archive", location)[1]


@pytest.mark.parametrize(
    "arguments", [[], ["info"], ["fly", "."], ["tail", "-n", "-1", "."], ["tail", "-n", "x", "."]]
)
def test_a_wrong_command_line_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_a_location_that_is_none_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("info", tmp_path / "nowhere")[0] == 2
    assert "is not a folder" in capsys.readouterr().err
    (tmp_path / ".run").touch()
    assert run("cutover", tmp_path, KIND)[0] == 3
    assert "eventstore: " in capsys.readouterr().err


def test_it_runs_as_a_module(location: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "eventstore_reference", "info", str(location)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("events")
    assert result.stderr == ""
