"""What a forked child must not take over from its parent."""

from __future__ import annotations

import os
import weakref
from typing import Protocol


class ForkAware(Protocol):
    """Something with locks that a thread of the parent may hold for ever."""

    def after_fork(self) -> None:
        """Start anew in the child."""
        ...


_aware: weakref.WeakSet[ForkAware] = weakref.WeakSet()


def tell_forks(to: ForkAware) -> None:
    """Have `to.after_fork` called in every child forked from now on."""
    _aware.add(to)


def _tell() -> None:
    for one in list(_aware):
        one.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)
