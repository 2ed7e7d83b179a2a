"""The graph of the models, read without loading SQLMesh into the caller."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from lake.errors import ConfigurationError
from lake.mesh import graph as graph_module
from lake.mesh.graph import Column, Edge, read_graph
from lake.settings import Project
from tests.fakes.mesh import CONFIG

EXTERNAL = """\
- name: lake.raw.s
  owner: shop
  description: Sales
  columns: {id: BIGINT}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Give a project of an external table and two models; no service runs."""
    root = tmp_path_factory.mktemp("graph")
    (root / "config.yaml").write_text(
        CONFIG.format(cache=root / ".cache", tasks=1, trino=""), encoding="utf-8"
    )
    (root / "external_models").mkdir()
    (root / "external_models" / "raw.yaml").write_text(EXTERNAL, encoding="utf-8")
    (root / "models" / "marts").mkdir(parents=True)
    (root / "models" / "marts" / "a.sql").write_text(
        "MODEL (name s.a, kind FULL, owner me, grain id, audits (not_null(columns := (id))),"
        " description 'All');\n"
        "SELECT id::BIGINT AS id /* Key */ FROM lake.raw.s",
        encoding="utf-8",
    )
    (root / "models" / "b.sql").write_text(
        "MODEL (name s.b, kind VIEW);\nSELECT a.id, n.x FROM s.a AS a JOIN lake.raw.nobody AS n USING (id)",
        encoding="utf-8",
    )
    return Project(root=root)


def test_the_graph_names_models_sources_and_edges(project: Project) -> None:
    """External tables are nodes too, also those that nobody describes."""
    graph = read_graph(project)
    assert [(n.name, n.kind, n.external) for n in graph.nodes] == [
        ("raw.s", "EXTERNAL", True),
        ("s.a", "FULL", False),
        ("s.b", "VIEW", False),
        ("raw.nobody", "EXTERNAL", True),
    ]
    assert graph.edges == (
        Edge(source="raw.nobody", reader="s.b"),
        Edge(source="raw.s", reader="s.a"),
        Edge(source="s.a", reader="s.b"),
    )
    node = graph.node("s.a")
    assert node is not None
    assert (node.owner, node.description, node.grain, node.audits) == ("me", "All", ("id",), ("not_null",))
    assert node.path == "models/marts/a.sql"
    assert node.columns == (Column(name="id", type="BIGINT", description="Key"),)
    assert graph.upstream("s.b") == {"s.a", "raw.s", "raw.nobody"}
    assert graph.downstream("raw.s") == {"s.a", "s.b"}


def test_files_that_did_not_change_are_not_loaded_again(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second answer comes from the cache; a changed file asks SQLMesh anew."""
    first = read_graph(project)

    def started(*_: object, **__: object) -> NoReturn:
        raise AssertionError("a child was started")

    monkeypatch.setattr(graph_module.subprocess, "run", started)
    assert read_graph(project) == first
    changed = project.root / "models" / "b.sql"
    before = changed.read_text(encoding="utf-8")
    changed.write_text(before.replace("a.id,", "a.id AS id,"), encoding="utf-8")
    with pytest.raises(AssertionError, match="child"):
        read_graph(project)
    changed.write_text(before, encoding="utf-8")


def test_a_model_that_cannot_be_loaded_is_an_error_in_sqlmeshs_words(
    project: Project, tmp_path: Path
) -> None:
    """The message says what SQLMesh said."""
    (tmp_path / "models").mkdir()
    (tmp_path / "config.yaml").write_text(
        (project.root / "config.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / "models" / "x.sql").write_text(
        "MODEL (name s.x, kind NO_SUCH_KIND);\nSELECT 1 AS x", encoding="utf-8"
    )
    with pytest.raises(ConfigurationError, match=r"can't be loaded: .*NO_SUCH_KIND"):
        read_graph(Project(root=tmp_path))
