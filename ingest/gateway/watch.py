"""What the gateway looks at while it runs: expired keys, deploys, streams that landing is behind of."""

from __future__ import annotations

import asyncio

from starlette.concurrency import run_in_threadpool

from ingest.gateway.ledger import Ledger
from ingest.gateway.metrics import Metrics
from ingest.gateway.offer import Offer
from ingest.status import read_status
from lake.errors import LakeError
from lake.log import get_logger
from lake.settings import Settings

log = get_logger("gateway")

_FORGET_SECONDS = 600.0
_LAG_SECONDS = 15.0
_DEPLOY_SECONDS = 5.0


async def forget_expired_keys(ledger: Ledger) -> None:
    """Delete idempotency keys older than a day, for ever; a database that is down is asked again later."""
    while True:
        try:
            while await ledger.forget_expired():
                pass
        except LakeError as error:
            log.info("idempotency.not_swept", reason=error.message)
        await asyncio.sleep(_FORGET_SECONDS)


async def follow_deploys(offer: Offer) -> None:
    """Take the contracts that are deployed while the gateway runs, for ever."""
    while True:
        await asyncio.sleep(_DEPLOY_SECONDS)
        await refresh(offer)


async def refresh(offer: Offer) -> None:
    """Look once what is deployed; when that can't be found out, what is known goes on."""
    try:
        await run_in_threadpool(offer.refresh)
    except LakeError as error:
        log.warning("contracts.not_refreshed", reason=error.message)


async def watch_lag(settings: Settings, offer: Offer, behind: dict[str, int], metrics: Metrics) -> None:
    """Keep in `behind` the streams with more unlanded records than the limit, for ever.

    What can't be found out holds nobody up: the broker keeps the records, and `lake ingest status` tells.
    """
    limit = settings.gateway.lag_records
    while limit:
        try:
            found = await run_in_threadpool(read_status, settings, offer.contracts)
        except LakeError as error:
            log.info("lag.unknown", reason=error.message)
            found = ()
        behind.clear()
        behind.update({s.stream: s.lag for s in found if s.lag > limit})
        metrics.show_lag({s.stream: s.lag for s in found})
        await asyncio.sleep(_LAG_SECONDS)
