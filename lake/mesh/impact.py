"""Who reads columns of a table, directly or through others: models and syncs, with their owners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lake.mesh.column_uses import ANY, ROWS
from lake.mesh.graph import Graph
from lake.mesh.readers import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Affected:
    """One reader. `columns` are its own that come of the touched ones; empty: its rows depend on them.

    `reads` are the touched columns that it names itself; empty when it reads them through others.
    """

    name: str
    owner: str
    columns: tuple[str, ...]
    reads: tuple[str, ...]
    file: str


def find_affected(
    graph: Graph, readers: Iterable[Reader], table: str, columns: Iterable[str]
) -> tuple[Affected, ...]:
    """Return the readers of some columns of a table, nearest first; syncs behind the models."""
    touched: dict[str, set[str]] = {table: set(columns)}  # of a table or model, its touched columns
    direct: dict[str, set[str]] = {}
    order: list[str] = []
    waiting = [table]
    while waiting:
        here = waiting.pop(0)
        for use in graph.uses:
            if use.source != here or (use.column not in touched[here] and use.column != ANY):
                continue
            if here == table and use.column != ANY:
                direct.setdefault(use.reader, set()).add(use.column)
            if use.reader not in touched:
                touched[use.reader] = set()
                order.append(use.reader)
                waiting.append(use.reader)
            own = _outputs(graph, use.reader) if use.output == ANY else {use.output} - {ROWS}
            if own - touched[use.reader]:
                touched[use.reader] |= own
                waiting.append(use.reader)
    return (*(_model(graph, name, touched[name], direct) for name in order), *_syncs(graph, readers, touched))


def _outputs(graph: Graph, model: str) -> set[str]:
    node = graph.node(model)
    return {column.name for column in node.columns} if node else set()


def _model(graph: Graph, name: str, columns: set[str], direct: dict[str, set[str]]) -> Affected:
    node = graph.node(name)
    return Affected(
        name=name,
        owner=node.owner if node else "",
        columns=tuple(sorted(columns)),
        reads=tuple(sorted(direct.get(name, ()))),
        file=node.path if node else "",
    )


def _syncs(graph: Graph, readers: Iterable[Reader], touched: dict[str, set[str]]) -> Iterator[Affected]:
    for reader in readers:
        if found := touched.get(reader.model, set()) & set(reader.columns):
            node = graph.node(reader.model)
            yield Affected(
                name=reader.name,
                owner=node.owner if node else "",
                columns=tuple(sorted(found)),
                reads=(),
                file=reader.file,
            )
