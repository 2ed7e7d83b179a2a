"""A plan that takes a published column away is refused, by stock SQLMesh too, and names who reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lake.control.published import read_mart_contracts
from lake.settings import Settings
from tests.fakes.mesh import MeshProject, mesh_project

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_safety")]

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: value
version: {version}
status: active
team: {{name: me}}
schema:
  - name: value
    logicalType: object
    physicalType: table
    customProperties:
      - {{property: consumers, value: [finance]}}
{migrations}
    properties:
      - {{name: id, logicalType: integer, logicalTypeOptions: {{format: i64}}, required: true,
         primaryKey: true}}
{columns}
"""
AMOUNT = "      - {name: amount, logicalType: number, physicalType: 'decimal(18,2)'}"
MIGRATION = "      - {property: migrations, value: {amount: read cents instead}}"
SYNC = "sync: tell\nmodel: lake.ME.shown\nkey: id\nfields: {level: tier}\n"


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a mart with a contract, a view on it, and a sync that reads the view."""
    with mesh_project(tmp_path_factory.mktemp("safety"), stack) as project:
        project.sql(
            "CREATE TABLE {raw}.s AS SELECT i::BIGINT AS id, i::DECIMAL(18, 2) AS amount FROM range(3) r(i)"
        )
        mart(project)
        project.model(
            "shown", "kind VIEW", "SELECT v.id::BIGINT AS id, v.tier::TEXT AS tier FROM {me}.value AS v"
        )
        contract(project, "1.0.0", AMOUNT)
        sync = project.project.root / "models" / "tell.sync.yaml"
        sync.write_text(SYNC.replace("ME", project.name), encoding="utf-8")
        yield project


def mart(project: MeshProject, *columns: str) -> None:
    chosen = columns or ("s.amount::DECIMAL(18, 2) AS amount", "'x'::TEXT AS tier")
    project.model("value", "kind FULL", f"SELECT s.id::BIGINT AS id, {', '.join(chosen)} FROM {{raw}}.s AS s")


def contract(project: MeshProject, version: str, columns: str, migrations: str = "") -> None:
    path = project.project.root / "models" / "value.contract.yaml"
    path.write_text(
        CONTRACT.format(version=version, columns=columns, migrations=migrations), encoding="utf-8"
    )


def refused(project: MeshProject, context: Any) -> str:
    from sqlmesh.utils.errors import SQLMeshError

    context.load()
    with pytest.raises(SQLMeshError) as raised:
        project.plan(context, "dev_change")
    assert context.state_reader.get_environment("dev_change") is None
    return str(raised.value)


def test_prod_remembers_what_its_contracts_promise(project: MeshProject, context: Any) -> None:
    """The plan that went through is what the next one is held to."""
    [kept] = read_mart_contracts(project.settings.postgres)
    assert (kept.model, kept.version, dict(kept.columns)) == (
        f"{project.name}.value",
        "1.0.0",
        {"id": "BIGINT", "amount": "DECIMAL(18, 2)"},
    )


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (("s.amount::DECIMAL(18, 2) AS money", "'x'::TEXT AS tier"), "amount (DECIMAL(18, 2)) would be gone"),
        (("s.amount::DECIMAL(9, 2) AS amount", "'x'::TEXT AS tier"), "would become DECIMAL(9, 2)"),
    ],
    ids=["renamed", "narrowed"],
)
def test_a_promised_column_is_not_renamed_or_narrowed(
    project: MeshProject, context: Any, columns: tuple[str, ...], said: str
) -> None:
    """Stock plan refuses before anything exists; contract and consumers are named."""
    mart(project, *columns)
    message = refused(project, context)
    assert said in message
    assert f"contract {project.name}.value 1.0.0 (for finance)" in message


def test_a_column_that_a_sync_reads_through_a_view_is_not_dropped(project: MeshProject, context: Any) -> None:
    """The sync is named, and the model on the way that still selects the column."""
    mart(project, "s.amount::DECIMAL(18, 2) AS amount")
    message = refused(project, context)
    assert f"{project.name}.value.tier (TEXT) would be gone, {project.name}.shown still selects it" in message
    assert "sync tell reads it" in message


def test_a_new_major_version_with_a_migration_takes_a_promise_back(
    project: MeshProject, context: Any
) -> None:
    """Not by leaving the column out of the contract alone; wider types need nothing."""
    mart(project, "(s.amount * 100)::BIGINT AS cents", "'x'::TEXT AS tier")
    contract(project, "1.1.0", "")
    assert "amount (DECIMAL(18, 2)) would be gone from the contract" in refused(project, context)
    contract(project, "2.0.0", "", MIGRATION)
    context.load()
    project.plan(context)
    assert read_mart_contracts(project.settings.postgres)[0].version == "2.0.0"


def test_a_contract_without_a_model_is_refused_by_name(project: MeshProject, context: Any) -> None:
    """A moved or misspelt file protects nobody."""
    stray = project.project.root / "models" / "other.contract.yaml"
    stray.write_text(CONTRACT.format(version="1.0.0", columns="", migrations=""), encoding="utf-8")
    message = refused(project, context)
    stray.unlink()
    assert "other.contract.yaml stands beside no model" in message
