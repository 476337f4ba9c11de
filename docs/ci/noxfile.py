import nox


@nox.session(python=["3.11", "3.12", "3.13"])
def conformance(session: nox.Session) -> None:
    """Hold the adapter to the event store contract."""
    session.install(".", "pytest-eventstore[report]")
    session.run(
        "python",
        "-m",
        "pytest",
        "--eventstore=mypackage.testing:open_ports",
        "--eventstore-require=conformant",
        f"--eventstore-report={session.create_tmp()}/conformance.html",
        *session.posargs,
    )
