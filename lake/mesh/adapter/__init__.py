"""SQLMesh's engine adapter for DuckDB on the lake's Iceberg catalog.

Tables are DuckDB's business. Views are kept in the catalog and inlined while a query is prepared.
Writes to a table join the publish that the scheduler has open for this thread (`lake.mesh.publish`).
"""

from lake.mesh.adapter.lake import LakeEngineAdapter

__all__ = ["LakeEngineAdapter"]
