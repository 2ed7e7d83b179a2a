"""An API of one resource in memory, and a project that extracts it; faults are put in its way by tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from lake.settings import Settings
from tests.fakes.project_files import lay_out

TOKEN = "token-of-this-test"
URL = "http://api.test"

CONTRACT = """\
apiVersion: v3.2.0
kind: DataContract
id: things
version: 1.0.0
description: {purpose: Things for tests.}
team: {name: testers}
schema:
  - name: things
    physicalType: extract
    customProperties:
      - {property: source, value: shop}
      - {property: resource, value: things}
    properties:
      - {name: id, logicalType: integer, logicalTypeOptions: {format: i64}, required: true, primaryKey: true}
      - {name: name, logicalType: string, required: true}
      - {name: price, logicalType: number, physicalType: 'decimal(12,2)', logicalTypeOptions: {minimum: 0}}
      - {name: updated_at, logicalType: timestamp, required: true}
"""
SOURCE = """\
source: shop
owner: testers
base_url: ${shop_url}
auth: {type: bearer, token: '${shop_token}'}
timeout_seconds: 5
retry: {total_seconds: 3, connect_seconds: 0.3, wait_initial_seconds: 0.01, wait_max_seconds: 0.02}
commit_rows: 10
resources:
  - name: things
    path: /things
    stream: things
    pagination: {type: cursor}
    page_size: {parameter: limit, value: 5}
    incremental: {}
"""

Fault = Callable[[httpx.Request], httpx.Response | None]


@dataclass
class PagedApi:
    """Serves `records` in the order of (updated_at, id); each fault meets one request, in turn."""

    records: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    requests: list[httpx.URL] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def put(self, number: int, at: str, **values: Any) -> None:
        """Add a record, or change the one with that id."""
        self.records = [r for r in self.records if r.get("id") != number]
        self.records.append(
            {"id": number, "name": f"thing {number}", "price": 1.25, "updated_at": at} | values
        )

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request.url)
        response = self._answer(request)
        self.answers.append(response.status_code)
        return response

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.faults and (broken := self.faults.pop(0)(request)) is not None:
            return broken
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return httpx.Response(401, json={"error": "no such token"})
        query = request.url.params
        ordered = sorted(self.records, key=_position)
        if since := query.get("updated_since"):
            ordered = [r for r in ordered if str(r.get("updated_at")) >= since]
        start = int(query.get("cursor", "0"))
        end = start + int(query["limit"])
        following = str(end) if end < len(ordered) else None
        body = json.dumps({"data": ordered[start:end], "next": following}).encode()
        tag = f'"{hash(body)}"'
        if request.headers.get("if-none-match") == tag:
            return httpx.Response(304)
        return httpx.Response(200, content=body, headers={"etag": tag})


def _position(record: dict[str, Any]) -> tuple[str, str]:
    return str(record.get("updated_at")), f"{record.get('id'):>12}"


def extract_project(folder: Path, settings: Settings, *, url: str = URL, token: str = TOKEN) -> Settings:
    """Lay out a project with one extract and return settings that point to it."""
    lay_out(folder, {"ingest/contracts/things.yaml": CONTRACT, "ingest/sources/shop.yaml": SOURCE})
    variables = {"shop_url": SecretStr(url), "shop_token": SecretStr(token)}
    return settings.model_copy(update={"project_root": folder, "variables": variables})
