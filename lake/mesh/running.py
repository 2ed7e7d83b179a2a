"""Run stock `sqlmesh run` for an environment and say at its end what it built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmesh.cli.main import run as stock_command

from lake.control import AuditStatus, Evaluation, Result, read_audit_results, read_evaluations
from lake.errors import BadInputError
from lake.mesh import command_line
from lake.mesh.context import WarmContext
from lake.settings import Settings

_MOST = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRun:
    """What a run did to one model: `builds` publishes, the half-open time that they span, how they ended.

    `warnings` are audits that failed and don't block, `error` is the last failure's reason.
    """

    model: str
    start: datetime
    end: datetime
    builds: int
    rows: int
    seconds: float
    result: Result
    warnings: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One run; the models in the order in which they were begun. `ended` is SQLMesh's word for it."""

    environment: str
    ended: str
    models: tuple[ModelRun, ...]

    @property
    def failed(self) -> tuple[ModelRun, ...]:
        return tuple(model for model in self.models if model.result is not Result.SUCCEEDED)

    @property
    def rows(self) -> int:
        return sum(model.rows for model in self.models)

    @property
    def seconds(self) -> float:
        return round(sum(model.seconds for model in self.models), 1)


def run_environment(
    warm: WarmContext, settings: Settings, arguments: Sequence[str], *, quiet: bool = False
) -> RunSummary:
    """Run as `sqlmesh run ARGUMENTS…` does; what failed stands in the summary, nothing half is published.

    Raises BadInputError for arguments that `sqlmesh run` doesn't know and for an unknown environment.
    """
    options = _parsed(arguments)
    with warm.use(quiet=quiet) as context:
        environment = options["environment"]
        if environment and context.state_reader.get_environment(environment) is None:
            raise BadInputError(f"there is no environment {environment}", hint=f"lake plan {environment}")
        adapter: Any = context.engine_adapter
        services = adapter.runtime.services
        services.runs.clear()
        ended = context.run(**options)
        services.history.flush()
        built = [
            e for run in services.runs for e in read_evaluations(settings.postgres, run_id=run, limit=_MOST)
        ]
        audits = [
            a for run in services.runs for a in read_audit_results(settings.postgres, run_id=run, limit=_MOST)
        ]
    warnings = [a.model for a in audits if a.status is AuditStatus.FAILED and not a.blocking]
    return RunSummary(
        environment=environment or context.config.default_target_environment,
        ended=ended.name.lower().replace("_", " "),
        models=tuple(sum_up(built, warnings)),
    )


def sum_up(built: Sequence[Evaluation], warnings: Sequence[str]) -> Iterator[ModelRun]:
    """Yield one line per model, in the order in which they were begun."""
    by_model: dict[str, list[Evaluation]] = {}
    for evaluation in sorted(built, key=lambda e: e.started_at):
        by_model.setdefault(evaluation.model, []).append(evaluation)
    for model, builds in by_model.items():
        bad = [build for build in builds if build.result is not Result.SUCCEEDED]
        yield ModelRun(
            model=model,
            start=min(build.interval_start for build in builds),
            end=max(build.interval_end for build in builds),
            builds=len(builds),
            rows=sum(build.rows or 0 for build in builds if build.result is Result.SUCCEEDED),
            seconds=round(sum(build.seconds for build in builds), 1),
            result=bad[-1].result if bad else Result.SUCCEEDED,
            warnings=warnings.count(model),
            error=bad[-1].error if bad else "",
        )


def named_environment(arguments: Sequence[str]) -> str:
    """Return the environment that arguments of `sqlmesh run` name, empty when they name none."""
    return command_line.named_environment(stock_command, arguments)


def _parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Return the arguments of Context.run that stock command line arguments stand for."""
    found = command_line.parse(stock_command, arguments)
    found["select_models"] = found.pop("select_model") or None
    return found
