"""The pytest hooks of the plugin, thin on purpose.

Everyone who has the distribution installed pays for this module in every run of
pytest, so it imports pytest and the options, and the rest once it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_eventstore.options import add_options, is_asked_for, option

if TYPE_CHECKING:
    from pytest_eventstore.lab.bench import Bench

pytest.register_assert_rewrite("pytest_eventstore.suite", "pytest_eventstore.lab")

_MARKERS = (
    "eventstore(requirement, level, tier): what a suite test checks; set by the plugin",
    "eventstore_tier(letter): a suite test of another tier than its requirement's",
)
_NO_FACTORY = (
    "no adapter to test: run `pytest --eventstore=module:factory`, or give the class's module "
    "a fixture `eventstore_factory` that returns the factory"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; if the command line asks for the suite, set it up."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    if is_asked_for(config) and not config.option.help:
        from pytest_eventstore import activation

        activation.activate(config)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Answer a question about the contract instead of running anything."""
    if option(config, "--eventstore-list") or option(config, "--eventstore-explain"):
        from pytest_eventstore import contract_text

        return contract_text.answer(config)
    return None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the run up when the first suite test comes in through the user's own tree."""
    function: Any = getattr(item, "function", None)
    if getattr(function, "__module__", "").startswith("pytest_eventstore.suite"):
        from pytest_eventstore import activation

        activation.activate_late(item)


@pytest.fixture
def eventstore_factory() -> Any:
    """The factory under test; override it beside a class that inherits `EventStoreSuite`."""
    pytest.fail(_NO_FACTORY, pytrace=False)


@pytest.fixture
def eventstore_lab(request: pytest.FixtureRequest, eventstore_factory: Any) -> Iterator[Bench]:
    """The bench on which a conformance test tries the adapter."""
    from pytest_eventstore import activation

    yield from activation.benches(request, eventstore_factory)
