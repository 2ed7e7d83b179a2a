"""The retail HTTP API.

    GET /                                      what there is
    GET /health                                {"status": "ok"}
    GET /v1/<resource>?limit=&cursor=&updated_since=
                                               {"data": […], "next": "<cursor>" | null}

Records come in the order of (updated_at, primary key). `next` is opaque: pass it as `cursor`, with the
same `updated_since` or none; null means the end. `updated_since` is inclusive. Each answer has an ETag;
`If-None-Match` gets 304 when nothing has changed. All but the first two want `Authorization: Bearer`.
429 and 503 carry Retry-After (seconds); 500 is worth another try. 400 names the wrong parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from demo.faults import Fault, Faults
from demo.http import Guard, problem
from demo.retail.paging import (
    DEFAULT_LIMIT,
    LARGEST_LIMIT,
    PARAMETERS,
    BadQueryError,
    parse_query,
    write_cursor,
)
from demo.retail.resources import Resource

KINDS = (Fault.BUSY, Fault.UNAVAILABLE, Fault.BROKEN)


def retail_app(resources: Mapping[str, Resource], *, token: str, faults: Faults) -> ASGIApp:
    """Build the API over encoded resources."""
    about = {
        "service": "retail",
        "resources": {
            name: {"path": f"/v1/{name}", "primary_key": list(resource.key), "count": len(resource.records)}
            for name, resource in resources.items()
        },
        "parameters": sorted(PARAMETERS),
        "limit": {"default": DEFAULT_LIMIT, "largest": LARGEST_LIMIT},
        "order": ["updated_at", "primary_key"],
        "documentation": __doc__,
    }

    async def describe(_request: Request) -> Response:
        return JSONResponse(about)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def page(request: Request) -> Response:
        resource = resources.get(request.path_params["resource"])
        if resource is None:
            return problem(404, "not_found", f"there are {', '.join(resources)}")
        return answer(request, resource)

    routes = [Route("/", describe), Route("/health", health), Route("/v1/{resource}", page)]
    return Guard(Starlette(routes=routes), token=token, faults=faults)


def answer(request: Request, resource: Resource) -> Response:
    """Answer with one page, or with 304 when the client has it already."""
    try:
        query = parse_query(request.query_params.multi_items(), resource)
    except BadQueryError as error:
        return problem(400, "bad_request", str(error))
    found = resource.page(limit=query.limit, since=query.since, after=query.after)
    following = f'"{write_cursor(resource, query.since, found.after)}"' if found.after else "null"
    body = b'{"data":[' + b",".join(found.records) + b'],"next":' + following.encode() + b"}"
    tag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
    if _has(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(body, media_type="application/json", headers={"ETag": tag})


def _has(header: str, tag: str) -> bool:
    """Compare weakly, as RFC 9110 §13.1.2 asks."""
    sent = {part.strip().removeprefix("W/") for part in header.split(",")}
    return tag in sent or "*" in sent
