"""Makes values fit to be shown: without passwords, and in characters that any file can hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

HIDDEN = "***"

# The last @ before white space ends the user part: a raw password may hold / or @.
_URL = re.compile(
    r"""(?P<head>[a-z][a-z0-9+.\-]*://[^\s:/@?#"'<>]*:)(?P<secret>[^\s"'<>]*)@""", re.IGNORECASE
)
_KEY = re.compile(
    r"""(?P<head>["']?\b\w*(?:password|passwd|passphrase|pwd|secret|api_?key|access_?token)\b["']?
        \s*(?:=|:(?!:))\s*)
        (?P<secret>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^\s&;,"'(){}\[\]]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_SHORTEST = 4  # a shorter secret stands in too many innocent words to be hunted everywhere


def secrets_in(text: str) -> set[str]:
    """Return the passwords that stand in connection strings of the text."""
    found = {match["secret"] for match in _URL.finditer(text)}
    found |= {match["secret"].strip("\"'") for match in _KEY.finditer(text)}
    return {secret for secret in found if len(secret) >= _SHORTEST and secret != HIDDEN}


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Return the text without the passwords of connection strings, and without `secrets`."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    if "@" in text:
        text = _URL.sub(rf"\g<head>{HIDDEN}@", text)
    return _KEY.sub(_hide_value, text)


def printable(text: str) -> str:
    """Return the text with control characters and lone surrogates written as escapes."""
    return _UNPRINTABLE.sub(_escaped, text)


def presentable(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return the value with every text in it redacted and printable, as strict JSON has it.

    What JSON has no word for, such as NaN or bytes, becomes its `repr`.
    """
    if isinstance(value, str):
        return printable(redact(value, secrets))
    if isinstance(value, Mapping):
        return {presentable(str(k), secrets): presentable(v, secrets) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [presentable(item, secrets) for item in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return presentable(repr(value), secrets)


def _hide_value(match: re.Match[str]) -> str:
    secret = match["secret"]
    quote = secret[0] if secret[0] in "\"'" else ""
    return f"{match['head']}{quote}{HIDDEN}{quote}"


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
