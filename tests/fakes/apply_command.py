"""Apply the tests' sync from a mart file, as a process that can be killed: apply_command.py MART."""

from __future__ import annotations

import sys
from pathlib import Path

from lake.activation import apply_sync, open_destination
from lake.clock import SystemClock
from lake.control.activation import locked_store
from lake.errors import LakeError
from lake.settings import load_settings
from tests.fakes.activation import SYNC, FileMart

if __name__ == "__main__":
    settings = load_settings()
    try:
        with open_destination(SYNC, settings) as target, locked_store(settings.postgres, SYNC.name) as store:
            mart = FileMart(path=Path(sys.argv[1]))
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            apply_sync(SYNC, mart=mart, target=target, store=store, clock=SystemClock())
    except LakeError as error:
        sys.stderr.write(str(error))
        sys.exit(error.exit_code)
