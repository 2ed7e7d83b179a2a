"""API keys of the gateway, as PostgreSQL keeps them: the secret itself is nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lake.postgres import Connection, read_sections

ALL_STREAMS = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One key: which streams it may send to, and how fast."""

    key_id: str
    name: str
    secret_sha256: bytes = field(repr=False)
    streams: tuple[str, ...]
    records_per_second: int
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def may_send_to(self, stream: str) -> bool:
        return ALL_STREAMS in self.streams or stream in self.streams

    def is_active(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create_key(
    connection: Connection,
    *,
    key_id: str,
    name: str,
    secret_sha256: bytes,
    streams: tuple[str, ...],
    records_per_second: int,
    created_by: str,
    expires_at: datetime | None,
) -> ApiKey:
    """Keep a new key."""
    row = connection.execute(
        _sql("create_key"),
        {
            "key_id": key_id,
            "name": name,
            "secret_sha256": secret_sha256,
            "streams": list(streams),
            "records_per_second": records_per_second,
            "created_by": created_by,
            "expires_at": expires_at,
        },
    ).fetchone()
    assert row is not None
    return _key(row)


def list_keys(connection: Connection) -> tuple[ApiKey, ...]:
    """Return all keys, the oldest first, revoked ones too."""
    return tuple(_key(row) for row in connection.execute(_sql("list_keys")))


def active_keys(connection: Connection) -> tuple[ApiKey, ...]:
    """Return the keys that are neither revoked nor expired."""
    return tuple(_key(row) for row in connection.execute(_sql("active_keys")))


def revoke_key(connection: Connection, key_id: str) -> ApiKey | None:
    """Revoke a key and return it; None when there is none. Doing it again changes nothing."""
    row = connection.execute(_sql("revoke_key"), {"key_id": key_id}).fetchone()
    return None if row is None else _key(row)


def _key(row: Mapping[str, Any]) -> ApiKey:
    return ApiKey(**{**row, "streams": tuple(row["streams"]), "secret_sha256": bytes(row["secret_sha256"])})


def _sql(name: str) -> Any:
    return read_sections("lake.control", "api_keys.sql")[name]
