"""SQLMesh on the lake: connection types, adapter, views, audited publish, history, the DuckDB session.

Importing this package loads nothing: SQLMesh costs seconds, and every interpreter passes here
through `lake.mesh.hook`.
"""
