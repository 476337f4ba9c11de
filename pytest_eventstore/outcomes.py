"""How a conformance test ends when it neither simply passes nor simply fails.

A pass is a claim about an adapter, so everything that is not such a claim has a
name of its own::

    NotOffered           the adapter has no such port, or declares less
    NotCheckable         this machine cannot check it
    Inconclusive         the race did not overlap, the fault did not fire
    ContractViolation    the adapter broke a requirement; carries a `Finding`

The first three are skips to pytest and outcomes of their own in every report.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:

    class _Skipped(Exception):  # noqa: N818  # what pytest calls it
        ...

else:
    _Skipped = pytest.skip.Exception

EXIT_HARNESS_BROKEN = 6
EXIT_INCONCLUSIVE = 7
EXIT_PARTIAL = 8


class NotOffered(_Skipped):
    """The adapter does not offer what the requirement is about: not met, not failed."""


class NotCheckable(_Skipped):
    """This platform or environment cannot check the requirement."""


class Inconclusive(_Skipped):
    """The check ran and proved nothing, so it must not count as a pass."""


def not_offered(reason: str) -> NoReturn:
    """End the test as *not offered*."""
    raise NotOffered(f"not offered: {reason}")


def not_checkable(reason: str) -> NoReturn:
    """End the test as *not checkable here*."""
    raise NotCheckable(f"not checkable here: {reason}")


def inconclusive(reason: str) -> NoReturn:
    """End the test as *inconclusive*."""
    raise Inconclusive(f"inconclusive: {reason}")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a violated requirement looked like, in plain, JSON-able values.

    Args:
        expected: What the contract says should have been seen.
        seen: What was seen.
        history: The shortest run of calls that shows it, one a line.
        cause: What usually breaks this, in one sentence.
        token: What `--eventstore-replay` takes to show it again.
        timeline: The calls as dicts, for a drawing; see `lab.history`.
        disk: The files of a crashed location, for a drawing; see `lab.faults`.
    """

    expected: str
    seen: str
    history: tuple[str, ...] = ()
    cause: str = ""
    token: str = ""
    timeline: tuple[dict[str, Any], ...] = ()
    disk: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the finding as JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"expected: {self.expected}", f"seen:     {self.seen}"]
        if self.history:
            lines += ["history:", *(f"  {line}" for line in self.history)]
        if self.cause:
            lines.append(f"likely cause: {self.cause}")
        if self.token:
            lines.append(f"replay: --eventstore-replay {self.token}")
        return "\n".join(lines)


class ContractViolation(AssertionError):  # noqa: N818  # a verdict, not an error of the suite
    """An adapter broke a requirement."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def violated(
    *,
    expected: str,
    seen: str,
    history: tuple[str, ...] | list[str] = (),
    cause: str = "",
    token: str = "",
    timeline: tuple[dict[str, Any], ...] | list[dict[str, Any]] = (),
    disk: dict[str, Any] | None = None,
) -> NoReturn:
    """Fail the test with a finding; see `Finding` for the arguments."""
    raise ContractViolation(
        Finding(
            expected=expected,
            seen=seen,
            history=tuple(history),
            cause=cause,
            token=token,
            timeline=tuple(timeline),
            disk=disk,
        )
    )
