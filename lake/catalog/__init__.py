"""Iceberg: the REST catalog, tables, data files and commits whose outcome is always found out."""

from lake.catalog.commits import STAMP, Conflict, Landed, NewSnapshot, commit
from lake.catalog.files import WrittenFile, write_files
from lake.catalog.growth import Step, plan_growth
from lake.catalog.open import LakeCatalog, open_catalog, within
from lake.catalog.schemas import arrow_schema, arrow_type
from lake.catalog.tables import (
    Ancestor,
    PartitionField,
    TableSpec,
    TableState,
    create_namespace,
    drop_table,
    ensure_table,
    list_tables,
    load_table,
)

__all__ = [
    "STAMP",
    "Ancestor",
    "Conflict",
    "LakeCatalog",
    "Landed",
    "NewSnapshot",
    "PartitionField",
    "Step",
    "TableSpec",
    "TableState",
    "WrittenFile",
    "arrow_schema",
    "arrow_type",
    "commit",
    "create_namespace",
    "drop_table",
    "ensure_table",
    "list_tables",
    "load_table",
    "open_catalog",
    "plan_growth",
    "within",
    "write_files",
]
