"""Tell libraries that report home by default not to."""

from __future__ import annotations

import os


def switch_off_telemetry() -> None:
    """Set what dlt reads when it is first used in this process; call it before dlt is imported."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
