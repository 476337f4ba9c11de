"""A look at a store, and its maintenance: ``python -m eventstore_reference``."""

from __future__ import annotations

import sys

from eventstore_reference.command import main

sys.exit(main())
