"""The command line for a person with a store at hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from eventstore_reference.inspecting import Findings, events_in_append_order, inspect
from eventstore_reference.wiring import open_ports
from pytest_eventstore.ports import MAX_SEQ_NR, EventStoreError

OK, DAMAGED, USAGE, FAILED = 0, 1, 2, 3


def main(arguments: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run the command line and return its exit status.

    0 all is well, 1 damage was found, 2 the command line is wrong, 3 it failed.
    """
    options = _parser().parse_args(arguments)
    out = out if out is not None else sys.stdout
    if not os.path.isdir(options.location):
        print(f"eventstore: {options.location} is not a folder", file=sys.stderr)
        return USAGE
    try:
        command: Callable[[argparse.Namespace, TextIO], int] = options.command
        return command(options, out)
    except (EventStoreError, OSError, ValueError) as error:
        print(f"eventstore: {error}", file=sys.stderr)
        return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m eventstore_reference",
        description="Look at an event store in files, and maintain it.",
        epilog="Exit status: 0 all is well, 1 damage was found, 2 usage, 3 it failed.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[..., int], text: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=text)
        sub.add_argument("location", metavar="LOCATION", help="the folder of the store")
        sub.add_argument("--json", action="store_true", help="write JSON, for machines")
        sub.set_defaults(command=command)
        return sub

    add("info", _info, "Tell what the store holds. Writes nothing to it.")
    add("verify", _verify, "Read everything and report damage. Writes nothing to it.")
    tail = add("tail", _tail, "Show the events appended last. Writes nothing to the store.")
    tail.add_argument("-n", type=_count, default=10, metavar="N", help="how many (10)")
    cutover = add("cutover", _cutover, "Move the store to global sequence numbers, once.")
    cutover.add_argument("aggregate_type", help="the projection kind, such as amadeus.state")
    archive = add("archive", _archive, "Move events that snapshots cover to the archive.")
    archive.add_argument(
        "--before", type=_count, default=MAX_SEQ_NR, metavar="N", help="only numbers below N"
    )
    return parser


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError
    return value


def _info(options: argparse.Namespace, out: TextIO) -> int:
    findings = _inspect(options.location)
    if options.json:
        _write_json(out, dataclasses.asdict(findings))
        return OK
    for name, value in _told(findings):
        print(f"{name:<12}{value}", file=out)
    return OK


def _told(found: Findings) -> list[tuple[str, str]]:
    cutover = "not run" if found.cutover is None else f"run at {found.cutover['timestamp']}"
    numbers = f"{found.first_seq_nr} to {found.latest_seq_nr}" if found.numbered else "none"
    told = [
        ("events", f"{found.events:,} ({found.legacy:,} legacy, {found.numbered:,} numbered)"),
        ("numbers", numbers),
        ("cutover", cutover),
        ("files", f"{found.files} active, {found.bytes:,} bytes with the archive"),
        ("archive", f"{found.archived:,} events in {found.archive_files} files"),
    ]
    for snapshot in found.snapshots:
        kind = "sentinel" if snapshot["sentinel"] else f"at {snapshot['seq_nr']}"
        size, age, lag = snapshot["bytes"], snapshot["age_seconds"], snapshot["lag"]
        text = f"{snapshot['aggregate_type']} {kind}, {size:,} bytes, {age:,} s old, {lag:,} behind"
        told.append(("snapshot", text))
    if found.unfinished:
        told.append(("unfinished", "a write was cut off; the next append repairs it"))
    told.append(("damage", f"{len(found.damage)} places; see verify" if found.damage else "none"))
    return told


def _verify(options: argparse.Namespace, out: TextIO) -> int:
    findings = _inspect(options.location)
    if options.json:
        damage = [dataclasses.asdict(one) for one in findings.damage]
        _write_json(
            out,
            {
                "events": findings.events,
                "snapshots": len(findings.snapshots),
                "unfinished": findings.unfinished,
                "damage": damage,
            },
        )
    else:
        for one in findings.damage:
            where = f"{one.file}:{one.line}" if one.line else one.file
            print(f"{where}: {one.what}", file=out)
        verdict = f"{len(findings.damage)} damaged" if findings.damage else "no damage"
        print(
            f"{findings.events:,} events and {len(findings.snapshots)} snapshots read, {verdict}",
            file=out,
        )
    return DAMAGED if findings.damage else OK


def _tail(options: argparse.Namespace, out: TextIO) -> int:
    for event in deque(events_in_append_order(options.location), maxlen=options.n):
        if options.json:
            print(event.to_json_line(), file=out)
        else:
            data = json.dumps(event.data)
            shown = data if len(data) <= 60 else data[:57] + "..."
            number = f"#{event.seq_nr}" if event.seq_nr else "-"
            print(
                f"{number:>8} {event.timestamp.isoformat()} {event.type!a} {event.id!a} {shown}",
                file=out,
            )
    return OK


def _cutover(options: argparse.Namespace, out: TextIO) -> int:
    ports = open_ports(options.location)
    try:
        assert ports.cutover is not None
        result = ports.cutover(options.aggregate_type)
    finally:
        ports.close()
    if options.json:
        _write_json(out, dataclasses.asdict(result))
    elif result.already_done:
        print("the cutover was run before; nothing was changed", file=out)
    else:
        print(f"done: {result.event_count:,} events are legacy from now on", file=out)
    return OK


def _archive(options: argparse.Namespace, out: TextIO) -> int:
    ports = open_ports(options.location)
    try:
        assert ports.archive is not None
        result = ports.archive(options.before)
    finally:
        ports.close()
    if options.json:
        _write_json(out, dataclasses.asdict(result))
    elif result.archived_count:
        print(
            f"archived {result.archived_count:,} events, up to number {result.through_seq_nr}",
            file=out,
        )
    else:
        print("nothing to archive: no snapshot covers an active event below that", file=out)
    return OK


def _write_json(out: TextIO, value: dict[str, Any]) -> None:
    json.dump(value, out, indent=2)
    out.write("\n")


def _inspect(location: str) -> Findings:
    if not sys.stderr.isatty():
        return inspect(location)
    bar = _Bar(sys.stderr)
    try:
        return inspect(location, progress=bar.show)
    finally:
        bar.clear()


class _Bar:
    """A progress bar on a terminal, redrawn at most ten times a second."""

    WIDTH = 30

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._started = self._drawn = time.monotonic()

    def show(self, done: int, whole: int) -> None:
        now = time.monotonic()
        if now - self._drawn < 0.1 or now - self._started < 0.5 or not whole:
            return
        self._drawn = now
        filled = self.WIDTH * done // whole
        bar = "#" * filled + "." * (self.WIDTH - filled)
        self._terminal.write(f"\r[{bar}] {100 * done // whole:3} %")
        self._terminal.flush()

    def clear(self) -> None:
        if self._drawn != self._started:
            self._terminal.write("\r" + " " * (self.WIDTH + 10) + "\r")
            self._terminal.flush()
