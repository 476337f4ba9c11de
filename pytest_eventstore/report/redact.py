"""Takes passwords out of values before they are shown anywhere."""

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


def redact_all(value: Any, secrets: Iterable[str] = ()) -> Any:
    """Return the value with every text in it redacted, keys included, as strict JSON has it.

    What JSON has no word for, such as NaN or bytes, becomes its `repr`.
    """
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, Mapping):
        return {redact(str(k), secrets): redact_all(v, secrets) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_all(item, secrets) for item in value]
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return redact(repr(value), secrets)


def _hide_value(match: re.Match[str]) -> str:
    secret = match["secret"]
    quote = secret[0] if secret[0] in "\"'" else ""
    return f"{match['head']}{quote}{HIDDEN}{quote}"
