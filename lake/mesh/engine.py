"""Open DuckDB with the lake attached: extensions from the wheels, secrets, the safe ATTACH options.

The ATTACH options are not a matter of taste (measured, ADR 4): without REMOVE_FILES_ON_DELETE
false, DuckDB deletes the files of a live snapshot when the answer of its COMMIT is lost; without
DISABLE_MULTI_TABLE_COMMIT true it commits through an endpoint where servers drop acknowledged rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from lake.errors import BadInputError, ConfigurationError, LakeError, TerminalError, UnavailableError
from lake.settings import STATE_DIRECTORY, Settings
from lake.types import CATALOG, quote_text

_EXTENSIONS = ("httpfs", "avro", "iceberg")
_NEXT = "lake status; when it is down: lake up"
_UNREACHABLE = re.compile(
    r"could not connect|connection (?:refused|error|reset)|timeout|timed out|could not resolve"
    r"|failed to (?:connect|read|send)|_50[0234]\b|HTTP 50[0234]|server returned nothing",
    re.IGNORECASE,
)

# What a server with a full disk answers, among others.
_UNSTORED = re.compile(r"HTTP 50[07]\b.*HTTP (?:PUT|POST)", re.IGNORECASE)


def open_engine(settings: Settings, *, read_only: bool = False) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with the catalog attached as `lake`; times are UTC.

    Every cursor of the connection is a session with a transaction of its own.
    Raises UnavailableError when the catalog doesn't answer, ConfigurationError when it refuses us.
    """
    connection = duckdb.connect()
    with suppress(OSError):  # DuckDB makes the last folder of a path alone, and says what it can't make
        _spill(settings).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with mapped_engine(settings, "attach the catalog"):
            for name in _EXTENSIONS:
                connection.execute(f"LOAD {quote_text(str(_extension(name)))}")
            for statement in _statements(settings, read_only=read_only):
                connection.execute(statement)
    except LakeError:
        connection.close()
        raise
    return connection


@contextmanager
def mapped_engine(settings: Settings, action: str) -> Iterator[None]:
    """Turn DuckDB's errors into the tree of lake.errors, naming the service that didn't answer."""
    try:
        yield
    except duckdb.Error as error:
        raise engine_error(settings, action, error) from error


def engine_error(settings: Settings, action: str, error: duckdb.Error) -> LakeError:
    """Return our error for one of DuckDB's; the message never holds a secret."""
    text = _masked(settings, str(error).strip())
    if isinstance(error, duckdb.HTTPException | duckdb.IOException) or _UNREACHABLE.search(text):
        service = "storage" if settings.storage.endpoint.split("//")[-1] in text else "catalog"
        place = settings.storage.endpoint if service == "storage" else settings.catalog.uri
        if service == "storage" and _UNSTORED.search(text):
            return UnavailableError(
                service, f"{action}: {place} can't store a file ({_first(text)})", hint=f"df -h; {_NEXT}"
            )
        return UnavailableError(service, f"{action}: {place} does not answer ({_first(text)})", hint=_NEXT)
    if re.search(r"\b40[13]\b|unauthorized|forbidden|oauth", text, re.IGNORECASE):
        return ConfigurationError(
            f"{action}: the catalog refused the credentials ({_first(text)})",
            hint="check catalog.client_id, catalog.client_secret and catalog.oauth2_server_uri",
        )
    if isinstance(error, duckdb.ProgrammingError | duckdb.DataError | duckdb.NotSupportedError):
        return BadInputError(text)
    return TerminalError(f"{action}: {text}", hint=_NEXT)


def _extension(name: str) -> Path:
    """Find an extension inside its wheel, so that nothing is downloaded and HOME stays untouched."""
    spec = find_spec(f"duckdb_extension_{name}")
    if spec is not None and spec.origin is not None:
        found = sorted(Path(spec.origin).parent.glob(f"extensions/*/{name}.duckdb_extension"))
        for path in found:
            if path.parent.name == f"v{duckdb.__version__}":
                return path
    raise ConfigurationError(
        f"DuckDB's extension {name} {duckdb.__version__} is not installed",
        hint=f"pip install duckdb-extension-{name}=={duckdb.__version__}",
    )


def _statements(settings: Settings, *, read_only: bool) -> Iterator[str]:
    engine, catalog, storage = settings.engine, settings.catalog, settings.storage
    yield "SET GLOBAL TimeZone = 'UTC'"
    yield f"SET GLOBAL memory_limit = {quote_text(engine.memory_limit)}"
    yield f"SET GLOBAL temp_directory = {quote_text(str(_spill(settings)))}"
    yield f"SET GLOBAL http_timeout = {round(catalog.timeout_seconds)}"
    yield "SET GLOBAL preserve_insertion_order = false"
    # Data files never change under their names: a footer that was read once need not be read again.
    yield "SET GLOBAL parquet_metadata_cache = true"
    if engine.threads:
        yield f"SET GLOBAL threads = {engine.threads}"
    if ca_file := catalog.ca_file or storage.ca_file:
        yield f"SET GLOBAL ca_cert_file = {quote_text(str(ca_file))}"
    yield _secret(
        "lake_storage",
        TYPE="s3",
        KEY_ID=storage.access_key,
        SECRET=storage.secret_key.get_secret_value(),
        ENDPOINT=urlsplit(storage.endpoint).netloc,
        REGION=storage.region,
        URL_STYLE="path" if storage.path_style else "vhost",
        USE_SSL=storage.endpoint.startswith("https://"),
    )
    options = (
        "TYPE iceberg, DEFAULT_SCHEMA 'main', REMOVE_FILES_ON_DELETE false,"
        " DISABLE_MULTI_TABLE_COMMIT true, PURGE_REQUESTED true"
    )
    if read_only:
        options += ", READ_ONLY"
    if catalog.client_id:
        token = catalog.oauth2_server_uri or f"{catalog.uri.rstrip('/')}/v1/oauth/tokens"
        yield _secret(
            "lake_catalog",
            TYPE="iceberg",
            CLIENT_ID=catalog.client_id,
            CLIENT_SECRET=catalog.client_secret.get_secret_value(),
            ENDPOINT=catalog.uri,
            OAUTH2_SERVER_URI=token,
            **({"OAUTH2_SCOPE": catalog.oauth2_scope} if catalog.oauth2_scope else {}),
        )
        options += ", SECRET lake_catalog"
    else:
        options += f", ENDPOINT {quote_text(catalog.uri)}, AUTHORIZATION_TYPE 'none'"
    yield f"ATTACH {quote_text(catalog.warehouse)} AS {CATALOG} ({options})"


def _spill(settings: Settings) -> Path:
    return settings.project_root / STATE_DIRECTORY / "tmp" / "duckdb"


def _secret(name: str, **options: str | bool) -> str:
    pairs = ", ".join(
        f"{key} {str(value).lower() if isinstance(value, bool) else quote_text(value)}"
        for key, value in options.items()
    )
    return f"CREATE SECRET {name} ({pairs})"


def _masked(settings: Settings, text: str) -> str:
    for secret in settings.secrets():
        text = text.replace(secret, "***")
    return text


def _first(text: str) -> str:
    return text.splitlines()[0][:300] if text else ""
