"""Spans around the calls of a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from eventstore_reference import open_memory
from pytest_eventstore.lab.examples import EPOCH, make_event
from pytest_eventstore.ports import DuplicateEventError

pytest.importorskip("opentelemetry.sdk")

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from eventstore_reference import TracedEventStore


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def store(tmp_path: Path, spans: InMemorySpanExporter) -> Iterator[TracedEventStore]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    store = TracedEventStore(open_memory(tmp_path).event_store, provider.get_tracer("test"))
    yield store
    provider.shutdown()


def last(spans: InMemorySpanExporter) -> ReadableSpan:
    return spans.get_finished_spans()[-1]


def attributes(spans: InMemorySpanExporter) -> dict[str, object]:
    return dict(last(spans).attributes or {})


def test_every_call_has_a_span(store: TracedEventStore, spans: InMemorySpanExporter) -> None:
    store.append(make_event(1, seq_nr=1), make_event(2, seq_nr=2))
    assert attributes(spans)["event.count.in"] == 2
    assert len(store.load_all().events) == 2
    assert attributes(spans)["event.count.out"] == 2
    store.load_since(EPOCH)
    assert attributes(spans)["event.after"] == "2026-01-01 12:00:00+00:00"
    assert len(store.load_after_seq_nr(1).events) == 1
    assert attributes(spans)["event.after_seq_nr"] == 1
    assert attributes(spans)["event.count.out"] == 1
    assert store.latest_seq_nr() == 2
    assert [span.name for span in spans.get_finished_spans()] == [
        "eventsource.append",
        "eventsource.load_all",
        "eventsource.load_since",
        "eventsource.load_after_seq_nr",
        "eventsource.latest_seq_nr",
    ]
    assert all(span.status.status_code is StatusCode.UNSET for span in spans.get_finished_spans())


def test_an_error_is_told_and_raised(store: TracedEventStore, spans: InMemorySpanExporter) -> None:
    store.append(make_event(1))
    with pytest.raises(DuplicateEventError):
        store.append(make_event(1, data="a secret"))
    span = last(spans)
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(spans)["error.stage"] == "append"
    assert [event.name for event in span.events] == ["exception"]
    assert "a secret" not in span.to_json()


def test_closing_closes_the_inner_store(store: TracedEventStore) -> None:
    store.close()
    with pytest.raises(Exception, match="closed"):
        store.load_all()
