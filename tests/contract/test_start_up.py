"""What stock `sqlmesh` loads for us when it starts; modules are counted, seconds depend on the machine."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import sqlmesh.cli.main
registered = set(sys.modules)
heavy = {"pyiceberg", "duckdb", "psycopg", "pandas", "pyarrow", "open_data_contract_standard"}
assert not heavy & registered, f"registering connection types loads {heavy & registered}"
import lake.mesh.seams
adapter = set(sys.modules) - registered
late = {"pandas", "pyiceberg", "pyarrow", "psycopg", "open_data_contract_standard", "fsspec", "structlog"}
assert not late & adapter, f"an adapter loads {late & adapter}"
print(len(adapter))
"""


def test_an_adapter_loads_no_more_than_it_needs_before_the_first_query():
    """Nothing for the command line itself; an adapter is built without the clients of any service."""
    child = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)

    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 150
