"""The OpenAPI document: an address for each stream, with the shape of its records from the contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from ingest.gateway.answers import PROBLEM
from ingest.gateway.records import JSON, NDJSON
from ingest.gateway.verdict import OnInvalid
from lake.contracts import Contract
from lake.contracts.derive import json_schema

STREAMS = "/v1/streams"

_COUNT = {"type": "integer", "minimum": 0}
_INDEXES = {"type": "array", "items": _COUNT}
_RULE = {
    "type": "object",
    "required": ["rule", "path", "message"],
    "properties": {name: {"type": "string"} for name in ("rule", "path", "message")},
}
_OUTCOME: Mapping[str, Any] = {
    "stream": {"type": "string"},
    "contract": {"type": "string", "description": "Version of the contract applied."},
    "received": {**_COUNT, "description": "Records in the request."},
    "accepted": {**_COUNT, "description": "Records that all replicas of the broker hold."},
    "duplicates": {**_COUNT, "description": "Records that were accepted before under the same key."},
    "invalid": {**_COUNT, "description": "Records that break the contract."},
    "invalid_indexes": {**_INDEXES, "description": "Their places in the request, from 0."},
    "errors": {
        "type": "array",
        "maxItems": 100,
        "description": "What the first of them break.",
        "items": {
            "type": "object",
            "required": ["index", "rules"],
            "properties": {"index": _COUNT, "rules": {"type": "array", "items": _RULE}},
        },
    },
}
_COUNTS = ["stream", "contract", "received", "accepted", "duplicates", "invalid"]
_PROBLEM = {
    "type": "object",
    "required": ["title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        **_OUTCOME,
    },
}
_REFUSALS = {
    400: "The request can't be read; nothing was sent.",
    401: "No active API key.",
    403: "The key may not send to this stream.",
    404: "No such stream.",
    408: "The body took too long.",
    409: "A request with the same idempotency key is still being sent; wait for it.",
    413: "Too many bytes, records or levels; or a compressed body that grows too large.",
    415: "Content type or encoding isn't read here.",
    422: "Records break the contract, or the Idempotency-Key was used for another request; nothing was sent.",
    429: "Faster than the key's rate; Retry-After says when to come back.",
    503: (
        "Not now; Retry-After says when to come back. Some records may have been sent when `unknown_indexes`"
        " is there: repeat the request under the same idempotency key."
    ),
}


def describe(contracts: Iterable[Contract], paths: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document for these streams and the given other paths."""
    streams = tuple(contracts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "lakemesh gateway",
            "version": version("lakemesh"),
            "description": "Send records to streams; 202 means that all replicas of the broker hold them.",
        },
        "paths": {**{f"{STREAMS}/{c.stream}": {"post": _post(c)} for c in streams}, **paths},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {
                "Outcome": {"type": "object", "required": _COUNTS, "properties": _OUTCOME},
                "Problem": _PROBLEM,
                **{f"record.{c.stream}": _record(c) for c in streams},
            },
        },
        "security": [{"bearer": []}],
    }


def _post(contract: Contract) -> dict[str, Any]:
    record = {"$ref": f"#/components/schemas/record.{contract.stream}"}
    outcome = {JSON: {"schema": {"$ref": "#/components/schemas/Outcome"}}}
    problem = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "operationId": f"send_{contract.stream}",
        "summary": contract.description or contract.stream,
        "tags": ["streams"],
        "parameters": [
            _query(
                "on_invalid",
                {"enum": [p.value for p in OnInvalid], "default": OnInvalid.REJECT.value},
                "What to do when records break the contract: send none, the others, or all.",
            ),
            _query(
                "idempotency_field",
                {"pattern": "^[A-Za-z0-9_.-]{1,255}$"},
                "Member of each record that tells it from all others; not together with Idempotency-Key.",
            ),
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "The same for each try of one request; remembered for 24 hours.",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            },
        ],
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": {"anyOf": [record, {"type": "array", "minItems": 1, "items": record}]}},
                NDJSON: {"schema": {"type": "string", "description": "One record a line."}},
            },
        },
        "responses": {
            "202": {"description": "All replicas hold the records.", "content": outcome},
            "207": {"description": "Some records were sent, others break the contract.", "content": outcome},
            **{
                str(status): {"description": text, "content": problem, **_retry(status)}
                for status, text in _REFUSALS.items()
            },
        },
    }


def _record(contract: Contract) -> dict[str, Any]:
    """Return the schema of a record; the document says for all of them which dialect they are in."""
    schema: dict[str, Any] = json.loads(json_schema(contract))
    del schema["$schema"]
    return {"description": contract.description, **schema}


def _query(name: str, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": {"type": "string", **schema}}


def _retry(status: int) -> dict[str, Any]:
    if status not in {409, 429, 503}:
        return {}
    return {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
