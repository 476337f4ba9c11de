"""The reference implementation of every port."""

from __future__ import annotations

from eventstore_reference.memory import open_ports as open_memory

__all__ = ["open_memory"]
