"""Open a Trino connection; the driver is asked for only when a model runs there."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from requests import Session

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
    session = Session()
    session.trust_env = False  # else REQUESTS_CA_BUNDLE wins over the settings' own authority
    session.verify = str(settings.ca_file) if settings.ca_file else True
    return driver.connect(
        host=settings.host,
        port=settings.port,
        user=settings.user,
        catalog="lake",
        http_scheme=settings.http_scheme,
        auth=auth.BasicAuthentication(settings.user, password) if password else None,
        http_session=session,
    )
