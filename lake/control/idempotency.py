"""Idempotency keys: who is at which, and how it ended; kept for a day.

A key belongs to a scope. It is claimed before anything is sent and settled with the outcome afterwards;
a claim whose holder died can be taken over by the same content once its lease has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from lake.postgres import Connection, json_value, read_sections

KEPT_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What claiming gave: `granted` may be sent now; the others were used before.

    `kept` has the outcome by key, `busy` keys are being sent by another request, and `changed` ones were
    used for other content.
    """

    claim_id: UUID
    scope: str
    granted: frozenset[str]
    kept: Mapping[str, Any]
    busy: frozenset[str]
    changed: frozenset[str]


def claim_keys(
    connection: Connection, *, scope: str, fingerprints: Mapping[str, bytes], lease: timedelta
) -> Claim:
    """Claim the keys (each with the hash of its content) that nobody has used within a day."""
    claim_id, keys = uuid4(), list(fingerprints)
    granted = {
        row["key"]
        for row in connection.execute(
            _sql("claim"),
            {
                "scope": scope,
                "claim": claim_id,
                "keys": keys,
                "fingerprints": list(fingerprints.values()),
                "keep": KEPT_FOR,
                "lease": lease,
            },
        )
    }
    kept: dict[str, Any] = {}
    busy: set[str] = set()
    changed: set[str] = set()
    if others := [key for key in keys if key not in granted]:
        found = {
            row["key"]: row for row in connection.execute(_sql("read"), {"scope": scope, "keys": others})
        }
        for key in others:
            row = found.get(key)
            if row is None:  # released between the two statements: as good as busy, the next try gets it
                busy.add(key)
            elif bytes(row["fingerprint"]) != fingerprints[key]:
                changed.add(key)
            elif row["outcome"] is None:
                busy.add(key)
            else:
                kept[key] = row["outcome"]
    return Claim(
        claim_id=claim_id,
        scope=scope,
        granted=frozenset(granted),
        kept=kept,
        busy=frozenset(busy),
        changed=frozenset(changed),
    )


def settle_keys(connection: Connection, claim: Claim, keys: Iterable[str], outcome: Any) -> None:
    """Keep the outcome of granted keys; a claim that was taken over meanwhile is left alone."""
    connection.execute(_sql("settle"), {**_held(claim, keys), "outcome": json_value(outcome)})


def release_keys(connection: Connection, claim: Claim, keys: Iterable[str]) -> None:
    """Give granted keys back: nothing was sent under them, or its outcome is not known."""
    connection.execute(_sql("release"), _held(claim, keys))


def forget_expired(connection: Connection, *, limit: int = 10_000) -> int:
    """Delete at most `limit` keys that are older than a day; return how many there were."""
    return connection.execute(_sql("forget_expired"), {"limit": limit}).rowcount


def _held(claim: Claim, keys: Iterable[str]) -> dict[str, Any]:
    return {"scope": claim.scope, "claim": claim.claim_id, "keys": list(keys)}


def _sql(name: str) -> Any:
    return read_sections("lake.control", "idempotency.sql")[name]
