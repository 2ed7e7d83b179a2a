"""Open a Trino connection; the driver is asked for only when a model runs there."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from lake.mesh.errors import StockError
from lake.settings import TrinoSettings


def open_trino(settings: TrinoSettings) -> Any:
    """Connect to the settings' server, with its password when there is one."""
    try:
        driver = import_module("trino.dbapi")
        auth = import_module("trino.auth")
    except ImportError as error:
        raise StockError(
            "a model has gateway trino and the driver is missing", hint="pip install trino"
        ) from error
    password = settings.password.get_secret_value()
    return driver.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        catalog="lake",
        http_scheme=settings.http_scheme,
        auth=auth.BasicAuthentication(settings.user, password) if password else None,
        verify=str(settings.ca_file) if settings.ca_file else True,
    )
