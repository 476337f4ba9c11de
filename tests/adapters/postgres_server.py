"""A PostgreSQL server for the length of a test session, with its data in a temporary folder."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """Return the folder of the newest server's programs, or None if none is installed."""
    found = glob.glob("/usr/lib/postgresql/*/bin/pg_ctl")
    return Path(max(found)).parent if found else None


@contextmanager
def running_server() -> Iterator[str]:
    """Start a server on a socket of its own and give its connection string."""
    programs = binaries()
    assert programs is not None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    owner: dict[str, str] = {}
    if os.getuid() == 0:  # the server refuses to run as root
        owner = {"user": "postgres", "group": "postgres"}
        shutil.chown(folder, pwd.getpwnam("postgres").pw_uid)

    def run(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, "-D", folder / "data", *arguments],
            check=True,
            capture_output=True,
            cwd=folder,
            timeout=60,
            **owner,  # type: ignore[call-overload]
        )

    try:
        run("initdb", "--auth=trust", "--username=tester", "--no-sync", "--encoding=UTF8")
        options = f"-k {folder} -c listen_addresses='' -c max_connections=200 -c fsync=off"
        run("pg_ctl", "start", "-w", "-o", options, "-l", str(folder / "log"))
        try:
            yield f"host={folder} user=tester dbname=postgres"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
