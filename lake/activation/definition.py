"""What a sync is: a model, its key, the fields it maps, where they go and how much may change."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An HTTP API with batch upsert, batch delete, an answer per record, and idempotency keys.

    A request is `{envelope: [record, …]}`.
    `url` and `token` may hold `${name}`, resolved only when a connection is opened.
    At most `requests` per `per_seconds`; a Retry-After beyond `retry_after_max_seconds` parks the run.
    """

    url: str
    token: str
    upsert: str
    delete: str
    read: str
    envelope: str
    batch_size: int
    requests: int
    per_seconds: float
    timeout_seconds: float
    attempts: int
    retry_after_max_seconds: float
    verify_sample: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """How large a share of the ledger one plan may touch, once there is a ledger.

    Fewer than `always_allow` records of a kind never trip a guard: shares of small ledgers say little.
    """

    max_create_share: float
    max_update_share: float
    max_delete_share: float
    always_allow: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """One mart kept in step with one destination (mirror: what left the mart is deleted there).

    `fields` pairs (destination property, mart column), sorted by property; only they are compared and sent.
    """

    name: str
    description: str
    owner: str
    model: str
    key: str
    fields: tuple[tuple[str, str], ...]
    destination: Destination
    guards: Guards

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the mart columns to read, the key first, each once."""
        return tuple(dict.fromkeys((self.key, *(column for _, column in self.fields))))

    @property
    def mapping(self) -> str:
        """Return a fingerprint of what decides content: model, key, fields and address."""
        content = [self.name, self.model, self.key, self.fields, self.destination.url]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()
