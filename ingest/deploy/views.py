"""The views that a deploy keeps over landing tables: rows of all major versions as one."""

from __future__ import annotations

from collections.abc import Sequence

from lake.catalog import LakeCatalog, arrow_schema
from lake.catalog.views import ViewSpec, put_view
from lake.contracts import Contract
from lake.contracts.union import unite
from lake.settings import LandingSettings
from lake.types import TableName


def put_union(
    catalog: LakeCatalog, settings: LandingSettings, contract: Contract, contracts: Sequence[Contract]
) -> TableName | None:
    """Make the view over a version and those before as the contracts say; None when there is none.

    Idempotent; the tables must exist.
    """
    union = unite(contract, contracts)
    if union is None:
        return None
    name = TableName(schema=settings.raw_schema, name=union.name)
    put_view(
        catalog,
        ViewSpec(
            name=name,
            sql=union.sql(settings.raw_schema),
            columns=arrow_schema(union.fields),
            description=f"Rows of all versions: {contract.description}",
        ),
    )
    return name
