"""The processes that are measured: the floor, a landing to the logs' ends, a landing that follows.

Imports and connecting are not counted.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.sandbox import cpu, in_child, megabytes, result, start_child
from benchmarks.streams.floor import floor
from benchmarks.streams.load import Loads
from benchmarks.streams.records import contract
from ingest.landing import run_streams
from lake.catalog import LakeCatalog, open_catalog
from lake.contracts import Format
from lake.settings import Project, Settings, load_settings

__all__ = ["measured", "result", "started"]

_MODULE = "benchmarks.streams.child"


def started(project: Project, part: str, **options: Any) -> Any:
    """Start a part in a process of its own; `result` waits for its figures."""
    return start_child(_MODULE, part, str(project.root), json.dumps(options))


def measured(project: Project, part: str, **options: Any) -> dict[str, Any]:
    """Run a part in a process of its own and return its figures."""
    return in_child(_MODULE, part, str(project.root), json.dumps(options))


def _run(part: str, root: Path, options: dict[str, Any]) -> dict[str, Any]:
    settings = load_settings(project=Project(root=root))
    landing = settings.landing.model_copy(update=options.pop("landing", {}))
    settings = settings.model_copy(update={"landing": landing})
    catalog = open_catalog(settings)
    act = {"floor": _floor, "land": _land, "follow": _follow}[part]
    before, began = cpu(), time.monotonic()
    found = act(settings, catalog, **options)
    return {
        "cpu": cpu() - before,
        "seconds": time.monotonic() - began,
        "megabytes": megabytes(),
        **found,
    }


def _floor(settings: Settings, _catalog: LakeCatalog, *, written: str, topic: str) -> dict[str, Any]:
    own = contract(Format(written), topic)
    return {"rows": floor(settings, own, settings.project_root / f"{topic}.parquet")}


def _land(
    settings: Settings,
    catalog: LakeCatalog,
    *,
    written: str,
    topic: str,
    stream: str = "",
    marks: list[int] | None = None,
) -> dict[str, Any]:
    """Land a topic to its end; `marks` are numbers of commits after which the load is looked at."""
    own = contract(Format(written), stream or topic, topic=topic)
    loads = Loads(catalog, own.stream, marks or [])
    (report,) = run_streams(settings, [own], catalog=catalog, observer=loads.observe)
    return {"rows": report.landed + report.quarantined, "commits": report.commits, "loads": loads.found}


def _follow(settings: Settings, catalog: LakeCatalog, *, streams: list[str], rows: int) -> dict[str, Any]:
    """Follow streams until so many rows have landed; tells when each commit was acknowledged."""
    done, counts, acknowledged = threading.Event(), {}, []

    def observe(progress: Any) -> None:
        if not acknowledged:
            print("ready", flush=True)
        counts[progress.stream] = progress.landed + progress.quarantined
        acknowledged.append(time.time())
        if sum(counts.values()) >= rows:
            done.set()

    reports = run_streams(
        settings,
        [contract(Format.JSON, name) for name in streams],
        follow=True,
        stop=done,
        observer=observe,
        catalog=catalog,
    )
    return {
        "rows": sum(r.landed + r.quarantined for r in reports),
        "commits": sum(r.commits for r in reports),
        "threads": threading.active_count(),
        "acknowledged": acknowledged,
    }


if __name__ == "__main__":
    print(json.dumps(_run(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))))
