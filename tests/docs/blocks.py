"""Reads the code blocks of a page of the docs, and does what the page says.

Blocks and what becomes of them, in one folder for each page, in order:

``python title="x.py"`` (also toml, yaml, ini, sh)
    is written to that file. After a comment ``<!-- replaces: A .. B -->`` it
    takes the place of the lines from the one that begins with A up to, and
    without, the one that begins with B, or up to the end without a B.
``python``
    is run.
``console``
    is typed in: lines that begin with ``$ `` are commands, the others are what
    must come out, ``...`` standing for anything in a line, or for any lines.
    A command must succeed unless ``$ echo $?`` follows it.

``<!-- needs: NAME -->`` says what must be there for the rest of the page.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILES = ("python", "toml", "yaml", "ini", "sh")
_BLOCK = re.compile(
    r"""^(?P<indent>[ ]*)```(?P<language>\w*)(?:[ ]title="(?P<title>[^"]+)")?[^\n]*\n
    (?P<body>.*?)
    ^(?P=indent)```$""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_COMMENT = re.compile(r"<!-- (?P<name>replaces|needs): (?P<value>.+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """One code block."""

    language: str
    title: str
    body: str
    line: int
    replaces: str = ""
    needs: str = ""


@dataclass
class Typed:
    """One command of a console block, what it must print and how it must end."""

    command: str
    expected: list[str]
    status: int = 0


def read_blocks(page: Path) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for match in _BLOCK.finditer(text):
        comment = _COMMENT.search(text[: match.start()])
        said = {comment["name"]: comment["value"]} if comment else {}
        body = re.sub(f"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
        line = text.count("\n", 0, match.start()) + 1
        blocks.append(Block(match["language"], match["title"] or "", body, line, **said))
    return blocks


def perform(block: Block, folder: Path, environment: Mapping[str, str]) -> None:
    """Do what the block says; an AssertionError says what came out differently."""
    if block.title:
        _write(block, folder / block.title)
    elif block.language == "python":
        _run([sys.executable, "-c", block.body], folder, environment)
    else:
        for typed in read_console(block.body):
            _type(typed, folder, environment)


def read_console(body: str) -> list[Typed]:
    """Return the commands of a console block."""
    found: list[Typed] = []
    lines = iter(body.splitlines())
    for line in lines:
        if line == "$ echo $?":
            found[-1].status = int(next(lines))
        elif line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command = command[:-1] + next(lines).strip()
            found.append(Typed(command, []))
        elif line or found[-1].expected:
            found[-1].expected.append(line)
    for typed in found:
        while typed.expected and not typed.expected[-1]:
            typed.expected.pop()
    return found


def matches(expected: list[str], printed: list[str]) -> bool:
    """Whether the lines printed are those expected; see the module for ``...``."""
    if not expected:
        return True
    pattern = ""
    for line in expected:
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*"
        else:
            pattern += r"[^\n]*".join(re.escape(piece) for piece in line.split("...")) + "\n"
    lines = [line.rstrip() for line in printed]
    while lines and not lines[-1]:
        lines.pop()
    while lines and not lines[0]:
        lines.pop(0)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in lines)) is not None


def _write(block: Block, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not block.replaces:
        path.write_text(block.body, encoding="utf-8")
        return
    first, _, last = (part.strip() for part in block.replaces.partition(" .. "))
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    start = _find(lines, first, 0)
    end = _find(lines, last, start + 1) if last else len(lines)
    path.write_text("".join([*lines[:start], block.body, *lines[end:]]), encoding="utf-8")


def _find(lines: list[str], beginning: str, start: int) -> int:
    for number in range(start, len(lines)):
        if lines[number].strip().startswith(beginning):
            return number
    raise AssertionError(f"no line begins with {beginning!r}")


def _type(typed: Typed, folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", typed.command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
        check=False,
    )
    told = f"$ {typed.command}\n{done.stdout}\nexit status {done.returncode}"
    assert done.returncode == typed.status, f"{told}, not {typed.status}"
    expected = "\n".join(typed.expected)
    assert matches(typed.expected, done.stdout.splitlines()), f"{told}\n\nexpected:\n{expected}"


def _run(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
