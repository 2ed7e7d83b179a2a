"""Ask a service a real question: the same ones for our children and for somebody else's servers."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx

from lake.errors import LakeError
from lake.settings import BrokerSettings, CatalogSettings, PostgresSettings, StorageSettings, TrinoSettings
from lake.stack.model import Answer
from lake.stack.signature import sign

TIMEOUT_SECONDS = 0.8
TRINO_SECONDS = 5.0  # a page may wait a second for its rows
PROBE_OBJECT = "probe/ready"


def storage(settings: StorageSettings, *, write: bool = False, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Look at the bucket with our signature; `write` also puts a small object, which a full disk refuses."""

    def ask() -> Answer:
        bucket = f"{settings.endpoint.rstrip('/')}/{settings.bucket}"
        with _client(settings.ca_file, timeout) as client:
            seen = _signed(client, settings, "HEAD", bucket, b"")
            if seen.status_code != 200:
                return Answer(ok=False, detail=_storage_refusal(settings, seen.status_code))
            if not write:
                return Answer(ok=True, detail=f"bucket {settings.bucket}")
            put = _signed(client, settings, "PUT", f"{bucket}/{PROBE_OBJECT}", b"ready\n")
        if put.status_code != 200:
            return Answer(ok=False, detail=f"HTTP {put.status_code} for a small PUT: {_reason(put)}")
        return Answer(ok=True, detail=f"bucket {settings.bucket}, writable")

    return _timed(ask)


def catalog(settings: CatalogSettings, *, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Fetch a token as settings say (OAuth2 client credentials), the configuration, and the namespaces.

    The configuration alone proves little: some catalogs give it to anybody and for any warehouse.
    """

    def ask() -> Answer:
        with _client(settings.ca_file, timeout) as client:
            headers = {}
            if settings.client_id:
                granted = _token(client, settings)
                if granted.status_code != 200:
                    return Answer(ok=False, detail=f"HTTP {granted.status_code} for an OAuth2 token")
                headers["authorization"] = f"Bearer {granted.json()['access_token']}"
            root = f"{settings.uri.rstrip('/')}/v1"
            seen = client.get(f"{root}/config", params={"warehouse": settings.warehouse}, headers=headers)
            if seen.status_code == 200:
                found = seen.json()
                prefix = {**found["defaults"], **found["overrides"]}.get("prefix")
                base = f"{root}/{prefix}" if prefix else root
                seen = client.get(f"{base}/namespaces", headers=headers)
        if seen.status_code != 200:
            return Answer(ok=False, detail=f"HTTP {seen.status_code} for warehouse {settings.warehouse}")
        if not isinstance(seen.json()["namespaces"], list):
            return Answer(ok=False, detail="answers, but not in its protocol")
        return Answer(ok=True, detail=f"warehouse {settings.warehouse}")

    return _timed(ask)


def broker(settings: BrokerSettings, *, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Send a Kafka metadata request."""
    from lake.broker.probe import count_brokers  # noqa: PLC0415 - 60 ms of import that `--help` does not need

    def ask() -> Answer:
        found = count_brokers(settings, timeout=timeout)
        return Answer(ok=found > 0, detail=f"{found} broker{'' if found == 1 else 's'}")

    return _timed(ask)


def postgres(settings: PostgresSettings) -> Answer:
    """Run `SELECT 1`."""
    from lake.postgres import connect  # noqa: PLC0415 - 100 ms of import that `--help` does not need

    def ask() -> Answer:
        with connect(settings) as connection:
            connection.execute("SELECT 1")
        return Answer(ok=True, detail=f"database {settings.database}")

    return _timed(ask)


def trino(settings: TrinoSettings, sql: str, *, timeout: float = TRINO_SECONDS) -> Answer:
    """Sign in and run a statement to its last page; `timeout` bounds each request of several."""

    def ask() -> Answer:
        user, password = settings.user, settings.password.get_secret_value()
        root = f"{settings.http_scheme}://{settings.host}:{settings.port}"
        with _client(settings.ca_file, timeout) as client:
            if password:
                client.auth = (user, password)
            client.headers["x-trino-user"] = user
            seen = client.post(f"{root}/v1/statement", content=sql)
            while seen.status_code == 200:
                page = seen.json()
                if "error" in page:
                    return Answer(ok=False, detail=page["error"]["message"].splitlines()[0])
                if "nextUri" not in page:
                    return Answer(ok=True, detail=f"signed in as {user}")
                seen = client.get(page["nextUri"])
        refused = seen.status_code in {401, 403}
        said = f"HTTP {seen.status_code} for a statement: {seen.text.strip()[:120]}"
        detail = f"password of {user} refused" if refused else " ".join(said.split())
        return Answer(ok=False, detail=detail)

    return _timed(ask)


def http(url: str, *, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """GET a page of a service that `run_service` started; any answer below 500 counts."""

    def ask() -> Answer:
        with _client(None, timeout) as client:
            status = client.get(url).status_code
        return Answer(ok=status < 500, detail=f"HTTP {status}")

    return _timed(ask)


def _timed(ask: Callable[[], Answer]) -> Answer:
    began = time.monotonic()
    try:
        answer = ask()
    except httpx.HTTPError as error:
        answer = Answer(ok=False, detail=_transport(error))
    except LakeError as error:
        answer = Answer(ok=False, detail=error.message)
    except (ssl.SSLError, OSError) as error:  # a CA file that can't be read
        answer = Answer(ok=False, detail=f"TLS: {error.strerror or error}")
    except (KeyError, ValueError, TypeError):  # something else listens there
        answer = Answer(ok=False, detail="answers, but not in its protocol")
    return Answer(ok=answer.ok, detail=answer.detail, seconds=round(time.monotonic() - began, 4))


def _client(ca_file: Path | None, timeout: float) -> httpx.Client:
    verify = ssl.create_default_context(cafile=str(ca_file)) if ca_file else True
    # Proxies of the environment are for the world outside, not for the lake's own services.
    return httpx.Client(timeout=timeout, verify=verify, trust_env=False)


def _signed(
    client: httpx.Client, settings: StorageSettings, method: str, url: str, body: bytes
) -> httpx.Response:
    headers = sign(
        method,
        url,
        body=body,
        access_key=settings.access_key,
        secret_key=settings.secret_key.get_secret_value(),
        region=settings.region,
        now=datetime.now(UTC),
    )
    return client.request(method, url, content=body, headers=headers)


def _token(client: httpx.Client, settings: CatalogSettings) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.client_id,
        "client_secret": settings.client_secret.get_secret_value(),
    }
    if settings.oauth2_scope:
        form["scope"] = settings.oauth2_scope
    url = settings.oauth2_server_uri or f"{settings.uri.rstrip('/')}/v1/oauth/tokens"
    return client.post(url, data=form)


def _storage_refusal(settings: StorageSettings, status: int) -> str:
    meaning = {403: "credentials refused", 404: f"no bucket {settings.bucket}"}.get(status)
    return meaning or f"HTTP {status} for bucket {settings.bucket}"


def _reason(response: httpx.Response) -> str:
    """Take the message out of S3's XML."""
    text = response.text
    start, end = text.find("<Message>"), text.find("</Message>")
    return text[start + 9 : end] if 0 <= start < end else "no reason given"


def _transport(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    return str(error) or type(error).__name__
