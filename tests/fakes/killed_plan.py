"""Run a project again and again in forked children, each killed by SIGKILL at a named step.

Standard input: a line `step|model|moment` per child; standard output: the signal that ended it. Forked
before any thread or connection exists, because importing SQLMesh takes longer than the run itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from sqlmesh import Context
from sqlmesh.core.console import NoopConsole, set_console
from sqlmesh.core.snapshot.evaluator import SnapshotEvaluator
from sqlmesh.core.state_sync import EngineAdapterStateSync

import lake.catalog.tidy
import lake.mesh.publish
from lake.mesh.adapter import LakeEngineAdapter
from lake.mesh.publish import Publication

# What is killed: as the function is called, in the order of the protocol.
STEPS: dict[str, tuple[Any, str]] = {
    "before the attempt": (lake.mesh.publish, "open_attempt"),
    "before BEGIN": (lake.mesh.publish, "settle_by_stamp"),
    "before INSERT": (LakeEngineAdapter, "_insert_append_query"),
    "before the audits": (SnapshotEvaluator, "audit"),
    "before the stamp": (Publication, "_stamp"),
    "after COMMIT": (Publication, "_settle"),
    "before the record": (EngineAdapterStateSync, "add_snapshots_intervals"),
    "after the record": (lake.mesh.publish, "mark_recorded"),
    "before tidying": (lake.catalog.tidy, "tidy"),
    "before the tidy commit": (lake.catalog.tidy, "rewrite"),
}


def main(root: str) -> None:
    set_console(NoopConsole())
    for line in sys.stdin:
        step, model, moment = line.strip().split("|")
        child = os.fork()
        if child == 0:
            run(root, step, model, moment)
        print(os.WTERMSIG(os.waitpid(child, 0)[1]), flush=True)  # noqa: T201  the answer


def run(root: str, step: str, model: str, moment: str) -> None:
    """Run until the step of that model's publish, and end there."""
    publishing: list[str] = []
    owner, name = STEPS[step]
    stock = getattr(owner, name)

    def killed(*args: Any, **kwargs: Any) -> Any:
        if publishing and publishing[-1] == model:
            os.kill(os.getpid(), signal.SIGKILL)
        return stock(*args, **kwargs)

    setattr(owner, name, killed)
    init: Callable[..., None] = Publication.__init__

    def noted(self: Publication, **kwargs: Any) -> None:
        publishing.append(kwargs["work"].model)
        init(self, **kwargs)

    Publication.__init__ = noted  # type: ignore[method-assign]
    context = Context(paths=[root])
    context.run(execution_time=moment, skip_janitor=True)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
