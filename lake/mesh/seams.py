"""The places where lakemesh takes part in stock SQLMesh; nothing else of SQLMesh is changed.

    Scheduler.evaluate              one interval of one model   -> an audited publish, a record
    SnapshotEvaluator.audit         its audits                  -> commit or roll back, records
    Scheduler.run_merged_intervals  one pass over an environment  -> a run record
    BuiltInPlanEvaluator.evaluate   one applied plan             -> a plan record
    SnapshotEvaluator.promote       an environment's views       -> side by side; demote too
    GenericContext.plan_builder     one plan before it is applied  -> refusals
    plan.builder.get_schema_differ  changes of a model's columns  -> Iceberg's rules for them

Stock SQLMesh publishes before it looks at the audits' results, on every engine; the first two close
that gap. The first four leave other engines' adapters alone. `tests/contract/test_sqlmesh_seams.py` fails
when a new SQLMesh calls them differently.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any
from uuid import UUID

from sqlmesh.core.context import GenericContext
from sqlmesh.core.plan import builder
from sqlmesh.core.plan.evaluator import BuiltInPlanEvaluator
from sqlmesh.core.scheduler import Scheduler
from sqlmesh.core.snapshot import Snapshot
from sqlmesh.core.snapshot.evaluator import SnapshotEvaluator

from lake.clock import Deadline, SystemClock
from lake.control import Attempt, AttemptState, RunKind
from lake.control.published import write_mart_contracts
from lake.errors import LakeError
from lake.log import configure_unless_done, get_logger
from lake.mesh.adapter import LakeEngineAdapter
from lake.mesh.adapter.shared import SharedAdapter
from lake.mesh.differ import iceberg_differ
from lake.mesh.hidden import drop_hidden
from lake.mesh.once import doubles, evaluate_rest
from lake.mesh.promotions import promotions
from lake.mesh.publish import Publication, publish
from lake.mesh.record import (
    plan_recorded,
    record_audits,
    record_evaluation,
    run_recorded,
    work_of,
)
from lake.mesh.refuse import check_supported
from lake.mesh.runtime import Runtime
from lake.mesh.stamps import settle_by_stamp
from lake.mesh.trino.adapter import LakeTrinoAdapter
from lake.mesh.trino.publish import TrinoPublication
from lake.mesh.trino.queries import settle_by_query
from lake.settings import log_level
from lake.types import TableName

log = get_logger("mesh")

_MARK = "lakemesh"
_VIEWS_AT_ONCE = 8


def install() -> None:
    """Put our part in place, once per process."""
    configure_unless_done(level=log_level())
    _wrap(Scheduler, "evaluate", _evaluate)
    _wrap(SnapshotEvaluator, "audit", _audit)
    _wrap(Scheduler, "run_merged_intervals", _run)
    _wrap(BuiltInPlanEvaluator, "evaluate", _plan)
    _wrap(SnapshotEvaluator, "promote", _side_by_side)
    _wrap(SnapshotEvaluator, "demote", _side_by_side)
    _wrap(GenericContext, "plan_builder", _build)
    _wrap(builder, "get_schema_differ", _differ)


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    stock = getattr(owner, name)
    if getattr(stock, _MARK, False):
        return

    @wraps(stock)
    def method(*args: Any, **kwargs: Any) -> Any:
        return around(stock, *args, **kwargs)

    setattr(method, _MARK, True)
    setattr(owner, name, method)


def _lake(evaluator: SnapshotEvaluator, snapshot: Snapshot) -> SharedAdapter | None:
    """Return our adapter when the snapshot's model runs on it."""
    if not snapshot.is_model or snapshot.is_symbolic:
        return None
    _runtime(evaluator)
    adapter = evaluator.get_adapter(snapshot.model_gateway)
    return adapter if isinstance(adapter, SharedAdapter) else None


def _runtime(evaluator: SnapshotEvaluator) -> Runtime | None:
    """Return the one runtime of all our adapters of an evaluator, DuckDB's when it is among them."""
    ours = [adapter for adapter in evaluator.adapters.values() if isinstance(adapter, SharedAdapter)]
    ours.sort(key=lambda adapter: not isinstance(adapter, LakeEngineAdapter))
    for adapter in ours[1:]:
        adapter.share(ours[0].runtime)
    return ours[0].runtime if ours else None


def _evaluate(
    stock: Callable[..., Any], scheduler: Scheduler, snapshot: Snapshot, *args: Any, **kwargs: Any
) -> Any:
    adapter = _lake(scheduler.snapshot_evaluator, snapshot)
    if adapter is None:
        return stock(scheduler, snapshot, *args, **kwargs)
    runtime = adapter.runtime
    kind = TrinoPublication if isinstance(adapter, LakeTrinoAdapter) else Publication

    def evaluate(arguments: dict[str, Any]) -> Any:
        work = work_of(runtime, snapshot, arguments)
        with record_evaluation(runtime, snapshot, work, arguments, engine=adapter.dialect) as note:

            def whole(publication: Any) -> Any:
                note.publication = publication
                return stock(scheduler, snapshot, *args, **arguments)

            return publish(runtime, work, whole, kind=kind)

    if not doubles(snapshot):
        return evaluate(kwargs)

    def settle(table: TableName, older: Sequence[Attempt]) -> dict[UUID, AttemptState]:
        if isinstance(adapter, LakeTrinoAdapter):
            return settle_by_query(runtime, adapter, table, older)
        return settle_by_stamp(runtime, table, older)

    return evaluate_rest(runtime, scheduler, snapshot, kwargs, evaluate, settle=settle)


def _audit(
    stock: Callable[..., Any], evaluator: SnapshotEvaluator, snapshot: Snapshot, *args: Any, **kwargs: Any
) -> Any:
    """Run the audits on what would be published, then let their results decide it.

    On DuckDB that is the table itself, inside the open transaction; on Trino a relation beside it,
    which takes the place of SQLMesh's write-audit-publish branch.
    """
    adapter = _lake(evaluator, snapshot)
    publication = adapter.runtime.publication if adapter is not None else None
    if isinstance(publication, TrinoPublication) and publication.opened:
        kwargs["wap_id"] = publication.attempt_id.hex[:8]
    results = stock(evaluator, snapshot, *args, **kwargs)
    if adapter is None:
        return results
    failed = [result for result in results if result.count and result.blocking]
    if failed:
        record_audits(adapter, snapshot, results, kwargs)
        if publication is not None:
            publication.refuse(", ".join(f"{r.audit.name}: {r.count}" for r in failed))
    else:
        if publication is not None:
            publication.commit()
        record_audits(adapter, snapshot, results, kwargs)
    return results


def _run(stock: Callable[..., Any], scheduler: Scheduler, *args: Any, **kwargs: Any) -> Any:
    runtime = _runtime(scheduler.snapshot_evaluator)
    if runtime is None:
        return stock(scheduler, *args, **kwargs)
    kind = RunKind.AUDIT if kwargs.get("audit_only") else RunKind.PLAN if runtime.plan_id else RunKind.RUN
    runtime.restating = bool(kwargs.get("is_restatement"))
    with run_recorded(runtime, kind, kwargs["environment_naming_info"].name) as end:
        errors, skipped = stock(scheduler, *args, **kwargs)
        end(errors)
        return errors, skipped


def _plan(
    stock: Callable[..., Any], evaluator: BuiltInPlanEvaluator, plan: Any, *args: Any, **kwargs: Any
) -> Any:
    runtime = _runtime(evaluator.snapshot_evaluator)
    if runtime is None:
        return stock(evaluator, plan, *args, **kwargs)
    before = evaluator.state_sync.get_environment(plan.environment.name)
    with plan_recorded(runtime, plan):
        done = stock(evaluator, plan, *args, **kwargs)
        _drop_hidden(evaluator.snapshot_evaluator)
        _record_promises(plan, runtime)
        runtime.history.put(*promotions(plan, before))
        return done


def _side_by_side(stock: Callable[..., Any], evaluator: SnapshotEvaluator, *args: Any, **kwargs: Any) -> Any:
    """Replace views side by side, upstream first: they wait for the catalog, not for the engine."""
    tasks = evaluator.ddl_concurrent_tasks
    if isinstance(evaluator.adapter, LakeEngineAdapter):
        evaluator.ddl_concurrent_tasks = max(tasks, _VIEWS_AT_ONCE)
    try:
        return stock(evaluator, *args, **kwargs)
    finally:
        evaluator.ddl_concurrent_tasks = tasks


def _drop_hidden(evaluator: SnapshotEvaluator) -> None:
    """Drop what models have lost, now that the views are replaced; what fails waits for the next plan."""
    runtime = _runtime(evaluator)
    if runtime is None or not runtime.with_hidden:
        return
    deadline = Deadline.after(runtime.settings.engine.publish_seconds, SystemClock())
    try:
        drop_hidden(runtime.catalog, runtime.with_hidden, deadline=deadline)
    except LakeError as error:
        log.warning("columns.kept", reason=error.message)


def _record_promises(plan: Any, runtime: Runtime) -> None:
    """Hold the next plan to the contracts that prod was planned with; what fails is done by the next plan."""
    promises = runtime.services.promises.pop(plan.plan_id, None)
    if plan.is_dev or promises is None:
        return
    try:
        write_mart_contracts(runtime.control, promises, plan_id=plan.plan_id)
    except LakeError as error:
        log.warning("promises.unrecorded", reason=error.message)


def _build(stock: Callable[..., Any], context: Any, *args: Any, **kwargs: Any) -> Any:
    built = stock(context, *args, **kwargs)
    if isinstance(context.engine_adapter, LakeEngineAdapter):
        # Contracts are slow to load; lint, format and test do without.
        from lake.mesh.safety import check_readers  # noqa: PLC0415

        changed = built._context_diff.new_snapshots.values()  # noqa: SLF001  building it here would fix its dates
        check_supported(changed, context.snapshot_evaluator.get_adapter)
        runtime = context.engine_adapter.runtime
        runtime.services.ask(built._plan_id, built._restate_models or ())  # noqa: SLF001  see above
        promises = check_readers(context, built._context_diff, runtime)  # noqa: SLF001  see above
        runtime.services.promise(built._plan_id, promises)  # noqa: SLF001  the evaluator knows the plan by it
    return built


def _differ(stock: Callable[..., Any], dialect: str, *args: Any, **kwargs: Any) -> Any:
    """Let a plan call a change destructive exactly when the table's migration would lose values."""
    return iceberg_differ(stock(dialect, *args, **kwargs))
