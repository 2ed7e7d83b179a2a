"""Make the running streams what they should be, one after the other, and prove it by reading back.

For each stream: 1 Read it; what differs from the plan was changed by somebody: decide again. 2 Act.
3 Read back, whatever the answer said: an answer can be lost, a PUT can lose the stream, a restart can
forget it. 4 Not as wanted: again, a few times. 5 Still not, and it is gone although it ran: put back what
ran before. So a stream is never silently absent: it runs as wanted, or as before with an error, or the
error says that it does not run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ingest.connect.api import Running
from ingest.connect.pipeline import Pipeline, digest_of
from ingest.connect.plan import Action, ConnectPlan, Step
from lake.clock import Clock
from lake.errors import ConfigurationError, ConflictError, LakeError, OutcomeUnknownError, TransientError
from lake.log import get_logger

log = get_logger("connect")

_TRIES = 3
_PAUSE_SECONDS = 1.0


class StreamsApi(Protocol):
    """What applying needs of Connect; `ingest.connect.api` is the real one."""

    def stream(self, name: str) -> Running | None: ...
    def create(self, name: str, config: Mapping[str, Any]) -> None: ...
    def replace(self, name: str, config: Mapping[str, Any]) -> None: ...
    def delete(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What became of one action; `error` is empty when the stream is as wanted."""

    stream: str
    step: Step
    error: str = ""
    restored: bool = False  # it runs again as it did before


def apply_plan(
    plan: ConnectPlan, pipelines: Iterable[Pipeline], api: StreamsApi, clock: Clock, *, prefix: str
) -> tuple[Applied, ...]:
    """Apply every change; one that fails doesn't keep the others from being applied.

    Never raises for a stream that failed: look at `error`. Raises UnavailableError when Connect is down
    before anything was tried.
    """
    wanted = {f"{prefix}{p.name}": p.config for p in pipelines}
    return tuple(_apply(action, wanted.get(action.stream), api, clock) for action in plan.changes)


def _apply(action: Action, wanted: Mapping[str, Any] | None, api: StreamsApi, clock: Clock) -> Applied:
    before = api.stream(action.stream)  # 1
    try:
        _check_unmoved(action, before)
        _converge(action.stream, wanted, api, clock)
    except LakeError as error:
        restored = _put_back(action.stream, before, wanted, api)  # 5
        log.warning("stream.failed", stream=action.stream, step=action.step.value, restored=restored)
        return Applied(
            stream=action.stream, step=action.step, error=_told(action, error, before, api), restored=restored
        )
    log.info("stream.applied", stream=action.stream, step=action.step.value)
    return Applied(stream=action.stream, step=action.step)


def _check_unmoved(action: Action, before: Running | None) -> None:
    found = None if before is None else digest_of(before.config)
    if found not in {action.running, action.wanted}:
        raise ConflictError(
            f"stream {action.stream} was changed since the plan", hint="lake connect plan, then apply again"
        )


def _converge(name: str, wanted: Mapping[str, Any] | None, api: StreamsApi, clock: Clock) -> None:
    """Act until reading back shows what is wanted; raises the last error when it never does."""
    failure: LakeError | None = None
    was_there = False
    for number in range(_TRIES):
        found = api.stream(name)  # 3
        if _is_wanted(found, wanted):
            return
        if isinstance(failure, ConfigurationError) and (found is not None) == was_there:
            raise failure  # refused for what it is, and not because it came or went meanwhile
        if number:  # 4
            clock.sleep(_PAUSE_SECONDS)
        was_there = found is not None
        failure = _act(name, found, wanted, api)  # 2
    if not _is_wanted(api.stream(name), wanted):
        raise failure or OutcomeUnknownError(
            f"connect accepted stream {name} and then runs it otherwise",
            hint="lake connect status; is somebody else changing it?",
        )


def _act(
    name: str, found: Running | None, wanted: Mapping[str, Any] | None, api: StreamsApi
) -> LakeError | None:
    try:
        if wanted is None:
            api.delete(name)
        elif found is None:
            api.create(name, wanted)
        else:
            api.replace(name, wanted)
    except (ConfigurationError, OutcomeUnknownError, TransientError) as error:
        return error
    return None


def _is_wanted(found: Running | None, wanted: Mapping[str, Any] | None) -> bool:
    if wanted is None or found is None:
        return wanted is None and found is None
    return digest_of(found.config) == digest_of(wanted)


def _put_back(name: str, before: Running | None, wanted: Any, api: StreamsApi) -> bool:
    """Create the stream as it ran when it is gone and should not be; True when it runs so again."""
    if before is None or wanted is None:
        return False
    try:
        for _ in range(_TRIES):
            found = api.stream(name)
            if found is not None:
                return digest_of(found.config) == digest_of(before.config)
            _act(name, None, before.config, api)
        found = api.stream(name)
    except LakeError as error:
        log.warning("stream.not_restored", stream=name, reason=error.message)
        return False
    return found is not None


def _told(action: Action, error: LakeError, before: Running | None, api: StreamsApi) -> str:
    """Say what failed, and loudly when the stream does not run now."""
    try:
        absent = api.stream(action.stream) is None
    except LakeError:
        return f"{error.message}; whether {action.stream} runs is not known"
    if absent and action.step is not Step.DELETE:
        return f"{error.message}; {action.stream} DOES NOT RUN"
    running = "as before" if before is not None else "otherwise"
    return error.message if absent else f"{error.message}; {action.stream} runs {running}"
