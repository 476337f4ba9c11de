"""Framing, checking and salvaging lines, and telling damage from unfinished writes."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest

from eventstore_reference.lines import Line, frame, read_line, salvage
from eventstore_reference.scanner import PassedOver, Scanner
from pytest_eventstore.ports import JSON, Event

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def event(name: str, data: JSON = None, **fields: object) -> Event:
    return Event(id=name, type="tested", timestamp=NOON, data=data, **fields)  # type: ignore[arg-type]


def lines(*events: Event) -> list[bytes]:
    return frame([one.to_json_line() for one in events])


def scanned(data: bytes, *, last: bool = True) -> tuple[list[str], Scanner]:
    """Return the ids found, "!" for each damaged stretch, and the scanner."""
    scanner = Scanner(last=last)
    found = []
    for item in scanner.items(io.BytesIO(data)):
        if isinstance(item, Line):
            found.append(item.event.id)
        elif item.damaged:
            found.append("!")
    return found, scanner


def test_a_framed_line_is_plain_json_with_two_more_keys() -> None:
    (first, second) = lines(event("a", {"n": 1}), event("b"))
    value = json.loads(first)
    assert value.pop("_batch") == "1/2"
    assert len(value.pop("_crc")) == 8
    assert value == event("a", {"n": 1}).to_json_object()
    assert Event.from_json_line(second) == event("b")


def test_an_event_alone_has_no_batch_mark() -> None:
    (line,) = lines(event("a"))
    assert b"_batch" not in line
    read = read_line(line[:-1], after_marked=False)
    assert read is not None
    assert (read.event, read.batch, read.marked) == (event("a"), (1, 1), True)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_a_flipped_byte_anywhere_never_gives_another_event(flip: int) -> None:
    whole = event("a", {"text": 'quo"te \\ and ,"_crc":"00000000"}', "n": 12}, seq_nr=7)
    (raw,) = lines(whole)
    line = raw[:-1]
    for place in range(len(line)):
        damaged = bytearray(line)
        damaged[place] ^= flip
        read = read_line(bytes(damaged), after_marked=True)
        assert read is None, (place, damaged)


def test_a_line_of_another_tool_may_follow_marked_ones_if_it_has_no_keys_of_ours() -> None:
    plain = event("a").to_json_line()
    assert read_line(plain.encode(), after_marked=True) is not None
    odd = plain[:-1] + ',"_crx":"9ae0daaf"}'
    assert read_line(odd.encode(), after_marked=True) is None
    assert read_line(odd.encode(), after_marked=False) is not None


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "7", '{"id":"a"}', '{"id":1,"type":"t","timestamp":"x"}', "{", "\0" * 9],
)
def test_what_is_no_event_is_damaged(text: str) -> None:
    assert read_line(text.encode(), after_marked=False) is None


def test_a_damaged_line_feed_loses_neither_neighbour() -> None:
    data = b"".join(lines(event("a")) + lines(event("b")) + lines(event("c")))
    joined = data.replace(b"}\n", b"}x", 1)
    assert [line.event.id for line in salvage(joined.split(b"\n")[0])] == ["a", "b"]
    assert scanned(joined)[0] == ["!", "a", "b", "c"]


def test_a_hole_of_nuls_loses_only_what_it_covers() -> None:
    a, b, c = (lines(event(name))[0] for name in "abc")
    data = a + b[:20] + b"\0" * len(b[20:]) + c
    assert scanned(data)[0] == ["a", "!", "c"]


def test_salvaging_gives_up_on_hostile_lines() -> None:
    hostile = b'{"schema_version":' * 5000 + b',"_crc":"00000000"}' * 5000
    assert list(salvage(hostile)) == []


def test_a_batch_is_found_only_when_whole() -> None:
    batch = b"".join(lines(event("a"), event("b"), event("c")))
    assert scanned(batch)[0] == ["a", "b", "c"]
    for cut in range(1, len(batch) - 1):
        found, scanner = scanned(lines(event("z"))[0] + batch[:cut])
        assert found == ["z"], cut
        assert scanner.torn
        assert scanner.end == len(lines(event("z"))[0])


def test_a_last_line_that_lacks_only_its_line_feed_counts() -> None:
    for data in (lines(event("a"))[0], b"".join(lines(event("a"), event("a2")))):
        found, scanner = scanned(data[:-1])
        assert found[0] == "a"
        assert not scanner.torn
        assert scanner.end == len(data) - 1


def test_damage_inside_a_batch_leaves_the_others() -> None:
    first, second, third = lines(event("a"), event("b"), event("c"))
    assert scanned(first + second.replace(b"tested", b"tasted") + third)[0] == ["a", "!", "c"]
    assert scanned(first + second + third.replace(b"tested", b"tasted"))[0] == ["a", "b", "!"]
    assert scanned(first.replace(b"tested", b"tasted") + second + third)[0] == ["!", "b", "c"]


def test_a_batch_with_a_hole_at_the_end_of_the_log_was_never_finished() -> None:
    first, second, third = lines(event("a"), event("b"), event("c"))
    holed = first + b"\0" * (len(second) - 1) + b"\n" + third
    found, scanner = scanned(holed)
    assert (found, scanner.torn, scanner.end) == ([], True, 0)
    assert scanned(holed + lines(event("d"))[0])[0] == ["a", "!", "c", "d"]


def test_what_is_unfinished_inside_the_log_is_damage() -> None:
    torn = lines(event("a"))[0][:-9]
    assert scanned(torn, last=False)[0] == ["!"]
    first, second = lines(event("b"), event("c"))
    assert scanned(first, last=False)[0] == ["b"]
    assert scanned(first + lines(event("d"))[0], last=True)[0] == ["b", "d"]
    assert scanned(first + second[:-9], last=False)[0] == ["b", "!"]


def test_empty_lines_are_no_damage() -> None:
    data = b"\n\n" + lines(event("a"))[0] + b"\n\n" + lines(event("b"))[0] + b"\n"
    found, scanner = scanned(data)
    assert found == ["a", "b"]
    assert scanner.end == len(data)


def test_lines_of_other_tools_are_not_called_marked() -> None:
    text = event("a").to_json_line().encode() + b"\n"
    scanner = Scanner()
    (item,) = scanner.items(io.BytesIO(text))
    assert not isinstance(item, PassedOver)
    assert not item.marked
    assert not scanner.marked
