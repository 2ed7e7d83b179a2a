"""Idempotency keys in PostgreSQL, for the event loop: claims, outcomes, and forgetting after a day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from starlette.concurrency import run_in_threadpool

from ingest.gateway.repeats import Marks
from lake.control import Claim, claim_keys, forget_expired, release_keys, settle_keys
from lake.errors import UnavailableError
from lake.log import get_logger
from lake.postgres import Pool

log = get_logger("gateway")

_MARGIN = timedelta(seconds=30)


class Ledger:
    """Claims keys before their records are sent and keeps what became of them."""

    def __init__(self, pool: Pool, *, ack_seconds: float) -> None:
        self._pool = pool
        self._lease = timedelta(seconds=ack_seconds) + _MARGIN

    async def claim(self, scope: str, marks: Marks) -> Claim | None:
        """Claim the request's keys; None when it has none. Raises UnavailableError."""
        if not marks.fingerprints:
            return None
        return await run_in_threadpool(self._claim, scope, marks)

    async def settle(self, claim: Claim | None, keys: Iterable[str], outcome: Any) -> None:
        """Keep an outcome; when that fails the records stand in the log and a repeat is sent again."""
        await self._finish(settle_keys, claim, keys, outcome)

    async def release(self, claim: Claim | None, keys: Iterable[str]) -> None:
        """Give keys back; when that fails they are free when their lease ends."""
        await self._finish(release_keys, claim, keys)

    async def forget_expired(self) -> int:
        """Delete keys that are older than a day, some of them at a time."""

        def forget() -> int:
            with self._pool.connection() as connection:
                return forget_expired(connection)

        return await run_in_threadpool(forget)

    def _claim(self, scope: str, marks: Marks) -> Claim:
        with self._pool.connection() as connection:
            return claim_keys(connection, scope=scope, fingerprints=marks.fingerprints, lease=self._lease)

    async def _finish(self, act: Any, claim: Claim | None, keys: Iterable[str], *outcome: Any) -> None:
        held = [] if claim is None else [key for key in keys if key in claim.granted]
        if not held:
            return

        def finish() -> None:
            with self._pool.connection() as connection:
                act(connection, claim, held, *outcome)

        try:
            await run_in_threadpool(finish)
        except UnavailableError as error:
            log.warning("idempotency.not_kept", keys=len(held), reason=error.message)
