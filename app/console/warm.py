"""Bring in what costs seconds once, before the first visitor: libraries, models, newest events.

Nothing of Streamlit's: its caches want a running server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.console.parts import attempt

if TYPE_CHECKING:
    from lake.inspect.events import Known

# The newest event of each snapshot asked about, for the life of the process: a snapshot never changes.
KNOWN: Known = {}


def warm() -> None:
    """Do once what a first visitor would wait for; a service that is down only means that he waits."""
    attempt(_read)


def _read() -> None:
    # Imported here, in the thread, so that the server listens at once.
    import ingest.status  # noqa: F401, PLC0415
    import lake.activation  # noqa: F401, PLC0415
    from lake.contracts import load_contracts  # noqa: PLC0415
    from lake.inspect.events import read_newest_events  # noqa: PLC0415
    from lake.inspect.tables import read_tables  # noqa: PLC0415
    from lake.mesh.graph import read_graph  # noqa: PLC0415
    from lake.settings import find_project, load_settings  # noqa: PLC0415

    project = find_project()
    settings = load_settings(project=project)
    tables = read_tables(settings, contracts=load_contracts(project.contracts), graph=read_graph(project))
    read_newest_events(settings, tables, known=KNOWN)
