"""The client of a test's API: its source with other credentials, its resource, a clock moved by hand."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import SecretStr

from ingest.extract.api.client import ApiClient
from ingest.extract.api.definition import ApiResource, ApiSource
from lake.clock import Clock, SystemClock
from lake.settings import Settings


def resource(**given: Any) -> ApiResource:
    """Make a resource of what matters to a test."""
    plain = {"name": "things", "path": "/things", "stream": "things", "incremental": {}}
    return ApiResource.model_validate(plain | given)


def client_of(settings: Settings, transport: httpx.BaseTransport, clock: Clock | None = None, **given: Any):
    """Make a client of the test's source with other credentials."""
    plain = {"source": "shop", "owner": "testers", "base_url": "${shop_url}/api", "resources": [resource()]}
    plain["retry"] = {"total_seconds": 2, "wait_initial_seconds": 0.01, "wait_max_seconds": 0.02}
    source = ApiSource.model_validate(plain | given)
    secrets = {"secret": SecretStr("hush"), **settings.variables}
    return ApiClient(
        source,
        settings.model_copy(update={"variables": secrets}),
        clock or SystemClock(),
        transport=transport,
    )


class HandClock(SystemClock):
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.moment = 1000.0

    def monotonic(self) -> float:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.moment += seconds
