"""SQLMesh's engine adapter for Trino on the lake's catalog.

Trino has no transaction over several statements, so a publish is staged beside the table, audited
there, and put in place by one statement that is one snapshot (`lake.mesh.trino.publish`).
"""

from lake.mesh.trino.connect import open_trino

__all__ = ["open_trino"]
