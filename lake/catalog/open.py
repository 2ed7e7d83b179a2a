"""Open the Iceberg REST catalog of the settings, with timeouts that pyiceberg's own client lacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.request import getproxies

from pyiceberg.catalog.rest import RestCatalog
from requests import PreparedRequest, Response, Session
from requests.adapters import HTTPAdapter

from lake.catalog.errors import mapped
from lake.clock import Deadline
from lake.settings import Settings
from lake.types import CATALOG

_CONNECT_SECONDS = 5.0
_SHORTEST = 0.05

_deadline: ContextVar[Deadline | None] = ContextVar("catalog_deadline", default=None)


class BoundedAdapter(HTTPAdapter):
    """Give every request a timeout and the settings' certificate authority.

    requests lets REQUESTS_CA_BUNDLE win over a session's own choice, hence here.
    """

    def __init__(self, *, timeout: float, ca_file: Path | None) -> None:
        super().__init__()
        self._timeout = timeout
        self._ca_file = ca_file

    def send(  # noqa: PLR0917  the signature is requests'
        self,
        request: PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002  the signature is requests'
        timeout: Any = None,
        verify: bool | str = True,  # noqa: FBT001, FBT002  the signature is requests'
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        del timeout
        read = self._timeout
        if (deadline := _deadline.get()) is not None:
            read = max(_SHORTEST, min(read, deadline.remaining()))
        return super().send(
            request,
            stream=stream,
            timeout=(min(_CONNECT_SECONDS, read), read),
            verify=str(self._ca_file) if self._ca_file is not None else verify,
            cert=cert,
            proxies=proxies,
        )


class LakeCatalog(RestCatalog):
    """A REST catalog whose requests end: within the settings' timeout and the caller's deadline."""

    def __init__(self, settings: Settings) -> None:
        self.lake_settings = settings
        super().__init__(CATALOG, **_properties(settings))

    def _config_headers(self, session: Session) -> None:
        # The first hook that sees a new session, before its first request (the OAuth2 token).
        super()._config_headers(session)
        own = self.lake_settings.catalog
        # With each request requests searches the environment for proxies and an authority, for longer than
        # everything else that it does: once is enough.
        session.verify = session.merge_environment_settings(own.uri, {}, None, None, None)["verify"]
        session.trust_env = bool(getproxies())
        for scheme in ("http://", "https://"):
            session.mount(scheme, BoundedAdapter(timeout=own.timeout_seconds, ca_file=own.ca_file))


def open_catalog(settings: Settings) -> LakeCatalog:
    """Connect; one instance may serve several threads.

    Raises UnavailableError when the catalog doesn't answer, ConfigurationError when it refuses us.
    """
    with mapped(f"open {settings.catalog.uri}"):
        return LakeCatalog(settings)


@contextmanager
def within(deadline: Deadline) -> Iterator[None]:
    """Bound every request of this thread's block by `deadline`."""
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


def _properties(settings: Settings) -> dict[str, str]:
    catalog, storage = settings.catalog, settings.storage
    timeout = str(catalog.timeout_seconds)
    values = {
        "uri": catalog.uri,
        "warehouse": catalog.warehouse,
        # Servers that don't list their endpoints would otherwise count as having no views.
        "view-endpoints-supported": "true",
        "py-io-impl": "lake.catalog.storage.LakeFileIO",
        "s3.endpoint": storage.endpoint,
        "s3.region": storage.region,
        "s3.access-key-id": storage.access_key,
        "s3.secret-access-key": storage.secret_key.get_secret_value(),
        "s3.connect-timeout": str(_CONNECT_SECONDS),
        "s3.request-timeout": timeout,
        "s3.force-virtual-addressing": str(not storage.path_style).lower(),
    }
    if storage.ca_file is not None:
        values["lake.s3.ca-file"] = str(storage.ca_file)
    if catalog.client_id:
        values["credential"] = f"{catalog.client_id}:{catalog.client_secret.get_secret_value()}"
        default = f"{catalog.uri.rstrip('/')}/v1/oauth/tokens"
        values["oauth2-server-uri"] = catalog.oauth2_server_uri or default
        if catalog.oauth2_scope:
            values["scope"] = catalog.oauth2_scope
    return values
