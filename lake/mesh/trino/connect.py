"""Open a Trino connection; the driver is asked for only when a model runs there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from requests import Session

from lake.errors import BadInputError, UnavailableError
from lake.mesh.errors import StockError, as_stock
from lake.settings import TrinoSettings


def open_trino(settings: TrinoSettings) -> Any:
    """Connect to the settings' server, with its password when there is one."""
    dbapi, auth = driver("dbapi"), driver("auth")
    password = settings.password.get_secret_value()
    session = Session()
    session.trust_env = False  # else REQUESTS_CA_BUNDLE wins over the settings' own authority
    session.verify = str(settings.ca_file) if settings.ca_file else True
    return dbapi.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        catalog="lake",
        http_scheme=settings.http_scheme,
        auth=auth.BasicAuthentication(settings.user, password) if password else None,
        http_session=session,
    )


def driver(module: str) -> Any:
    """Import a module of the driver, which only those who use Trino have."""
    try:
        return import_module(f"trino.{module}")
    except ImportError as error:
        raise StockError(
            "a model has gateway trino and the driver is missing", hint="pip install 'lakemesh[trino]'"
        ) from error


@contextmanager
def mapped(action: str) -> Iterator[None]:
    """Turn the driver's errors into ours, which stock `sqlmesh` prints without a traceback."""
    exceptions = driver("exceptions")
    try:
        yield
    except exceptions.TrinoQueryError as error:
        raise as_stock(BadInputError(f"{action}: {error.message}")) from error
    except exceptions.Error as error:
        unavailable = UnavailableError("trino", f"{action}: no answer ({error})", hint="lake up --with trino")
        raise as_stock(unavailable) from error
