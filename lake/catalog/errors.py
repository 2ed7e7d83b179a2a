"""The one place where pyiceberg's, requests' and Arrow's errors become ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from pyiceberg.exceptions import (
    AuthorizationExpiredError,
    CommitStateUnknownException,
    ForbiddenError,
    OAuthError,
    RESTError,
    ServerError,
    ServiceUnavailableError,
    TooManyRequestsError,
    UnauthorizedError,
)

from lake.errors import ConfigurationError, HistoryError, TerminalError, UnavailableError, first_line

CATALOG = "catalog"
STORAGE = "storage"
NEXT = "lake status; when it is down: lake up"

UNREACHABLE = (requests.ConnectionError, requests.Timeout)
_BUSY = (ServiceUnavailableError, ServerError, TooManyRequestsError)
# What says nothing about what became of a commit: it may have landed.
UNPROVEN = (
    CommitStateUnknownException,
    *_BUSY,
    requests.RequestException,
    ValueError,  # an answer that is no valid response, cut off for example
)
_REFUSED = (UnauthorizedError, ForbiddenError, OAuthError, AuthorizationExpiredError)


@contextmanager
def mapped(action: str) -> Iterator[None]:
    """Turn what the catalog or the storage raises while doing `action` into the tree of lake.errors.

    Only for calls whose repetition is harmless; a commit decides for itself what its errors mean.
    """
    try:
        yield
    except UNREACHABLE as error:
        raise UnavailableError(CATALOG, f"{action}: no answer ({first_line(error)})", hint=NEXT) from error
    except _BUSY as error:
        raise UnavailableError(CATALOG, f"{action}: {first_line(error)}", hint=NEXT) from error
    except _REFUSED as error:
        raise ConfigurationError(
            f"{action}: the catalog refused the credentials ({first_line(error)})",
            hint="check catalog.client_id, catalog.client_secret and catalog.oauth2_server_uri",
        ) from error
    except RESTError as error:
        raise TerminalError(f"{action}: the catalog refused: {first_line(error)}", hint=NEXT) from error
    except requests.RequestException as error:
        raise UnavailableError(CATALOG, f"{action}: {first_line(error)}", hint=NEXT) from error
    except FileNotFoundError as error:
        raise HistoryError(
            f"{action}: a file that the table names is gone ({first_line(error)})",
            hint="restore the file or roll the table back to a snapshot that has all of its files",
        ) from error
    except OSError as error:
        raise UnavailableError(STORAGE, f"{action}: {first_line(error)}", hint=NEXT) from error
