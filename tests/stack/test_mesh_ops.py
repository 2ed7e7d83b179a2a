"""The history as tables of the lake, each row once, and the way back from a snapshot to what made it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from typer.testing import CliRunner

import lake.mesh.ops as ops_module
from app.cli.main import cli
from lake.catalog import Landed, drop_table, load_table, open_catalog
from lake.catalog.published import published
from lake.control import PlanRecord, Result, read_evaluations, read_plans, write_history
from lake.control.activation import locked_store
from lake.control.activation_values import Delivery, Operation, Outcome, PlanState, RunState, StoredPlan
from lake.errors import BadInputError, UnavailableError
from lake.mesh.ops import append_history, append_when_due
from lake.mesh.session import open_session
from lake.mesh.trace import trace
from lake.settings import HistorySettings, Settings
from lake.types import TableName
from tests.fakes.mesh import MeshProject, mesh_project, write_endpoints

pytestmark = [pytest.mark.stack, pytest.mark.xdist_group("mesh_ops")]


@pytest.fixture(scope="module")
def project(stack: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MeshProject]:
    """Give a project of a model with an audit and a view, with an ops schema of its own."""
    with mesh_project(tmp_path_factory.mktemp("ops"), stack) as project:
        write_endpoints(
            project.project, stack, database=project.name, history={"ops_schema": f"{project.name}_ops"}
        )
        project.sql("CREATE TABLE {raw}.s AS SELECT i::BIGINT AS v FROM range(7) r(i)")
        project.model(
            "seven",
            "kind FULL",
            "SELECT s.v::BIGINT AS v FROM {raw}.s AS s",
            audits="not_null(columns := (v))",
        )
        project.model("shown", "kind VIEW", "SELECT v.v::BIGINT AS v FROM {me}.seven AS v")
        yield project


@pytest.fixture(scope="module")
def settings(project: MeshProject) -> Settings:
    return project.settings.model_copy(update={"history": HistorySettings(ops_schema=f"{project.name}_ops")})


@pytest.fixture(scope="module")
def context(project: MeshProject) -> Iterator[Any]:
    """Give the project planned to prod and to a development environment."""
    context = project.context()
    project.plan(context)
    project.plan(context, "dev_a", include_unmodified=True)
    context.engine_adapter.runtime.history.flush()
    yield context
    context.close()


def rows(settings: Settings, table: str, columns: str = "*") -> list[dict[str, Any]]:
    with open_session(settings) as session:
        return session.query(f"SELECT {columns} FROM {settings.history.ops_schema}.{table}").to_pylist()


def counts(settings: Settings) -> dict[str, tuple[int, int]]:
    """Return rows and distinct keys of each table."""
    keys = {
        "plans": "plan_id",
        "evaluations": "evaluation_id",
        "promotions": "promotion_id",
        "runs": "run_id",
    }
    return {
        table: (len(found), len({row[key] for row in found}))
        for table, key in keys.items()
        for found in [rows(settings, table)]
    }


def test_history_is_appended_once_and_tells_what_a_plan_did(
    project: MeshProject, settings: Settings, context: Any
) -> None:
    """Plans with categories, builds with rows and snapshot, audits with counts, promotions; nothing twice."""
    first = append_history(settings)
    assert first["plans"] == 2
    assert first["audit_results"] == 1
    assert append_history(settings) == dict.fromkeys(first, 0)
    [plan] = [p for p in rows(settings, "plans") if p["environment"] == "prod"]
    assert json.loads(plan["changes"])["categories"] == {
        f"{project.name}.seven": "breaking",
        f"{project.name}.shown": "breaking",
    }
    [built] = [e for e in rows(settings, "evaluations") if e["model"].endswith("seven")]
    assert (built["rows"], built["engine"], built["result"]) == (7, "duckdb", "succeeded")
    assert built["snapshot_id"] == trace(settings, f"{project.name}.seven")[0].snapshot
    moved = {(p["environment"], p["model"], p["action"]) for p in rows(settings, "promotions")}
    assert moved == {
        (e, f"{project.name}.{m}", "promoted") for e in ("prod", "dev_a") for m in ("seven", "shown")
    }


def finished(number: int) -> list[PlanRecord]:
    """Return plans that ended, as their writer hands them over."""
    now = datetime.now(UTC)
    return [
        PlanRecord(
            plan_id=uuid.uuid4().hex,
            environment="x",
            actor="t",
            started_at=now,
            finished_at=now,
            result=Result.SUCCEEDED,
        )
        for _ in range(number)
    ]


def test_a_lost_answer_and_two_at_once_append_no_row_twice(
    settings: Settings, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number in the table decides, not what the writer thinks; a repeated record adds nothing."""
    append_history(settings)
    records = finished(30)
    write_history(settings.postgres, [*records, *records])
    stock = ops_module.commit

    def landed_and_lost(*args: Any, **kwargs: Any) -> Any:
        done = stock(*args, **kwargs)
        assert isinstance(done, Landed)
        raise UnavailableError("catalog", "the answer was lost")

    monkeypatch.setattr(ops_module, "commit", landed_and_lost)
    with pytest.raises(UnavailableError):
        append_history(settings)
    monkeypatch.setattr(ops_module, "commit", stock)
    write_history(settings.postgres, finished(30))
    together = [threading.Thread(target=append_history, args=(settings,)) for _ in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    append_history(settings)
    assert {total == distinct for total, distinct in counts(settings).values()} == {True}
    assert counts(settings)["plans"][0] == len(read_plans(settings.postgres, limit=1000))


def test_a_row_that_is_being_written_is_waited_for_and_not_passed_over(
    settings: Settings, context: Any
) -> None:
    """A number is taken before its row can be seen."""
    from lake.postgres import connect

    append_history(settings)
    plan = finished(1)[0]
    insert = (
        "INSERT INTO control.plans (plan_id, environment, actor, started_at, finished_at, result)"
        " VALUES (%s, 'slow', 't', now(), now(), 'succeeded')"
    )
    done: list[dict[str, int]] = []
    with connect(settings.postgres) as slow:
        slow.execute(insert, (plan.plan_id,))
        write_history(settings.postgres, finished(1))
        appending = threading.Thread(target=lambda: done.append(append_history(settings)))
        appending.start()
        appending.join(timeout=0.5)
        assert not done, "it waits for the writer"
    appending.join()
    assert done[0]["plans"] == 2


def test_a_plan_appends_at_its_end_when_that_is_due(
    project: MeshProject, settings: Settings, context: Any
) -> None:
    """Not again within the settings' seconds, never with 0; who waits for the history waits for it too."""
    services = context.engine_adapter.runtime.services
    own = settings.history.model_copy(update={"append_seconds": 300})
    due = settings.model_copy(update={"history": own})
    append_history(settings)
    assert append_when_due(due) == {}
    assert (
        append_when_due(settings.model_copy(update={"history": own.model_copy(update={"append_seconds": 0})}))
        == {}
    )
    known = {p["plan_id"] for p in rows(settings, "plans")}
    drop_table(open_catalog(settings), TableName(schema=own.ops_schema, name="runs"))
    before, services.settings = services.settings, due
    try:
        project.plan(context, restate_models=[f"{project.name}.seven"])
        services.history.flush(60)
    finally:
        services.settings = before
    [plan] = [p for p in rows(settings, "plans") if p["plan_id"] not in known]
    assert plan["environment"] == "prod"
    assert plan["plan_id"] in {run["plan_id"] for run in rows(settings, "runs")}


def test_activation_is_told_without_telling_about_whom(settings: Settings, context: Any) -> None:
    """A run when it has ended, a delivery when it is settled; no key, no payload, no words of an answer."""
    change = Delivery(
        key="anna@example.org", operation=Operation.CREATE, revision=0, idempotency_key=uuid.uuid4(),
        payload={"name": "Anna"},
    )  # fmt: skip
    refused = replace(change, key="bob", idempotency_key=uuid.uuid4())
    run = uuid.uuid4()
    with locked_store(settings.postgres, "tell") as store:
        store.save_plan(sync_plan())
        plan = store.newest_plan()
        assert plan is not None
        store.begin_run(run, plan.plan_id)
        store.begin_batch(run, [change, refused])
        assert append_history(settings)["sync_deliveries"] == 0
        outcomes = [Outcome(delivery=change, accepted=True)]
        outcomes += [Outcome(delivery=refused, accepted=False, code="422", message="bob is no name")]
        store.settle(run, outcomes)
        store.finish_run(run, RunState.PARTIAL, message="one refused", verified=1, mismatched=())
    written = append_history(settings)
    assert (written["sync_runs"], written["sync_deliveries"]) == (1, 2)
    [told] = rows(settings, "sync_runs")
    assert (told["run_id"], told["sync"], told["state"], told["verified"]) == (str(run), "tell", "partial", 1)
    deliveries = {d["idempotency_key"]: d for d in rows(settings, "sync_deliveries")}
    assert {(d["state"], d["code"]) for d in deliveries.values()} == {("accepted", ""), ("rejected", "422")}
    assert deliveries[str(change.idempotency_key)]["state"] == "accepted"
    assert not any(word in str(deliveries).lower() for word in ("anna", "bob"))


def sync_plan() -> StoredPlan:
    """Return a plan of a sync that has nothing to do with these tests' models."""
    return StoredPlan(
        plan_id=uuid.uuid4(), sync="tell", digest="d", mapping="m", snapshots={}, mart_rows=2,
        ledger_version=0, ledger_rows=0, in_doubt=0, guards=(), created_at=datetime.now(UTC),
        state=PlanState.OPEN, changes=(),
    )  # fmt: skip


def test_a_snapshot_is_traced_to_its_model_interval_run_plan_and_audits(
    project: MeshProject, settings: Settings, context: Any
) -> None:
    """By the view's name, by a view on it, by id; a commit of somebody else is said to be that."""
    [found] = trace(settings, f"{project.name}.shown")
    build = read_evaluations(settings.postgres, model=f"{project.name}.seven")[0]
    assert (found.model, found.fingerprint, found.rows) == (build.model, build.fingerprint, 7)
    assert (found.interval_start, found.interval_end) == (build.interval_start, build.interval_end)
    assert (found.run_kind, found.environment) == ("plan", "prod")
    assert found.plan in {plan.plan_id for plan in read_plans(settings.postgres, limit=1000)}
    assert [(a.status, a.failing) for a in found.audits] == [("passed", 0)]
    table = ".".join(project.physical(context, "seven"))
    project.plan(context, restate_models=[f"{project.name}.seven"])
    context.engine_adapter.runtime.history.flush()
    state = load_table(open_catalog(settings), TableName.parse(table))
    assert state is not None
    assert published(state)[-1].rewrite, "a replaced table is tidied after its publish"
    [again] = trace(settings, f"{project.name}.seven")
    assert again.recorded
    assert again.snapshot not in {found.snapshot, state.main}
    project.sql(f"INSERT INTO lake.{table} VALUES (99)")
    [foreign] = trace(settings, f"{project.name}.seven")
    assert not foreign.recorded
    assert trace(settings, table, snapshot=found.snapshot)[0] == found
    project.sql(f"DELETE FROM lake.{table} WHERE v = 99")
    with pytest.raises(BadInputError, match="no snapshot 7"):
        trace(settings, table, snapshot=7)
    assert TableName.parse(table).schema.startswith("sqlmesh__")


def test_the_commands_print_what_the_services_found(
    project: MeshProject, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Append, plans and trace, for people and for programs."""
    monkeypatch.chdir(project.project.root)

    def lake(*arguments: str) -> str:
        done = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
        assert done.exit_code == 0
        return done.output

    assert set(json.loads(lake("history", "append", "--json"))) == set(ops_module.KINDS)
    assert "\tprod\t" in lake("history", "plans", "--env", "prod")
    [first] = json.loads(lake("trace", f"{project.name}.seven", "--json"))
    assert str(first["snapshot"]) in lake("trace", f"{project.name}.seven@{first['snapshot']}")
    with pytest.raises(BadInputError, match="no snapshot id"):
        CliRunner().invoke(cli, ["trace", "a.b@now"], catch_exceptions=False)
