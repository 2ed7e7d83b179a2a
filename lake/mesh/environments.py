"""The environments that SQLMesh's state knows: list them, drop one, clean up what has expired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lake.errors import BadInputError, RefusedError
from lake.mesh.branch import PROD
from lake.mesh.context import WarmContext

_NEXT = "lake env list"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFacts:
    """One environment; `views` counts the models that have a view of its own in it.

    `built` counts the models whose table differs from prod's: the only ones that cost storage.
    """

    name: str
    plan_id: str
    finished_at: datetime | None  # None: a plan is being applied, or died while it was
    expires_at: datetime | None  # None: never
    views: int
    built: int


def list_environments(warm: WarmContext) -> tuple[EnvironmentFacts, ...]:
    """Return prod first, then the others by name."""
    with warm.use(load=False) as context:
        found = context.state_reader.get_environments()
    prod = next((e for e in found if e.name == PROD), None)
    versions = {s.name: s.version for s in prod.snapshots} if prod is not None else {}
    facts = (_facts(environment, versions) for environment in found)
    return tuple(sorted(facts, key=lambda fact: (fact.name != PROD, fact.name)))


def drop_environment(warm: WarmContext, name: str) -> None:
    """Take away an environment's views and schemas now; its tables go with the janitor.

    Raises RefusedError for prod, BadInputError for one that doesn't exist.
    """
    if name == PROD:
        raise RefusedError("prod is no environment to drop", hint=_NEXT)
    with warm.use(load=False) as context:
        if context.state_reader.get_environment(name) is None:
            raise BadInputError(f"there is no environment {name}", hint=_NEXT)
        context.invalidate_environment(name, sync=True)


def clean_up(warm: WarmContext, *, ignore_ttl: bool = False) -> tuple[str, ...]:
    """Drop expired environments and the tables that no environment uses; return the names of the former.

    Tables stay for SQLMesh's snapshot TTL after their last use, unless it is ignored.
    """
    with warm.use() as context:
        before = {e.name for e in context.state_reader.get_environments_summary()}
        context.run_janitor(ignore_ttl=ignore_ttl)
        after = {e.name for e in context.state_reader.get_environments_summary()}
    return tuple(sorted(before - after))


def _facts(environment: Any, prod: Mapping[str, str]) -> EnvironmentFacts:
    promoted = environment.promoted_snapshots
    return EnvironmentFacts(
        name=environment.name,
        plan_id=environment.plan_id,
        finished_at=_moment(environment.finalized_ts),
        expires_at=_moment(environment.expiration_ts),
        views=len(promoted),
        built=sum(prod.get(s.name) != s.version for s in promoted)
        if environment.name != PROD
        else len(promoted),
    )


def _moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
