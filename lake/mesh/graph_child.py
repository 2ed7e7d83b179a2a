"""Print a project's graph as JSON: `python -m lake.mesh.graph_child FOLDER`, for `lake.mesh.graph`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlmesh import Context
from sqlmesh.core.console import NoopConsole, set_console
from sqlmesh.core.model import Model
from sqlmesh.utils.errors import SQLMeshError

from lake.errors import ConfigurationError
from lake.mesh.column_uses import ANY, ColumnUse, column_uses
from lake.mesh.graph import Column, Edge, Graph, Node, to_json
from lake.mesh.personal import personal_outputs, tagged_columns
from lake.settings import Project


def build_graph(root: Path) -> Graph:
    """Load the project with SQLMesh and return its models and edges, by name."""
    context = Context(paths=[str(root)], load_state=False)
    models = sorted(context.models.values(), key=lambda model: _name(model.fqn))
    personal = _personal(context, root)
    known = {model.fqn for model in models}
    loose = sorted({parent for model in models for parent in model.depends_on or ()} - known)
    edges = sorted(
        Edge(source=_name(parent), reader=_name(model.fqn))
        for model in models
        for parent in model.depends_on or ()
    )
    nodes = [_node(model, root, personal) for model in models]
    nodes += [Node(name=_name(parent), kind="EXTERNAL") for parent in loose]
    uses = [use for model in models for use in _uses(model)]
    return Graph(nodes=tuple(nodes), edges=tuple(edges), uses=tuple(uses))


def _uses(model: Model) -> Iterator[ColumnUse]:
    """Yield what a model reads; one that is no query may read every column of its parents."""
    query = model.render_query() if model.is_sql else None
    if query is not None:
        yield from column_uses(query, _name(model.fqn))
        return
    for parent in sorted(model.depends_on or ()):
        yield ColumnUse(source=_name(parent), column=ANY, reader=_name(model.fqn), output=ANY)


def _personal(context: Context, root: Path) -> dict[tuple[str, str], bool]:
    """Return all columns with personal data, of sources and of models, each with whether it is a key."""
    known = tagged_columns(Project(root=root))
    for fqn in context.dag.sorted:
        model = context.get_model(fqn)
        query = model.render_query() if model is not None and model.is_sql else None
        if model is None or query is None:
            continue
        found = personal_outputs(query, list(model.columns_to_types or {}), known)
        known.update({(_name(model.fqn), column.lower()): key for column, key in found.items()})
    return known


def _word(key: bool | None) -> str:  # noqa: FBT001  three states of one column
    return "" if key is None else "key" if key else "value"


def _node(model: Model, root: Path, personal: dict[tuple[str, str], bool]) -> Node:
    path = Path(model._path).absolute() if model._path else None  # noqa: SLF001  SQLMesh shows it no other way
    comments = model.column_descriptions or {}
    return Node(
        name=_name(model.fqn),
        kind=str(model.kind.name.value),
        owner=model.owner or "",
        description=model.description or "",
        path=str(path.relative_to(root)) if path and path.is_relative_to(root) else "",
        gateway=model.gateway or "",
        cron=str(model.cron),
        grain=tuple(column.sql("duckdb") for grain in model.grains for column in grain.find_all(exp.Column)),
        audits=tuple(sorted({name for name, _ in model.audits})),
        columns=tuple(
            Column(
                name=name,
                type=kind.sql("duckdb"),
                description=comments.get(name, ""),
                personal=_word(personal.get((_name(model.fqn), name.lower()))),
            )
            for name, kind in (model.columns_to_types or {}).items()
        ),
    )


def _name(fqn: str) -> str:
    table = exp.to_table(fqn, dialect="duckdb")
    return f"{table.db}.{table.name}"


def main(folder: str) -> int:
    """Print the graph as one line, or SQLMesh's reason as one line to stderr."""
    set_console(NoopConsole())
    try:
        graph = build_graph(Path(folder).absolute())
    except (SQLMeshError, SqlglotError, ValueError, ConfigurationError) as error:
        sys.stderr.write(" ".join(str(error).split()) + "\n")
        return 1
    sys.stdout.write(to_json(graph) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
