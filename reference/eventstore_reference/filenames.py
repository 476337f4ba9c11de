"""File names for aggregate types: none escapes its folder, no two collide."""

from __future__ import annotations

import hashlib
import re

from pytest_eventstore.ports import InvalidEventError

_UNSAFE = re.compile(rb"[^a-z0-9._-]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)")
_LONGEST = 180


def file_stem(aggregate_type: str) -> str:
    """Return a file name without extension; injective, also where case does not count.

    Plain names in small letters, such as ``amadeus.state``, stay as they are.
    Every other byte becomes ``%xx``; names too long for a file system end in
    their hash.

    Raises:
        InvalidEventError: the aggregate type is not text, or empty.
    """
    if not isinstance(aggregate_type, str) or not aggregate_type:
        raise InvalidEventError(
            f"an aggregate type must be a string and not empty, got {aggregate_type!r:.80}"
        )
    raw = aggregate_type.encode("utf-8", "surrogatepass")
    stem = _UNSAFE.sub(lambda match: b"%%%02x" % match[0][0], raw).decode("ascii")
    if stem.startswith(".") or _RESERVED.match(stem):
        stem = f"%{ord(stem[0]):02x}{stem[1:]}"
    if len(stem) > _LONGEST:
        # "=" stands in no other name, so a hashed name equals no plain one.
        stem = f"{stem[:100]}={hashlib.sha256(raw).hexdigest()}"
    return stem
