"""The places of SQLMesh that lake.mesh touches are as they were when it was written.

When one of these fails after an upgrade: read the stock function again, adapt `lake.mesh`, then this file.
"""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def parameters(function: Any) -> list[str]:
    """Return the names of a function's parameters, in order."""
    return list(inspect.signature(function).parameters)


def test_the_scheduler_evaluates_one_interval_by_these_names() -> None:
    """`seams` wraps it as one publish and reads start, end and deployability_index by name."""
    from sqlmesh.core.scheduler import Scheduler

    assert parameters(Scheduler.evaluate) == [
        "self", "snapshot", "start", "end", "execution_time", "deployability_index", "batch_index",
        "environment_naming_info", "allow_destructive_snapshots", "allow_additive_snapshots",
        "target_table_exists", "kwargs",
    ]  # fmt: skip
    call = inspect.getsource(inspect.unwrap(Scheduler.run_merged_intervals))
    for name in ("start=start", "end=end", "deployability_index=deployability_index", "snapshot=snapshot"):
        assert name in call[call.index("self.evaluate(") :], f"the scheduler no longer passes {name} by name"


def test_an_interval_is_recorded_only_after_its_audits_returned() -> None:
    """evaluate, audit, raise, add_interval: a commit at the end of audit comes before the record."""
    from sqlmesh.core.scheduler import Scheduler

    source = inspect.getsource(inspect.unwrap(Scheduler.evaluate))
    steps = ["self.snapshot_evaluator.evaluate(", "self._audit_snapshot(", "self.state_sync.add_interval("]
    assert [source.index(step) for step in steps] == sorted(source.index(step) for step in steps)
    assert "self.snapshot_evaluator.audit(" in inspect.getsource(Scheduler._audit_snapshot)


def test_the_evaluator_audits_by_these_names() -> None:
    """`seams` reads start and end; `record` reads the results' fields."""
    from sqlmesh.core.model.definition import AuditResult
    from sqlmesh.core.snapshot.evaluator import SnapshotEvaluator

    assert parameters(SnapshotEvaluator.audit) == [
        "self", "snapshot", "snapshots", "start", "end", "execution_time", "deployability_index", "wap_id",
        "kwargs",
    ]  # fmt: skip
    assert {"audit", "audit_args", "count", "query", "skipped", "blocking"} <= set(AuditResult.model_fields)


def test_a_pass_over_an_environment_is_called_by_name() -> None:
    """`seams` reads audit_only and environment_naming_info."""
    from sqlmesh.core.scheduler import Scheduler

    assert {"environment_naming_info", "audit_only"} <= set(parameters(Scheduler.run_merged_intervals))
    kinds = {
        p.kind for n, p in inspect.signature(Scheduler.run_merged_intervals).parameters.items() if n != "self"
    }
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}


def test_a_plan_is_applied_by_the_built_in_evaluator() -> None:
    """`record` reads these fields of the plan."""
    from sqlmesh.core.plan.definition import EvaluatablePlan
    from sqlmesh.core.plan.evaluator import BuiltInPlanEvaluator

    assert parameters(BuiltInPlanEvaluator.evaluate) == ["self", "plan", "circuit_breaker"]
    assert {
        "environment", "new_snapshots", "directly_modified_snapshots", "indirectly_modified_snapshots",
        "removed_snapshots", "restatements",
    } <= set(EvaluatablePlan.model_fields)  # fmt: skip


def test_a_plan_is_built_where_its_new_versions_can_be_looked_at() -> None:
    """`seams` refuses what the engines lack there, before the plan is shown."""
    from sqlmesh.core.context import GenericContext
    from sqlmesh.core.context_diff import ContextDiff
    from sqlmesh.core.plan.builder import PlanBuilder

    assert "self.plan_builder(" in inspect.getsource(inspect.unwrap(GenericContext.plan))
    built = inspect.getsource(PlanBuilder.__init__)
    for field in ("self._context_diff = context_diff", "self._restate_models =", "self._plan_id: str ="):
        assert field in built
    assert "new_snapshots" in ContextDiff.model_fields


def test_a_plan_judges_changes_of_columns_by_a_function_of_its_module() -> None:
    """`seams` puts Iceberg's rules in its place."""
    from sqlmesh.core.plan import builder

    checks = inspect.getsource(builder.PlanBuilder._check_destructive_additive_changes)
    assert "get_schema_differ(snapshot.model.dialect).compare_columns(" in checks
    assert parameters(builder.get_schema_differ) == ["dialect", "overrides"]


def test_a_plan_and_a_run_mark_the_adapters_that_they_use() -> None:
    """The adapter gives a marked clone ids and publishes of its own."""
    from sqlmesh.core.context import GenericContext
    from sqlmesh.core.plan.evaluator import BuiltInPlanEvaluator
    from sqlmesh.core.snapshot.evaluator import SnapshotEvaluator

    for owner in (GenericContext.run, BuiltInPlanEvaluator.evaluate):
        assert "set_correlation_id(" in inspect.getsource(inspect.unwrap(owner))
    marked = inspect.getsource(SnapshotEvaluator.set_correlation_id)
    assert "adapter.with_settings(correlation_id=correlation_id)" in marked


def test_recycling_goes_through_the_pools_that_we_replace() -> None:
    """`pools` closes what ended threads hold, by these fields."""
    from sqlmesh.utils.connection_pool import ThreadLocalConnectionPool, ThreadLocalSharedConnectionPool

    for pool in (ThreadLocalConnectionPool(object), ThreadLocalSharedConnectionPool(object)):
        assert {"_thread_cursors", "_thread_attributes", "_thread_cursors_lock"} <= set(vars(pool))
    assert "_thread_connections" in vars(ThreadLocalConnectionPool(object))


@pytest.mark.parametrize(
    ("method", "needed"),
    [
        (
            "execute",
            ["expressions", "ignore_unsupported_errors", "quote_identifiers", "track_rows_processed"],
        ),
        ("_execute", ["sql", "track_rows_processed"]),
        ("create_view", ["view_name", "query_or_df", "replace", "materialized", "table_description"]),
        ("drop_view", ["view_name", "ignore_if_not_exists"]),
        ("replace_query", ["table_name", "query_or_df", "target_columns_to_types", "source_columns"]),
        ("_create_table", ["table_name_or_schema", "expression", "exists", "target_columns_to_types"]),
        ("_drop_object", ["name", "exists", "kind", "cascade"]),
        ("drop_schema", ["schema_name", "ignore_if_not_exists", "cascade"]),
        ("_get_data_objects", ["schema_name", "object_names"]),
        ("_get_temp_table", ["table", "table_only", "quoted"]),
        ("temp_table", ["query_or_df", "name", "target_columns_to_types", "source_columns"]),
        ("columns", ["table_name", "include_pseudo_columns"]),
        ("alter_table", ["alter_expressions", "table_format"]),
        ("merge", ["target_table", "source_table", "unique_key", "when_matched", "merge_filter"]),
        ("_merge", ["target_table", "query", "on", "whens"]),
        ("_create_table_comment", ["table_name", "table_comment"]),
        ("_create_column_comments", ["table_name", "column_comments"]),
        ("_df_to_source_queries", ["df", "target_columns_to_types", "batch_size", "target_table"]),
    ],
)
def test_a_method_that_the_adapter_overrides_has_the_parameters_it_counts_on(
    method: str, needed: list[str]
) -> None:
    """The same names as the stock DuckDB adapter's, in the same order."""
    from sqlmesh.core.engine_adapter.duckdb import DuckDBEngineAdapter

    from lake.mesh.adapter import LakeEngineAdapter

    stock = parameters(getattr(DuckDBEngineAdapter, method))
    assert [name for name in stock if name in needed] == needed
    own = parameters(getattr(LakeEngineAdapter, method))
    assert [name for name in stock if name in own] == [name for name in own if name in stock]
    assert set(stock) <= set(own) | {"kwargs"}


def test_every_write_of_the_stock_adapter_goes_through_execute() -> None:
    """Else a write could pass by the open publish."""
    from sqlmesh.core.engine_adapter.base import EngineAdapter

    for method in ("delete_from", "_insert_append_query", "_merge", "update_table"):
        assert "self.execute(" in inspect.getsource(getattr(EngineAdapter, method)), method


def test_connection_types_are_found_in_these_tables() -> None:
    """`register` adds ours to them."""
    from sqlmesh.core.config import connection, loader

    assert {"lake", "lake_trino", "lake_state"} <= set(connection.CONNECTION_CONFIG_TO_TYPE)
    assert {"lake", "lake_trino", "lake_state"} <= set(connection.DIALECT_TO_TYPE)
    assert parameters(loader.load_config_from_yaml) == ["path", "variables"]
    assert "load_config_from_yaml(path, variables)" in inspect.getsource(loader.load_config_from_paths)


def test_a_fresh_interpreter_knows_the_types_and_has_loaded_nothing_for_it() -> None:
    """The .pth costs two small modules; SQLMesh, DuckDB and pyiceberg are not among them."""
    script = (
        "import sys; loaded = set(sys.modules);"
        "assert 'lake.mesh.hook' in loaded, 'lakemesh.pth did not run: install the project anew';"
        "heavy = {'sqlmesh', 'duckdb', 'pyiceberg', 'pydantic', 'typing', 'lake.mesh.register'} & loaded;"
        "assert not heavy, heavy;"
        "from sqlmesh.core.config.connection import CONNECTION_CONFIG_TO_TYPE as known;"
        "assert 'lake' in known"
    )
    child = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stderr


def test_one_worker_means_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """`runtime` sets it when DuckDB's threads begin; SQLMesh reads it at each use."""
    from sqlmesh.core import constants, loader
    from sqlmesh.core.model import cache
    from sqlmesh.utils.process import SynchronousPoolExecutor

    monkeypatch.setattr(constants, "MAX_FORK_WORKERS", 1)

    pool = cache.optimized_query_cache_pool(None)  # type: ignore[arg-type]

    assert isinstance(pool, SynchronousPoolExecutor)
    assert "max_workers=c.MAX_FORK_WORKERS" in inspect.getsource(loader)
