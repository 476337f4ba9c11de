"""Spans of OpenTelemetry around every call of an event store (extra ``otel``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from opentelemetry.trace import Span, Status, StatusCode, Tracer, get_tracer

from pytest_eventstore.ports import AppendResult, Event, EventStore, LoadResult


class TracedEventStore:
    """Does what the inner store does, with one span for each call.

    Spans are named ``eventsource.append``, ``.load_all``, ``.load_since``,
    ``.load_after_seq_nr`` and ``.latest_seq_nr``. Event data stays out of them.

    Args:
        inner: The store that does the work.
        tracer: Makes the spans; by default the one of this package.
    """

    def __init__(self, inner: EventStore, tracer: Tracer | None = None) -> None:
        self._inner = inner
        self._tracer = tracer if tracer is not None else get_tracer("eventstore_reference")

    def append(self, *events: Event) -> AppendResult:
        """Append within a span that tells how many events and bytes there were."""
        with self._span("append") as span:
            span.set_attribute("event.count.in", len(events))
            result = self._inner.append(*events)
            span.set_attribute("event.bytes_written", result.bytes_written)
            return result

    def load_all(self) -> LoadResult:
        """Load within a span that tells what was found."""
        with self._span("load_all") as span:
            return _told(span, self._inner.load_all())

    def load_since(self, after: datetime) -> LoadResult:
        """Load within a span that tells since when, and what was found."""
        with self._span("load_since") as span:
            span.set_attribute("event.after", str(after))
            return _told(span, self._inner.load_since(after))

    def load_after_seq_nr(self, after_seq_nr: int) -> LoadResult:
        """Load within a span that tells after which number, and what was found."""
        with self._span("load_after_seq_nr") as span:
            span.set_attribute("event.after_seq_nr", after_seq_nr)
            return _told(span, self._inner.load_after_seq_nr(after_seq_nr))

    def latest_seq_nr(self) -> int:
        """Ask within a span that tells the answer."""
        with self._span("latest_seq_nr") as span:
            latest = self._inner.latest_seq_nr()
            span.set_attribute("event.latest_seq_nr", latest)
            return latest

    def close(self) -> None:
        """Close the inner store, if it can be closed."""
        close = getattr(self._inner, "close", None)
        if close is not None:
            close()

    @contextmanager
    def _span(self, stage: str) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            f"eventsource.{stage}", record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except Exception as error:
                span.record_exception(error)
                span.set_attribute("error.stage", stage)
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise


def _told(span: Span, result: LoadResult) -> LoadResult:
    span.set_attribute("event.count.out", len(result.events))
    span.set_attribute("event.file_count", result.file_count)
    span.set_attribute("event.corrupt_line_count", result.corrupt_line_count)
    return result
