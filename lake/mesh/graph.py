"""The models of a project and what they read, without loading SQLMesh into the caller.

A child process loads the project once per state of its files (seconds); everybody else reads the
answer from `.lake/cache` (milliseconds). No service needs to run.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lake.errors import ConfigurationError
from lake.mesh.column_uses import ColumnUse
from lake.mesh.definitions import fingerprint
from lake.settings import Project

_LOAD_SECONDS = 120
_SHAPE = "3"  # grows when the values below change


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    name: str
    type: str
    description: str
    personal: str = ""  # value or key, when it holds personal data


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A model, or an external table that models read; `name` is `schema.name`.

    Of a table that nobody describes no more is known than these two.
    """

    name: str
    kind: str  # SQLMesh's word: FULL, VIEW, INCREMENTAL_BY_TIME_RANGE, EXTERNAL…
    owner: str = ""
    description: str = ""
    path: str = ""  # of the file, from the project's folder; empty when there is none
    gateway: str = ""
    cron: str = ""
    grain: tuple[str, ...] = ()
    audits: tuple[str, ...] = ()
    columns: tuple[Column, ...] = ()

    @property
    def external(self) -> bool:
        return self.kind == "EXTERNAL"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Edge:
    """`reader` reads `source`."""

    source: str
    reader: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """All models by name, the edges between them, and which columns each reads."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    uses: tuple[ColumnUse, ...] = ()

    def node(self, name: str) -> Node | None:
        return next((node for node in self.nodes if node.name == name), None)

    def upstream(self, name: str) -> frozenset[str]:
        """Return everything that a model reads, directly or through others."""
        return self._reach(name, {(edge.reader, edge.source) for edge in self.edges})

    def downstream(self, name: str) -> frozenset[str]:
        """Return everything that reads a model, directly or through others."""
        return self._reach(name, {(edge.source, edge.reader) for edge in self.edges})

    @staticmethod
    def _reach(name: str, steps: set[tuple[str, str]]) -> frozenset[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            here = waiting.pop()
            news = {there for start, there in steps if start == here} - found
            found |= news
            waiting.extend(news)
        return frozenset(found)


def read_graph(project: Project) -> Graph:
    """Return the graph of the project's files as they are now.

    Raises ConfigurationError with SQLMesh's own words when a model can't be loaded.
    """
    salt = f"{_SHAPE} {version('sqlmesh')} {_contracts(project)}"
    cached = project.state / "cache" / f"graph-{fingerprint(project.root, salt=salt)[:24]}.json"
    try:
        return _graph(json.loads(cached.read_text(encoding="utf-8")))
    except (FileNotFoundError, json.JSONDecodeError):
        text = _load(project)
    graph = _graph(json.loads(text))
    _keep(cached, text)
    return graph


def to_json(graph: Graph) -> str:
    """Return a graph as `read_graph` caches it."""
    return json.dumps(asdict(graph))


def _contracts(project: Project) -> str:
    """Return a hash of the contracts, which say what is personal."""
    digest = hashlib.sha256()
    for path in sorted(project.contracts.glob("*.yaml")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _load(project: Project) -> str:
    try:
        child = subprocess.run(
            [sys.executable, "-m", "lake.mesh.graph_child", str(project.root)],
            cwd=project.root,
            capture_output=True,
            text=True,
            timeout=_LOAD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigurationError(
            f"loading the models took more than {_LOAD_SECONDS} s", hint="sqlmesh lint"
        ) from error
    if child.returncode:
        reason = child.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ConfigurationError(f"the models can't be loaded: {reason[0]}", hint="sqlmesh lint")
    return child.stdout.splitlines()[-1]


def _keep(path: Path, text: str) -> None:
    """Put the answer in place at once or not at all; drop answers for older files."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write(text)
    Path(file.name).replace(path)
    for old in path.parent.glob("graph-*.json"):
        if old != path:
            old.unlink(missing_ok=True)


def _graph(document: dict[str, Any]) -> Graph:
    return Graph(
        nodes=tuple(map(_node, document["nodes"])),
        edges=tuple(Edge(**e) for e in document["edges"]),
        uses=tuple(ColumnUse(**use) for use in document["uses"]),
    )


def _node(item: dict[str, Any]) -> Node:
    lists: dict[str, Any] = {
        "grain": tuple(item["grain"]),
        "audits": tuple(item["audits"]),
        "columns": tuple(Column(**column) for column in item["columns"]),
    }
    return Node(**{**item, **lists})
