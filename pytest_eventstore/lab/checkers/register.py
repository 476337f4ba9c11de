"""The snapshot: a register that holds the save of the highest number.

A save of a lower number than the one held does nothing, an equal number
replaces. Every save has a label of its own, so each load names the save it saw,
and the save with its loads forms a cluster, which no other save that counts may
come into. With f the earliest return and s the latest beginning in a cluster,
one cluster is before another if its f is before the other's s; a history is
possible exactly if no two clusters are each before the other, and none of a
higher number is before one of a lower (Gibbons and Korach 1997, with numbers).
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby, pairwise
from operator import attrgetter

from pytest_eventstore.lab.checkers.verdict import HOLDS, Verdict, broken
from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import TORN, SeenSnapshot

_NEVER = float("inf")
_CAUSE = (
    "a save compares with the stored number and replaces it in two steps "
    "that another save can come between"
)


class _Cluster:
    """A save and the loads that saw it; `None` for what was there before any save."""

    __slots__ = ("f", "first", "label", "last", "loads", "number", "s", "save")

    def __init__(self, number: int, label: str, save: Call | None) -> None:
        self.number = number
        self.label = label
        self.save = save
        self.loads = 0
        self.first = self.last = save
        self.s: float = -_NEVER
        self.f: float = -_NEVER  # what was there before counts as returned
        if save is not None:
            self.s = save.called
            self.f = _ended(save)

    def add(self, load: Call) -> None:
        """Take in a load that saw this save."""
        self.loads += 1
        if load.called > self.s:
            self.s, self.last = load.called, load
        if _ended(load) < self.f:
            self.f, self.first = _ended(load), load


def check_register(calls: Iterable[Call]) -> Verdict:
    """Judge the `save` and `load_snapshot` calls of a history, each aggregate type by itself.

    The labels of an aggregate type's saves must be distinct.
    """
    of_type: dict[str, tuple[list[Call], list[Call]]] = defaultdict(lambda: ([], []))
    for call in calls:
        if call.operation.name == "save":
            of_type[call.operation.args[0]][0].append(call)
        elif call.operation.name == "load_snapshot" and call.succeeded:
            of_type[call.operation.args[0]][1].append(call)
    for saves, loads in of_type.values():
        if not (verdict := _check(saves, loads)):
            return verdict
    return HOLDS


def _check(saves: list[Call], loads: list[Call]) -> Verdict:
    by_label: dict[str | None, _Cluster] = {None: _Cluster(-1, "", None)}
    for save in saves:
        _, number, label, _ = save.operation.args
        if label in by_label:
            raise ValueError(f"two saves have the label {label!r}")
        by_label[label] = _Cluster(number, label, save)
    for load in loads:
        seen = None if load.result is None else SeenSnapshot(*load.result)
        cluster = by_label.get(seen.label if seen else None)
        if seen and (seen.label == TORN or cluster is None or cluster.number != seen.seq_nr):
            return _torn(load, seen)
        assert cluster is not None
        if cluster.save is not None and _ended(load) < cluster.save.called:
            return _from_the_future(cluster.save, load)
        cluster.add(load)
    # A save that nobody saw, and that may not have happened, says nothing.
    kept = [c for c in by_label.values() if c.loads or (c.save and not c.save.unknown)]
    kept.sort(key=attrgetter("number"))
    return _numbers_ascend(kept) and _equal_numbers_replace(kept)


def _numbers_ascend(clusters: list[_Cluster]) -> Verdict:
    """No cluster of a higher number is before a lower one that was seen."""
    higher: _Cluster | None = None
    for _, group in groupby(reversed(clusters), key=attrgetter("number")):
        same = list(group)
        for cluster in same:
            if higher is not None and cluster.loads and higher.f < cluster.s:
                return _went_back(higher, cluster)
        for cluster in same:
            if higher is None or cluster.f < higher.f:
                higher = cluster
    return HOLDS


def _equal_numbers_replace(clusters: list[_Cluster]) -> Verdict:
    """Among equal numbers, no two clusters are each before the other."""
    for _, group in groupby(clusters, key=attrgetter("number")):
        same = list(group)
        if len(same) < 2:
            continue
        spans = sorted((c for c in same if c.f < c.s), key=attrgetter("f"))
        for one, other in pairwise(spans):
            if other.f < one.s:
                return _mixed(one, other)
        starts = [span.f for span in spans]
        for point in same:
            if point.f >= point.s:
                before = bisect_left(starts, point.s) - 1
                if before >= 0 and point.f < spans[before].s:
                    return _mixed(spans[before], point)
    return HOLDS


def _ended(call: Call) -> float:
    return _NEVER if call.unknown or call.returned is None else call.returned


def _torn(load: Call, seen: SeenSnapshot) -> Verdict:
    return broken(
        "torn",
        [load],
        expected="a load gives one saved snapshot, whole, with its number",
        seen=f"{load.process} loaded a state under number {seen.seq_nr} that no save wrote",
        cause="the snapshot is written in place, or number and state are written apart",
    )


def _from_the_future(save: Call, load: Call) -> Verdict:
    return broken(
        "phantom",
        [save, load],
        expected="a load gives a snapshot whose save has begun",
        seen=f"{load.process} loaded what {save.process} had not begun to save",
        cause="two saves wrote the same state",
    )


def _went_back(higher: _Cluster, lower: _Cluster) -> Verdict:
    seen = (
        f"number {higher.number} ({higher.label}) was there, and after that "
        + (f"number {lower.number} ({lower.label})" if lower.save else "no snapshot")
        + " was"
    )
    return broken(
        "went back",
        [higher.save, higher.first, lower.save, lower.last],
        expected="a snapshot with a lower number never replaces one with a higher",
        seen=seen,
        cause=_CAUSE,
    )


def _mixed(one: _Cluster, other: _Cluster) -> Verdict:
    return broken(
        "equal numbers",
        [one.save, one.first, one.last, other.save, other.first, other.last],
        expected="of two saves with equal numbers the later replaces the earlier, for every reader",
        seen=f"{one.label} was there before and after {other.label}, number {one.number} both",
        cause=_CAUSE,
    )
