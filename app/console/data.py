"""What the pages show beside health: lineage and syncs, remembered for seconds."""

from __future__ import annotations

import streamlit as st

from app.console.parts import Problem, attempt
from lake.activation import Sync, read_syncs
from lake.contracts import load_contracts
from lake.inspect.lineage import Lineage, SyncTarget, build_lineage
from lake.inspect.syncs import SyncFacts, read_sync
from lake.mesh.graph import read_graph
from lake.settings import Project, Settings, find_project, load_settings

SECONDS = 5


def open_project() -> tuple[Project, Settings]:
    """Return the project that the console was started in, its settings as they are now."""
    project = find_project()
    return project, load_settings(project=project)


@st.cache_data(ttl=SECONDS, max_entries=1, show_spinner=False)
def load_lineage() -> Lineage | Problem:
    """Return the graph from the definition files alone: no service has to run."""
    project, settings = open_project()
    return attempt(
        lambda: build_lineage(
            contracts=load_contracts(project.contracts),
            graph=read_graph(project),
            syncs=[_target(sync, project) for sync in read_syncs(project)],
            raw_schema=settings.landing.raw_schema,
        )
    )


@st.cache_data(ttl=SECONDS, max_entries=1, show_spinner=False)
def load_sync_definitions() -> tuple[Sync, ...] | Problem:
    """Return the syncs that the project defines."""
    project, _ = open_project()
    return attempt(lambda: read_syncs(project))


@st.cache_data(ttl=SECONDS, max_entries=20, show_spinner=False)
def load_sync(name: str) -> SyncFacts | Problem:
    """Return the newest plan, runs and refusals of one sync."""
    _, settings = open_project()
    return attempt(lambda: read_sync(settings.postgres, name))


def _target(sync: Sync, project: Project) -> SyncTarget:
    path = project.activation / f"{sync.name}.sync.yaml"
    return SyncTarget(
        name=sync.name,
        model=sync.model,
        owner=sync.owner,
        description=sync.description,
        kind="HTTP API, batch upsert",
        fields=sync.fields,
        path=str(path.relative_to(project.root)),
    )
