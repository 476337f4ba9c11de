"""What the conformance tests put an adapter in."""
