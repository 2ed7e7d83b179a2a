"""An API in every style of paging that misbehaves as it is told: busy, broken, out of order, twice."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from typing import Any

import httpx

STYLES: dict[str, dict[str, Any]] = {
    "none": {"type": "none"},
    "cursor": {"type": "cursor", "next": "meta.next"},
    "page": {"type": "page"},
    "page with total": {"type": "page", "total": "meta.pages"},
    "offset": {"type": "offset"},
    "offset with total": {"type": "offset", "total": "meta.count"},
    "link": {"type": "link"},
    "next_url": {"type": "next_url", "next": "$.meta.url"},
}
FAULTS = ("busy", "broken", "cut", "lost", "expired")


@dataclass
class FaultyApi:
    """Serves `records` by pages of `size`; `seed` decides faults and disorder, so that they repeat."""

    style: str
    size: int
    records: dict[int, dict[str, Any]] = field(default_factory=dict)
    seed: int = 0
    fault_rate: float = 0.0
    disordered: bool = False
    repeats: bool = False
    filters: bool = True  # takes `updated_since`
    forgets: bool = False  # knows no page but the first
    tokens: int = 0
    requests: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._renewed = False

    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/token":
            self.tokens += 1
            self._renewed = True  # a new token serves for one request at least
            return httpx.Response(200, json={"access_token": f"t{self.tokens}", "expires_in": 3600})
        if self._random.random() < self.fault_rate:
            fault = self._random.choice(FAULTS)
            if fault == "lost":
                raise httpx.ReadError("connection reset", request=request)
            if fault != "expired":
                return self._fault(fault)
            if not self._renewed:
                self.tokens += 1  # the client's token is old now
        self._renewed = False
        if request.headers["authorization"] != f"Bearer t{self.tokens}":
            return httpx.Response(401)
        self.requests += 1
        return self._page(request)

    def _fault(self, fault: str) -> httpx.Response:
        if fault == "busy":
            return httpx.Response(429, headers={"retry-after": "0"})
        if fault == "broken":
            return httpx.Response(503)
        return httpx.Response(200, content=b'{"data":[{"id":1,"name":"x')

    def _page(self, request: httpx.Request) -> httpx.Response:
        query = request.url.params
        if self.forgets and "cursor" in query:
            self.forgets = False
            return httpx.Response(410)
        pages = self._pages(query.get("updated_since"))
        number = self._number(query)
        data = pages[number] if number < len(pages) else []
        meta: dict[str, Any] = {"pages": len(pages), "count": sum(map(len, pages))}
        headers = {}
        if number + 1 < len(pages):
            following = str(request.url.copy_set_param("p", str(number + 1)))
            meta |= {"next": f"c{number + 1}", "url": following}
            headers["link"] = f'<{following}>; rel="next"'
        body = json.dumps({"data": data, "meta": meta}).encode()
        tag = f'"{hash(body)}"'
        if request.headers.get("if-none-match") == tag:
            return httpx.Response(304)
        return httpx.Response(200, content=body, headers=headers | {"etag": tag})

    def _pages(self, since: str | None) -> list[list[dict[str, Any]]]:
        """Cut what is asked for into pages: the same question gets the same pages until something changes."""
        found = sorted(self.records.values(), key=lambda r: (str(r["updated_at"]), r["id"]))
        if since is not None and self.filters:
            found = [r for r in found if r["updated_at"] is None or r["updated_at"] >= since]
        order = random.Random(f"{self.seed}/{len(found)}")
        if self.disordered:
            order.shuffle(found)
        if self.style == "none":
            return [found]
        pages = [found[start : start + self.size] for start in range(0, len(found), self.size)]
        if self.repeats and pages and not self.style.startswith("offset"):
            pages.insert(order.randrange(len(pages)), order.choice(pages))
        return pages or [[]]

    def _number(self, query: httpx.QueryParams) -> int:
        match self.style.split()[0]:
            case "cursor":
                return int(query.get("cursor", "c0")[1:])
            case "page":
                return int(query["page"]) - 1
            case "offset":
                return int(query.get("offset", "0")) // self.size
            case _:
                return int(query.get("p", "0"))
