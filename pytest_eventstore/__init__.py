"""A conformance suite for event stores."""
