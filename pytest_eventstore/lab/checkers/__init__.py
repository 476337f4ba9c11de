"""Judges of histories, one for each kind of object that an event store is made of.

Each is sound and complete for its object: it says yes exactly if there is an
order of the calls that agrees with real time and with what came back. A call
of unknown outcome, one that raised or never came back, may count either way.
"""

from __future__ import annotations

from pytest_eventstore.lab.checkers.allocator import check_allocator
from pytest_eventstore.lab.checkers.collection import check_collection
from pytest_eventstore.lab.checkers.log import check_log
from pytest_eventstore.lab.checkers.register import check_register
from pytest_eventstore.lab.checkers.run_once import check_run_once
from pytest_eventstore.lab.checkers.verdict import Verdict

__all__ = [
    "Verdict",
    "check_allocator",
    "check_collection",
    "check_log",
    "check_register",
    "check_run_once",
]
