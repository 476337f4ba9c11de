"""Rewriting the list of known failures from what a run found, comments kept.

The text is edited, not written anew: an entry that still holds keeps every
character. What comes out is parsed again and compared with what was meant
before the file is touched.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytest_eventstore.known import KnownFailure, KnownFailures, parse_known

_HEADER = re.compile(r"\s*\[\[\s*known\s*\]\]\s*(#.*)?")
_MATCH = re.compile(r"""(\s*match\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*')(.*)""", re.DOTALL)
_LONGEST_MATCH = 120


def update(path: Path, known: KnownFailures, records: Iterable[Mapping[str, Any]]) -> str:
    """Make the file say what the run found, and return a line that says what changed.

    Entries that do not hold here, and those of targets or tests that did not
    run, stay as they are.

    Raises:
        ValueError: the file is written in a way that cannot be edited safely.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    new_text, changes = updated_text(text, known, list(records))
    if not changes:
        return f"{path}: nothing to change"
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(new_text, encoding="utf-8")
    os.replace(scratch, path)
    return f"{path}: {', '.join(changes)}"


def updated_text(
    text: str, known: KnownFailures, records: list[Mapping[str, Any]]
) -> tuple[str, list[str]]:
    """Return the new text of the list, and what changed in it, in words."""
    before = parse_known(text, "the list")
    head, blocks = _blocks(text)
    if len(blocks) != len(before):
        raise ValueError("known failures must be written as [[known]] tables to be rewritten")
    failing, ran = _found(records)
    active = set(known.entries)
    kept: list[str] = []
    meant: list[KnownFailure] = []
    listed: set[tuple[str, str]] = set()
    removed = changed = 0
    for entry, block in zip(before, blocks, strict=True):
        if entry not in active or entry.key not in ran:
            stays: KnownFailure | None = entry
        else:
            stays = _corrected(entry, failing.get(entry.key))
        if stays is None or (entry in active and entry.key in listed):
            removed += 1
            continue
        if entry in active:
            listed.add(entry.key)
        changed += stays != entry
        kept.append(block if stays == entry else _with_match(block, stays.match))
        meant.append(stays)
    added = [
        KnownFailure(target=target, id=id_, match=_text_to_match(found[0]))
        for (target, id_), found in failing.items()
        if (target, id_) not in listed
    ]
    new_text = _joined(head, kept, added)
    if not _says(new_text, (*meant, *added)):
        raise ValueError("the list is written in a way that cannot be edited; edit it by hand")
    counts = {"added": len(added), "changed": changed, "removed": removed}
    return new_text, [f"{number} {what}" for what, number in counts.items() if number]


def _found(
    records: list[Mapping[str, Any]],
) -> tuple[dict[tuple[str, str], list[Mapping[str, Any]]], set[tuple[str, str]]]:
    failing: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    ran = set()
    for record in records:
        key = (record["target"], record["requirement"])
        ran.add(key)
        if record["outcome"] == "failed":
            failing.setdefault(key, []).append(record)
    return failing, ran


def _corrected(entry: KnownFailure, found: list[Mapping[str, Any]] | None) -> KnownFailure | None:
    """Return the entry as it should read; None if it should go."""
    if not found:
        return None
    if all(record.get("known") for record in found):
        return entry
    other = next(record for record in found if not record.get("known"))
    return KnownFailure(**{**vars(entry), "match": _text_to_match(other)})


def _text_to_match(record: Mapping[str, Any]) -> str:
    """Return what stays the same from run to run: the likely cause if the test names one."""
    finding = record["finding"] or {}
    text = finding.get("cause") if record.get("is_violation") else finding.get("seen")
    text = text or finding.get("expected") or record["requirement"]
    return str(text).strip().splitlines()[0][:_LONGEST_MATCH]


def _blocks(text: str) -> tuple[str, list[str]]:
    """Return what stands before the first entry, and each entry with the comments above it."""
    lines = text.splitlines(keepends=True)
    starts = []
    for number, line in enumerate(lines):
        if _HEADER.fullmatch(line):
            start = number
            while start and lines[start - 1].lstrip().startswith("#"):
                start -= 1
            starts.append(start)
    if not starts:
        return text, []
    ends = [*starts[1:], len(lines)]
    blocks = ["".join(lines[a:b]) for a, b in zip(starts, ends, strict=True)]
    return "".join(lines[: starts[0]]), blocks


def _with_match(block: str, match: str) -> str:
    lines = block.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if found := _MATCH.fullmatch(line):
            lines[number] = found[1] + _quoted(match) + found[3]
    return "".join(lines)


def _says(text: str, meant: tuple[KnownFailure, ...]) -> bool:
    try:
        return parse_known(text, "the new list") == meant
    except ValueError:
        return False


def _joined(head: str, kept: list[str], added: list[KnownFailure]) -> str:
    text = head + "".join(kept)
    for entry in added:
        if text and not text.endswith("\n"):
            text += "\n"
        if text.strip():
            text = text.rstrip("\n") + "\n\n"
        text += f'[[known]]\nid = "{entry.id}"\ntarget = {_quoted(entry.target)}\n'
        text += f"match = {_quoted(entry.match)}\n"
    return text


def _quoted(text: str) -> str:
    """Return a TOML basic string; JSON's is one but for the character DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
