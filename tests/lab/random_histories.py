"""Small random histories: when calls happen, and what they give, right or wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pytest_eventstore.lab.history import Call
from pytest_eventstore.lab.operations import Operation


def random_history(
    rng: random.Random,
    make: Callable[[random.Random, int], Operation],
    apply: Callable[[Operation], Any],
    spoil: Callable[[random.Random, Operation, Any], Any],
) -> list[Call]:
    """Return up to seven calls of three processes, some with unknown outcome.

    Each takes effect at some instant while it is open; `apply` gives its result
    then. In half of the histories `spoil` changes one or two results.
    """
    spans: list[tuple[int, int, str, Operation]] = []
    count = 0
    for process in "ABC":
        now = rng.randrange(6)
        for _ in range(rng.randrange(1, 4)):
            end = now + rng.randrange(1, 9)
            spans.append((now, end, process, make(rng, count)))
            now = end + rng.randrange(4)
            count += 1
    spans = rng.sample(spans, min(7, len(spans)))
    effects = sorted((rng.uniform(s[0], s[1]), n) for n, s in enumerate(spans))
    results: dict[int, Any] = {}
    calls: list[Call] = []
    lost = {n for n in range(len(spans)) if rng.random() < 0.12}
    for _, n in effects:
        if n not in lost or rng.random() < 0.5:
            results[n] = apply(spans[n][3])
    for n, (called, returned, process, operation) in enumerate(spans):
        if n in lost:
            error = "gone" if rng.random() < 0.5 else None
            calls.append(Call(process, operation, called, returned if error else None, None, error))
        else:
            calls.append(Call(process, operation, called, returned, results[n]))
    if rng.random() < 0.5:
        for n in rng.sample(range(len(calls)), min(len(calls), rng.randrange(1, 3))):
            if calls[n].succeeded:
                spoiled = spoil(rng, calls[n].operation, calls[n].result)
                calls[n] = replace(calls[n], result=spoiled)
    return sorted(calls, key=lambda call: call.called)
