"""What `lake connect` does: plan, apply, status, stats and delete against one instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import httpx

from ingest.connect.api import ConnectClient
from ingest.connect.apply import Applied, apply_plan
from ingest.connect.pipeline import (
    Pipeline,
    digest_of,
    load_pipelines,
    pipeline_names,
    pipeline_variables,
)
from ingest.connect.plan import ConnectPlan, plan_streams
from lake.clock import Clock, SystemClock
from lake.errors import BadInputError
from lake.settings import Settings

_ROUNDS = 3


class StreamState(Enum):
    """How a stream stands against its pipeline."""

    RUNNING = "running"  # as described
    ENDED = "ended"  # as described; its input has ended
    DIFFERS = "differs"  # runs with another configuration
    ABSENT = "absent"  # described, and not there
    LEFT_OVER = "left over"  # ours, and no pipeline describes it


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One stream of ours."""

    stream: str
    state: StreamState
    uptime_seconds: float | None = None


class Connect:
    """One instance of Redpanda Connect and one project's pipelines."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._prefix = settings.connect.prefix
        self._clock = clock or SystemClock()
        hidden = frozenset(v.get_secret_value() for v in pipeline_variables(settings).values())
        self._client = ConnectClient(
            settings.connect, hidden=hidden | settings.secrets(), transport=transport
        )

    def plan(self, only: Sequence[str] = ()) -> ConnectPlan:
        """Compare; changes nothing. Raises BadInputError for a name that is neither described nor running."""
        return self.compare(only)[0]

    def compare(self, only: Sequence[str] = ()) -> tuple[ConnectPlan, tuple[Pipeline, ...]]:
        """Return the plan together with the pipelines that it is made of."""
        running = self._digests()
        self._check_known(only, {*pipeline_names(self._folder), *map(self._short, running)})
        return self._compare(only, running)

    def apply(self, only: Sequence[str] = ()) -> tuple[Applied, ...]:
        """Plan and apply, and look again: a restart meanwhile forgets what was applied first.

        A second time it does nothing.
        """
        plan, pipelines = self.compare(only)
        done: dict[str, Applied] = {}
        for _ in range(_ROUNDS):
            done |= {a.stream: a for a in self.carry_out(plan, pipelines)}
            if any(a.error for a in done.values()):
                break
            plan, pipelines = self._compare(only, self._digests())
            if not plan.changes:
                break
        return tuple(done.values())

    def carry_out(self, plan: ConnectPlan, pipelines: Sequence[Pipeline]) -> tuple[Applied, ...]:
        """Apply a plan; a stream that moved since is left alone and said so."""
        return apply_plan(plan, pipelines, self._client, self._clock, prefix=self._prefix)

    def delete(self, names: Sequence[str]) -> tuple[Applied, ...]:
        """Stop streams of ours by their pipelines' names, described or not."""
        running = self._digests()
        self._check_known(names, set(map(self._short, running)))
        plan = plan_streams((), running, prefix=self._prefix, only=frozenset(names))
        return self.carry_out(plan, ())

    def status(self) -> tuple[tuple[StreamStatus, ...], str]:
        """Return how each stream of ours stands, and what Connect says is not connected."""
        pipelines = load_pipelines(self._folder, self._settings)
        wanted = {f"{self._prefix}{p.name}": p for p in pipelines}
        running = self._ours()
        found = []
        for name in sorted(wanted.keys() | running.keys()):
            live = running.get(name)
            if live is None:
                found.append(StreamStatus(stream=name, state=StreamState.ABSENT))
                continue
            state = StreamState.RUNNING if live.active else StreamState.ENDED
            if name not in wanted:
                state = StreamState.LEFT_OVER
            elif digest_of(live.config) != wanted[name].digest:
                state = StreamState.DIFFERS
            found.append(StreamStatus(stream=name, state=state, uptime_seconds=live.uptime_seconds))
        return tuple(found), self._client.not_ready()

    def stats(self, names: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
        """Return the counters of streams of ours, all of them when none is named."""
        ours = [name for name in self._client.streams() if name.startswith(self._prefix)]
        self._check_known(names, set(map(self._short, ours)))
        wanted = [name for name in sorted(ours) if not names or self._short(name) in names]
        return {name: stats for name in wanted if (stats := self._client.stats(name)) is not None}

    def _compare(
        self, only: Sequence[str], running: Mapping[str, str]
    ) -> tuple[ConnectPlan, tuple[Pipeline, ...]]:
        pipelines = load_pipelines(self._folder, self._settings, only=only)
        return plan_streams(pipelines, running, prefix=self._prefix, only=frozenset(only)), pipelines

    def _short(self, stream: str) -> str:
        return stream.removeprefix(self._prefix)

    def _ours(self) -> dict[str, Any]:
        names = [name for name in self._client.streams() if name.startswith(self._prefix)]
        return {name: live for name in names if (live := self._client.stream(name)) is not None}

    def _digests(self) -> dict[str, str]:
        return {name: digest_of(live.config) for name, live in self._ours().items()}

    def _check_known(self, names: Sequence[str], known: set[str]) -> None:
        if unknown := [name for name in names if name not in known]:
            listed = ", ".join(sorted(known)) or "none"
            raise BadInputError(
                f"there is no pipeline or stream {', '.join(unknown)}; known: {listed}",
                hint="lake connect status",
            )
