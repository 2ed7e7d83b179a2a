"""History that is still to be written when a command ends."""

from __future__ import annotations

import subprocess
import sys

LAST_ACT = """
import threading
from concurrent.futures import ThreadPoolExecutor
from lake.mesh.history import History
from lake.settings import PostgresSettings

is_ending = threading.Event()

class Watched(History):
    def flush(self, timeout=60.0):
        is_ending.set()
        return super().flush(timeout)

def act():
    is_ending.wait(60)
    with ThreadPoolExecutor(1) as pool:
        print(pool.submit(lambda: "written by a pool").result())

Watched(PostgresSettings()).afterwards(act)
"""


def test_what_is_appended_after_a_run_is_written_though_the_command_ends_at_once() -> None:
    """Files are written by pools, and those take no work any more when `atexit` speaks."""
    done = subprocess.run([sys.executable, "-c", LAST_ACT], capture_output=True, text=True, check=False)

    assert done.stdout == "written by a pool\n", done.stderr
