"""What to do so that the running streams are the described ones; pure. Streams of others are not seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from ingest.connect.pipeline import Pipeline


class Step(Enum):
    """What a stream needs."""

    CREATE = "create"  # it is not there: new, or forgotten by a restart
    UPDATE = "update"  # it runs with another configuration
    DELETE = "delete"  # it is ours, and no pipeline describes it
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One stream and what it needs; digests stand for configurations, which hold secrets."""

    stream: str
    pipeline: str
    step: Step
    running: str | None = None
    wanted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectPlan:
    """All actions, by stream."""

    actions: tuple[Action, ...]

    @property
    def changes(self) -> tuple[Action, ...]:
        return tuple(action for action in self.actions if action.step is not Step.KEEP)


def plan_streams(
    pipelines: Iterable[Pipeline],
    running: Mapping[str, str],
    *,
    prefix: str,
    only: frozenset[str] = frozenset(),
) -> ConnectPlan:
    """Compare pipelines with the digests of the running streams whose name begins with `prefix`.

    With `only`, nothing else is looked at, and a named pipeline that no longer exists is deleted.
    """
    wanted = {f"{prefix}{p.name}": p for p in pipelines}
    ours = {name for name in running if name.startswith(prefix)}
    names = sorted(wanted.keys() | ours)
    actions = []
    for name in names:
        short = name.removeprefix(prefix)
        if only and short not in only:
            continue
        pipeline, found = wanted.get(name), running.get(name)
        if pipeline is None:
            step = Step.DELETE
        elif found is None:
            step = Step.CREATE
        else:
            step = Step.KEEP if found == pipeline.digest else Step.UPDATE
        actions.append(
            Action(
                stream=name,
                pipeline=short,
                step=step,
                running=found,
                wanted=pipeline.digest if pipeline else None,
            )
        )
    return ConnectPlan(actions=tuple(actions))
