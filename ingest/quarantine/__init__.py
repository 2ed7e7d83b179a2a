"""Records that break their contract: where they lie, why, and what became of them."""

from ingest.quarantine.table import (
    FIELDS,
    RESERVED,
    RESOLUTIONS,
    SCHEMA,
    VIEW,
    BadRecord,
    final_offsets,
    quarantine_spec,
    to_rows,
)
from ingest.quarantine.view import refresh_view

__all__ = [
    "FIELDS",
    "RESERVED",
    "RESOLUTIONS",
    "SCHEMA",
    "VIEW",
    "BadRecord",
    "final_offsets",
    "quarantine_spec",
    "refresh_view",
    "to_rows",
]
