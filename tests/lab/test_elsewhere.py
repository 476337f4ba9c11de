"""Calls in a process of their own, and calls that must not block."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

import eventstore_reference
from pytest_eventstore.lab import elsewhere
from pytest_eventstore.lab.examples import make_event
from pytest_eventstore.lab.handles import fresh_location
from pytest_eventstore.lab.patience import Impatient, run_patiently
from pytest_eventstore.ports import Event, Ports
from pytest_eventstore.targets import Factory, Target

REFERENCE = "eventstore_reference:open_ports"


def target(spec: str, factory: Factory = eventstore_reference.open_ports) -> Target:
    return Target("t", spec, factory)


@pytest.mark.parametrize("spec", [REFERENCE, ""], ids=["by name", "by fork"])
def test_another_process_reads_and_writes(spec: str) -> None:
    event = make_event(1, seq_nr=4)
    with fresh_location(eventstore_reference.open_ports) as location:
        subject = target(spec)

        assert elsewhere.run_elsewhere(subject, elsewhere.append, location.path, event) > 0
        assert elsewhere.run_elsewhere(subject, elsewhere.load_all, location.path) == [event]
        assert elsewhere.run_elsewhere(subject, elsewhere.load_after, location.path, 4) == []
        assert elsewhere.run_elsewhere(subject, elsewhere.latest, location.path) == 4
        assert list(location.open().events.load_all().events) == [event]


@pytest.mark.parametrize("spec", [REFERENCE, ""], ids=["by name", "by fork"])
def test_what_the_call_raises_is_raised_here(spec: str, tmp_path: Path) -> None:
    with pytest.raises(elsewhere.ElsewhereError, match="InvalidEventError"):
        elsewhere.run_elsewhere(target(spec), elsewhere.load_after, tmp_path, -1)


def test_a_target_that_cannot_be_imported_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(elsewhere.ElsewhereError, match="no_such_module"):
        elsewhere.run_elsewhere(target("no_such_module:x"), elsewhere.latest, tmp_path)


def test_a_call_that_never_ends_is_ended(tmp_path: Path) -> None:
    def stuck(location: Path) -> Ports | AbstractContextManager[Ports]:
        threading.Event().wait()
        raise AssertionError

    with pytest.raises(elsewhere.ElsewhereError):
        elsewhere.run_elsewhere(target("", stuck), elsewhere.latest, tmp_path, seconds=1)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs file modes")
def test_file_modes_hold_for_root_too(tmp_path: Path) -> None:
    subject = target(REFERENCE)
    elsewhere.run_elsewhere(subject, elsewhere.append, tmp_path, make_event(1))
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)

    result: tuple[list[Event], Any, Any, dict[str, str]] = elsewhere.run_elsewhere(
        subject, elsewhere.try_writes, tmp_path, tmp_path, powerless=True
    )

    assert result[0] == [make_event(1)]
    assert result[3].keys() >= {"probe", "append"}
    assert "returned" not in result[3].values()


def test_a_patient_call_returns_or_raises_what_it_does() -> None:
    def refuse() -> None:
        raise KeyError("x")

    assert run_patiently(lambda: 7) == 7
    with pytest.raises(KeyError):
        run_patiently(refuse)


def test_a_call_that_blocks_is_left_behind() -> None:
    release = threading.Event()
    with pytest.raises(Impatient, match=r"after 0\.05 s"):
        run_patiently(release.wait, 0.05)
    release.set()
