"""Put the gateway together: one ASGI application from settings and contracts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ingest.deploy.history import read_history
from ingest.gateway.answers import Refusal
from ingest.gateway.body import Budget
from ingest.gateway.intake import Intake
from ingest.gateway.keyring import KeyRing
from ingest.gateway.ledger import Ledger
from ingest.gateway.metrics import CONTENT_TYPE, Metrics
from ingest.gateway.offer import Offer
from ingest.gateway.openapi import STREAMS
from ingest.gateway.outlet import Outlet
from ingest.gateway.pace import Pace
from ingest.gateway.page import render
from ingest.gateway.watch import follow_deploys, forget_expired_keys, refresh, watch_lag
from ingest.registry.catalogue import Catalogue, catalogue
from ingest.registry.routes import Registry
from lake.clock import Clock, SystemClock
from lake.contracts import Contract
from lake.control import ApiKey, active_keys, read_contracts
from lake.errors import UnavailableError
from lake.log import get_logger
from lake.postgres import Pool
from lake.settings import Settings

log = get_logger("gateway")

_CONNECTIONS = 8
_JSON = {"application/json": {"schema": {"type": "object"}}}
_OTHER_PATHS: Mapping[str, Any] = {
    "/health/live": {
        "get": {
            "operationId": "live",
            "summary": "The process answers.",
            "tags": ["health"],
            "security": [],
            "responses": {"200": {"description": "It does.", "content": _JSON}},
        }
    },
    "/health/ready": {
        "get": {
            "operationId": "ready",
            "summary": "Records can be taken: broker and PostgreSQL answer.",
            "tags": ["health"],
            "security": [],
            "responses": {
                "200": {"description": "They do.", "content": _JSON},
                "503": {"description": "Not all of them do.", "content": _JSON},
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "summary": "Counters in Prometheus' text format.",
            "tags": ["health"],
            "security": [],
            "responses": {
                "200": {"description": "All.", "content": {"text/plain": {"schema": {"type": "string"}}}}
            },
        }
    },
}


def build_app(settings: Settings, contracts: Sequence[Contract], *, clock: Clock | None = None) -> Starlette:
    """Return the application; its lifespan opens and closes what it holds, and empties the queue last."""
    return _Gateway(settings, contracts, clock or SystemClock()).app()


class _Gateway:
    """What the addresses share."""

    def __init__(self, settings: Settings, contracts: Sequence[Contract], clock: Clock) -> None:
        limits = settings.gateway
        self._settings = settings
        self._offer = Offer(
            contracts,
            lambda: read_contracts(settings.postgres),
            own_ids=not settings.registry.url,
            paths=_OTHER_PATHS,
        )
        self._behind: dict[str, int] = {}
        self._pool = Pool(settings.postgres, size=_CONNECTIONS)
        self._outlet = Outlet(settings)
        producer = self._outlet.producer
        self._metrics = Metrics(pending=lambda: producer.pending, is_up=lambda: producer.is_up)
        self._ledger = Ledger(self._pool, ack_seconds=limits.ack_seconds)
        self._intake = Intake(
            settings=limits,
            offer=self._offer,
            keyring=KeyRing(self._load_keys, clock),
            pace=Pace(),
            ledger=self._ledger,
            outlet=self._outlet,
            metrics=self._metrics,
            clock=clock,
            budget=Budget(limit=limits.pending_bytes),
            behind=self._behind,
        )
        self._registry = Registry(
            Catalogue(lambda: catalogue(contracts, read_history(settings.postgres)), clock)
        )

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route(f"{STREAMS}/{{stream}}", self._intake.post, methods=["POST"]),
                Route("/health", self._ready),
                Route("/health/live", self._live),
                Route("/health/ready", self._ready),
                Route("/metrics", self._show_metrics),
                Route("/openapi.json", self._openapi),
                Route("/", self._page),
                *self._registry.routes(),
            ],
            exception_handlers={HTTPException: _refuse, 500: _fail},
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        await refresh(self._offer)
        watches = [
            asyncio.create_task(forget_expired_keys(self._ledger)),
            asyncio.create_task(follow_deploys(self._offer)),
            asyncio.create_task(watch_lag(self._settings, self._offer, self._behind, self._metrics)),
        ]
        yield
        for watch in watches:
            watch.cancel()
        left = await run_in_threadpool(self._outlet.producer.close, self._settings.gateway.ack_seconds)
        if left:
            log.warning(
                "records.unknown", records=left, reason="the gateway ended before the broker answered"
            )
        await run_in_threadpool(self._pool.close)

    async def _live(self, _request: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _request: Request) -> Response:
        found = {
            "broker": self._outlet.producer.is_up,
            "postgres": await run_in_threadpool(self._postgres_answers),
        }
        ready = all(found.values())
        return JSONResponse({"ready": ready, **found}, 200 if ready else 503)

    async def _show_metrics(self, _request: Request) -> Response:
        return Response(self._metrics.render(), headers={"Content-Type": CONTENT_TYPE})

    async def _openapi(self, _request: Request) -> Response:
        return JSONResponse(self._offer.document)

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(render(self._offer.contracts, str(request.base_url).rstrip("/")))

    def _load_keys(self) -> tuple[ApiKey, ...]:
        with self._pool.connection() as connection:
            return active_keys(connection)

    def _postgres_answers(self) -> bool:
        try:
            with self._pool.connection() as connection:
                return connection.execute("SELECT 1").fetchone() is not None
        except UnavailableError:
            return False


async def _refuse(_request: Request, error: Exception) -> Response:
    """Answer what the router refuses in the same form as everything else."""
    assert isinstance(error, HTTPException)
    response = Refusal(error.status_code, error.detail).response()
    response.headers.update(error.headers or {})
    return response


async def _fail(request: Request, error: Exception) -> Response:
    """Answer what nobody foresaw; the log gets the details, the sender none of them."""
    log.error("request.broken", path=request.url.path, error=type(error).__name__)
    return Refusal(500, "an error that nobody foresaw; the gateway's log has it").response()
