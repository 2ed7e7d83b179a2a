"""Close a stream's circuit breaker and let through what its log holds now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lake.broker import full_name, read_ends
from lake.contracts import Contract, StreamKind
from lake.control.breakers import RUNS, close_breaker, read_breaker
from lake.errors import BadInputError
from lake.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a resume did; `let_through` are the ends of the log up to which records are not judged."""

    stream: str
    was_open: bool
    let_through: Mapping[str, int] = field(default_factory=dict)


def resume(
    settings: Settings, contracts: Sequence[Contract], stream: str, *, actor: str, reason: str
) -> Resumed:
    """Close the breaker; repeating it changes nothing.

    Bad records that the log holds at this moment go to quarantine; of an extract, those of its next run.
    Raises BadInputError for a stream that no contract describes, UnavailableError when the broker or
    PostgreSQL don't answer.
    """
    contract = next((c for c in contracts if c.stream == stream), None)
    if contract is None:
        raise BadInputError(f"no contract describes {stream}", hint="lake ingest status")
    if not read_breaker(settings.postgres, stream).is_open:
        return Resumed(stream=stream, was_open=False)
    let_through = {RUNS: 1}
    if contract.kind is StreamKind.TOPIC:
        topic = full_name(settings.broker, contract.topic)
        ends = read_ends(settings.broker, contract.topic)
        let_through = {f"{topic}/{partition}": int(end) for partition, end in ends.items()}
    closed = close_breaker(settings.postgres, stream, actor=actor, reason=reason, let_through=let_through)
    return Resumed(stream=stream, was_open=closed, let_through=let_through)
