"""The conformance tests, one class for each part of the contract."""

from __future__ import annotations

from pytest_eventstore.suite.allocator import AllocatorTests
from pytest_eventstore.suite.append import AppendTests
from pytest_eventstore.suite.archive import ArchiveTests
from pytest_eventstore.suite.bad_input import BadInputTests
from pytest_eventstore.suite.cutover import CutoverTests
from pytest_eventstore.suite.faults_damage import DamageTests
from pytest_eventstore.suite.faults_errors import RefusedTests
from pytest_eventstore.suite.faults_kill import KilledTests
from pytest_eventstore.suite.faults_power import PowerLossTests
from pytest_eventstore.suite.fidelity import FidelityTests
from pytest_eventstore.suite.model import ModelTests
from pytest_eventstore.suite.order import OrderTests
from pytest_eventstore.suite.performance import PerformanceTests
from pytest_eventstore.suite.races_appends import RacingAppendTests
from pytest_eventstore.suite.races_frozen import FrozenRaceTests
from pytest_eventstore.suite.races_numbers import RacingAllocatorTests
from pytest_eventstore.suite.races_recorders import RacingRecorderTests
from pytest_eventstore.suite.races_recovery import RacingRecoveryTests
from pytest_eventstore.suite.races_snapshots import RacingCutoverTests, RacingSnapshotTests
from pytest_eventstore.suite.reads import AfterNumberTests, LatestTests, SinceTests
from pytest_eventstore.suite.recorder import RecorderTests
from pytest_eventstore.suite.recovery import RecoveryTests
from pytest_eventstore.suite.resources import ResourceTests
from pytest_eventstore.suite.snapshots import SnapshotTests


class EventStoreSuite(
    AppendTests,
    OrderTests,
    AfterNumberTests,
    SinceTests,
    LatestTests,
    AllocatorTests,
    SnapshotTests,
    RecoveryTests,
    CutoverTests,
    ArchiveTests,
    RecorderTests,
    FidelityTests,
    BadInputTests,
    ResourceTests,
    ModelTests,
    PerformanceTests,
    RacingAllocatorTests,
    RacingAppendTests,
    RacingRecorderTests,
    RacingSnapshotTests,
    RacingRecoveryTests,
    RacingCutoverTests,
    FrozenRaceTests,
    KilledTests,
    RefusedTests,
    PowerLossTests,
    DamageTests,
):
    """Every test of the contract; a subclass in a user's own tree holds an adapter to it."""


PARTS: tuple[type, ...] = EventStoreSuite.__bases__
"""The classes of tests, in the order of the contract."""
