"""What operators do with the gateway: see which streams it takes, make keys, list them, revoke them."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from datetime import datetime

from ingest.gateway.keyring import NewKey, make_key
from lake.contracts import Contract, Format, Framing, Mode, Status, StreamKind
from lake.control import ALL_STREAMS, ApiKey, create_key, list_keys, revoke_key
from lake.errors import BadInputError
from lake.postgres import connect
from lake.settings import Settings


def gateway_streams(contracts: Sequence[Contract], *, own_ids: bool = True) -> dict[str, Contract]:
    """Return the streams that can be sent to: topics whose records are rows in JSON.

    Changes (Debezium's envelopes) come from a database's log, not over HTTP. Framed records carry the id
    that the contract gives, so without `own_ids` (another registry gives them) their streams are left out.
    """
    return {
        c.stream: c
        for c in contracts
        if c.kind is StreamKind.TOPIC
        and c.format is Format.JSON
        and c.mode is not Mode.CDC
        and c.status is not Status.RETIRED
        and (own_ids or c.framing is Framing.PLAIN)
    }


def new_key(
    settings: Settings,
    contracts: Sequence[Contract],
    *,
    name: str,
    streams: Sequence[str],
    records_per_second: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, NewKey]:
    """Make a key for these streams (`*`: all); its token can be shown now and never again.

    Raises BadInputError for a stream that no contract of a topic describes.
    """
    known = gateway_streams(contracts, own_ids=not settings.registry.url)
    if unknown := [stream for stream in streams if stream != ALL_STREAMS and stream not in known]:
        raise BadInputError(
            f"the gateway takes nothing for {', '.join(unknown)}; it takes {', '.join(known) or 'nothing'}",
            hint="lake contract list",
        )
    made = make_key()
    with connect(settings.postgres) as connection:
        kept = create_key(
            connection,
            key_id=made.key_id,
            name=name,
            secret_sha256=made.secret_sha256,
            streams=tuple(streams),
            records_per_second=records_per_second or settings.gateway.records_per_second,
            created_by=getpass.getuser(),
            expires_at=expires_at,
        )
    return kept, made


def read_keys(settings: Settings) -> tuple[ApiKey, ...]:
    """Return all keys, the oldest first."""
    with connect(settings.postgres) as connection:
        return list_keys(connection)


def end_key(settings: Settings, key_id: str) -> ApiKey:
    """Revoke a key; a running gateway refuses it within seconds. Raises BadInputError for an unknown one."""
    with connect(settings.postgres) as connection:
        found = revoke_key(connection, key_id)
    if found is None:
        raise BadInputError(f"there is no key {key_id}", hint="lake gateway key list")
    return found
