"""Where things lie in a location."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache

EVENTS, ARCHIVE, SNAPSHOTS, RUN = "events", "archive", "snapshots", ".run"


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one location."""

    location: str

    @classmethod
    def of(cls, location: str | os.PathLike[str]) -> Layout:
        """Return the layout of a location, which need not exist."""
        return cls(os.path.abspath(location))

    @property
    def events(self) -> str:
        """The folder of the active log: ``YYYY-MM-DD.jsonl``."""
        return os.path.join(self.location, EVENTS)

    @property
    def archive(self) -> str:
        """The folder of the archived log: ``YYYY-MM-DD.jsonl.gz``."""
        return os.path.join(self.location, ARCHIVE)

    @property
    def snapshots(self) -> str:
        """The folder of snapshots, one file for each aggregate type."""
        return os.path.join(self.location, SNAPSHOTS)

    @property
    def lock(self) -> str:
        """The file that writers lock."""
        return os.path.join(self.location, RUN, "lock")

    @property
    def index(self) -> str:
        """The index of the log: a cache, safe to delete."""
        return os.path.join(self.location, RUN, "index.db")

    @property
    def counter(self) -> str:
        """The counter of sequence numbers."""
        return os.path.join(self.location, RUN, "seq.db")


@cache
def boot_id() -> str:
    """Return what tells this run of the machine from others; nothing where none is known."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"
