"""The CRM's HTTP API.

    POST /v1/contacts/batch         {"contacts": [{"external_id", "properties": {…}, "idempotency_key"}, …]}
    POST /v1/contacts/batch-delete  {"contacts": [{"external_id", "idempotency_key"}, …]}
    GET  /v1/contacts/<external_id> a contact, or 404
    GET  /v1/contacts?limit=&after= {"data": [contact, …], "next": "<external_id>" | null}
    GET  /v1/stats                  counts since the beginning
    GET  /health                    {"status": "ok"}

A contact is {"external_id", "properties", "version", "created_at", "updated_at"}.
A batch holds up to 200 rows and is answered with 200 and a result for each row, in their order:
`{"results": [{"external_id", "status", "duplicate"?: true, "error"?: {"code", "message"}}, …]}`. Status is
created, updated or unchanged for upserts, deleted or missing for deletions, and error for a row that
breaks a rule; the other rows of its batch are applied. Properties are merged into the contact; null takes
one away. A row whose idempotency_key was seen before gets the status of then, with `duplicate`.
The whole batch is refused with 400 when it is no such object and 413 when it has too many rows.
429 and 503 carry Retry-After in seconds; a 503 may come after the batch was applied: send it again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from demo.crm.rules import BATCH_ROWS, Row, RowError, read_row
from demo.crm.store import ContactStore, Outcome
from demo.faults import Allowance, Fault, Faults
from demo.http import Guard, problem

KINDS = (Fault.BUSY, Fault.UNAVAILABLE, Fault.ANSWER_LOST)
LARGEST_PAGE = 1_000


def crm_app(
    store: ContactStore, *, token: str, faults: Faults, allowance: Allowance, latency: float
) -> ASGIApp:
    """Build the API over a store, which it closes at its end; `latency` is seconds added to each answer."""
    api = Api(store, faults=faults, latency=latency)
    routes = [
        Route("/health", api.health),
        Route("/v1/stats", api.stats),
        Route("/v1/contacts", api.several),
        Route("/v1/contacts/batch", api.upsert, methods=["POST"]),
        Route("/v1/contacts/batch-delete", api.delete, methods=["POST"]),
        Route("/v1/contacts/{external_id}", api.one),
    ]
    app = Starlette(routes=routes, lifespan=api.lifespan)
    return Guard(app, token=token, faults=faults, allowance=allowance)


class Api:
    """What each address does."""

    def __init__(self, store: ContactStore, *, faults: Faults, latency: float) -> None:
        self._store = store
        self._faults = faults
        self._latency = latency

    async def health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def upsert(self, request: Request) -> Response:
        return await self._apply(request, deletion=False)

    async def delete(self, request: Request) -> Response:
        return await self._apply(request, deletion=True)

    async def one(self, request: Request) -> Response:
        await asyncio.sleep(self._latency)
        found = await run_in_threadpool(self._store.contact, request.path_params["external_id"])
        return problem(404, "not_found", "no such contact") if found is None else JSONResponse(found)

    async def several(self, request: Request) -> Response:
        await asyncio.sleep(self._latency)
        asked = request.query_params.get("limit", "100")
        if not (asked.isascii() and asked.isdigit()) or not 1 <= int(asked) <= LARGEST_PAGE:
            return problem(400, "bad_request", f"limit: give a number from 1 to {LARGEST_PAGE}")
        limit, after = int(asked), request.query_params.get("after", "")
        found = await run_in_threadpool(self._store.contacts, limit=limit + 1, after=after)
        following = found[limit - 1]["external_id"] if len(found) > limit else None
        return JSONResponse({"data": found[:limit], "next": following})

    async def stats(self, _request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self._store.stats) | {"requests": self._faults.requests})

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        yield
        self._store.close()

    async def _apply(self, request: Request, *, deletion: bool) -> Response:
        body = await request.body()  # a client that gives up while we wait has said all it wanted to say
        await asyncio.sleep(self._latency)
        rows = read_batch(body, deletion=deletion)
        if isinstance(rows, Response):
            return rows
        outcomes = await run_in_threadpool(self._store.apply, [row for _, row in rows])
        results = [_result(name, outcome) for (name, _), outcome in zip(rows, outcomes, strict=True)]
        return JSONResponse({"results": results})


def read_batch(body: bytes, *, deletion: bool) -> list[tuple[str | None, Row | RowError]] | Response:
    """Return each row's external_id and what it says, or the answer that refuses the batch."""
    try:
        rows = json.loads(body)["contacts"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return problem(400, "bad_request", 'send {"contacts": [row, …]}')
    if not isinstance(rows, list) or not rows:
        return problem(400, "bad_request", "contacts is a list of at least one row")
    if len(rows) > BATCH_ROWS:
        return problem(413, "batch_too_large", f"{len(rows)} rows; at most {BATCH_ROWS}")
    return [_read(raw, deletion=deletion) for raw in rows]


def _read(raw: Any, *, deletion: bool) -> tuple[str | None, Row | RowError]:
    try:
        row = read_row(raw, deletion=deletion)
    except RowError as error:
        named = raw.get("external_id") if isinstance(raw, dict) else None
        return named if isinstance(named, str) and named.isprintable() else None, error
    return row.external_id, row


def _result(external_id: str | None, outcome: Outcome | RowError) -> dict[str, Any]:
    if isinstance(outcome, RowError):
        error = {"code": outcome.code, "message": str(outcome)}
        return {"external_id": external_id, "status": "error", "error": error}
    repeated = {"duplicate": True} if outcome.duplicate else {}
    return {"external_id": external_id, "status": outcome.status, **repeated}
