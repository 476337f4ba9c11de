"""Events, payloads, names and numbers by chance, as Hypothesis strategies.

They lean towards what breaks stores: text that some layer gives a meaning to,
numbers at the edge of a machine type, instants at the edge of a day.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_eventstore.lab.examples import EPOCH, PLAIN_TYPE, TEXT_FIELDS
from pytest_eventstore.ports import JSON, MAX_SEQ_NR, SYSTEM_CUTOVER, Event

AWKWARD_TEXT = (
    "",
    " ",
    "null",
    "0",
    "\x00",
    "a\x00b",
    "\n",
    "\r\n",
    "\t\x0b\x0c\x1b\x7f",
    "\x85",
    "\u2028\u2029",
    "\ufeff",
    "\ufffd\uffff",
    "e\u0301 \u00e9",
    "\u202eright\u202cleft",
    "שלום",
    "😀 👩\u200d👩\u200d👧",
    "\U0010ffff",
    '"',
    "\\",
    "\\n \\u0000 \\",
    "'; --",
    "ﬁ ß İ ı",
)
"""Strings, free of lone surrogates, that some encoding or other changes."""

HOSTILE_TEXT = (
    "'; DROP TABLE events; --",
    '" OR ""="',
    "$1 ? :name %s %(x)s {0} {x}",
    "`touch x` $(touch x) ${HOME} ~ | & ; < > !",
    "a%2Fb %00 %25 %zz +",
    "http://user:pass@host/x?y=1#z",
    "*",
    "?",
    "[a-z]* {a,b} **",
    "_%",
    "../../x",
    "C:\\x\\..",
    "<b>&amp;</b>",
    "=1+1",
    "-rf",
    "\\x41\\101\\u0041",
)
"""Strings with a meaning in SQL, shells, URLs, patterns or markup."""

LONE_SURROGATES = ("\ud800", "a\udc00b", "\udfff\ud800", "\ud83d")
"""Strings that no Unicode encoding can express."""

REFUSABLE = frozenset("\0\r\n'\"")
"""Characters that a store may refuse in an event's own fields, if it does not change them."""

AWKWARD_INTEGERS = (
    0,
    -1,
    2**31 - 1,
    -(2**31) - 1,
    2**32,
    2**53 - 1,
    2**53 + 1,
    -(2**53) - 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64 + 1,
    10**30 + 1,
)
"""Integers at the edges of the types that stores keep numbers in."""

AWKWARD_FLOATS = (
    0.0,
    -0.0,
    0.1,
    1e16,
    1 / 3,
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    123456789.12345679,
)
"""Doubles that a short or decimal representation loses."""


def awkward_text(*, min_size: int = 0, max_size: int = 16) -> SearchStrategy[str]:
    """Any text that Unicode can encode, often with characters that layers trip over."""
    awkward = [text for text in AWKWARD_TEXT if min_size <= len(text) <= max_size]
    return st.one_of(
        st.text(min_size=min_size, max_size=max_size).filter(_encodable), st.sampled_from(awkward)
    )


def plain_text(*, min_size: int = 0, max_size: int = 16) -> SearchStrategy[str]:
    """Awkward text without the characters that a store may refuse outside of data."""
    return awkward_text(min_size=min_size, max_size=max_size).filter(is_plain)


def is_plain(text: str) -> bool:
    """Return whether no store may refuse the text in an event's own fields."""
    return not any(character in REFUSABLE for character in text)


def hostile_text() -> SearchStrategy[str]:
    """Text with a meaning to an interpreter, alone or joined up."""
    return st.lists(st.sampled_from(HOSTILE_TEXT), min_size=1, max_size=3).map("".join)


def integers() -> SearchStrategy[int]:
    """Integers of any size up to 100 bits, often at the edge of a machine type."""
    return st.one_of(
        st.integers(-100, 100), st.sampled_from(AWKWARD_INTEGERS), st.integers(-(2**100), 2**100)
    )


def doubles() -> SearchStrategy[float]:
    """Finite doubles."""
    return st.one_of(
        st.sampled_from(AWKWARD_FLOATS), st.floats(allow_nan=False, allow_infinity=False)
    )


def json_values(*, max_leaves: int = 8) -> SearchStrategy[JSON]:
    """JSON values of every kind, nested."""
    leaves = st.one_of(st.none(), st.booleans(), integers(), doubles(), awkward_text())
    return st.recursive(leaves, _containers_of, max_leaves=max_leaves)


def json_objects(*, min_size: int = 0) -> SearchStrategy[dict[str, Any]]:
    """JSON objects, nested."""
    return st.dictionaries(awkward_text(), json_values(), min_size=min_size, max_size=4)


def offsets() -> SearchStrategy[tzinfo]:
    """Fixed offsets from UTC: whole hours, odd minutes, close to a day."""
    minutes = st.one_of(
        st.sampled_from([0, 60, -60, 330, -570, 840, -720, 1439, -1439]),
        st.integers(-1439, 1439),
    )
    return minutes.map(lambda m: timezone(timedelta(minutes=m)))


def timestamps(*, zones: SearchStrategy[tzinfo] | None = None) -> SearchStrategy[datetime]:
    """Aware datetimes, to the microsecond, that exist in every zone.

    Many are close to each other and to midnight, where days and their files meet.
    """
    zones = offsets() if zones is None else zones
    near = st.tuples(
        st.sampled_from([EPOCH, EPOCH.replace(hour=0), EPOCH + timedelta(hours=12)]),
        st.integers(-3, 3),
        st.sampled_from([timedelta(microseconds=1), timedelta(seconds=1), timedelta(hours=5)]),
        zones,
    ).map(lambda t: (t[0] + t[1] * t[2]).astimezone(t[3]))
    anywhere = st.tuples(
        st.datetimes(min_value=datetime(1, 1, 3), max_value=datetime(9999, 12, 29)),  # noqa: DTZ001
        zones,
    ).map(lambda t: t[0].replace(tzinfo=t[1], fold=0))
    return st.one_of(near, anywhere)


def seq_nrs(*, min_value: int = 1) -> SearchStrategy[int]:
    """Sequence numbers, dense near the beginning and up to the highest there is."""
    edges = [9, 10, 11, 100, 2**31, 2**53 + 1, MAX_SEQ_NR]
    return st.one_of(st.integers(min_value, min_value + 12), st.sampled_from(edges))


def ascending_seq_nrs(*, max_size: int = 8) -> SearchStrategy[list[int]]:
    """Sequence numbers, each higher than the one before, with gaps."""
    return st.lists(seq_nrs(), min_size=1, max_size=max_size, unique=True).map(sorted)


def event_types() -> SearchStrategy[str]:
    """Types of events, any plain text but that of the cutover."""
    return st.one_of(
        st.sampled_from([PLAIN_TYPE, "system.unheard_of", "Class", "__type__"]),
        plain_text(min_size=1),
    ).filter(lambda name: name != SYSTEM_CUTOVER)


def aggregate_types() -> SearchStrategy[str]:
    """Names of projection kinds that no store has a reason to refuse."""
    letters = "abcxyzABCXYZäßжλ語0123456789"
    inner = st.text(alphabet=letters + "._- ", max_size=12)
    edge = st.sampled_from(letters)
    return st.builds(lambda a, text, z: a + text + z, edge, inner, edge)


def events(**over: SearchStrategy[Any]) -> SearchStrategy[Event]:
    """Valid events that no store may refuse; `over` replaces a field's strategy.

    Two of them may have the same id.
    """
    values: dict[str, SearchStrategy[Any]] = {name: plain_text() for name in TEXT_FIELDS}
    values |= {
        "id": plain_text(min_size=1),
        "type": event_types(),
        "timestamp": timestamps(),
        "data": json_values(),
        "seq_nr": st.one_of(st.just(0), seq_nrs()),
    }
    return st.builds(Event, **(values | over))


def batches(of: SearchStrategy[Event] | None = None, *, max_size: int = 5) -> SearchStrategy[Any]:
    """Lists of one or more events whose ids differ."""
    return st.lists(
        events() if of is None else of, min_size=1, max_size=max_size, unique_by=lambda e: e.id
    )


class SummerTime(tzinfo):
    """A zone that turns its clock back from 03:00 to 02:00 on 25 October 2026."""

    def utcoffset(self, moment: datetime | None) -> timedelta:
        """Return two hours until the change, and one hour after it."""
        if moment is None:
            return timedelta(hours=1)
        change = datetime(2026, 10, 25, 3 - moment.fold)  # noqa: DTZ001  # wall-clock time
        return timedelta(hours=2 if moment.replace(tzinfo=None) < change else 1)

    def dst(self, moment: datetime | None) -> timedelta:
        """Return what summer time adds."""
        return self.utcoffset(moment) - timedelta(hours=1)

    def tzname(self, moment: datetime | None) -> str:
        """Return a name."""
        return f"summer{self.utcoffset(moment) // timedelta(hours=1):+}"


def utc(moment: datetime) -> datetime:
    """Return the same instant in UTC."""
    return moment.astimezone(UTC)


def _containers_of(children: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.one_of(
        st.lists(children, max_size=4), st.dictionaries(awkward_text(), children, max_size=4)
    )


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
