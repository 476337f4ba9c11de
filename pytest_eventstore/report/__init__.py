"""Reports: one run of the contract, drawn for people and for pipelines.

`build.build_run` makes a `model.Run` of what the tests reported; `write` puts
it into a file, whose suffix chooses the format. Importing this package loads
no template library.
"""

from pytest_eventstore.report.write import UnwritableReportError, check, write

__all__ = ["UnwritableReportError", "check", "write"]
