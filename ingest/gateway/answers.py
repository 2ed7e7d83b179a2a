"""Answers that refuse: RFC 9457 problem documents, and what each of our errors becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse, Response

from lake.errors import LakeError, OutcomeUnknownError, TransientError

PROBLEM = "application/problem+json"

_TITLES: Mapping[int, str] = {
    400: "Malformed request",
    401: "No valid API key",
    403: "Out of the key's scope",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "The body took too long",
    409: "Still being sent",
    413: "Too large",
    415: "Unsupported content",
    422: "Not accepted",
    429: "Too fast",
    500: "Internal error",
    503: "Not now",
}


class Refusal(Exception):  # noqa: N818  an answer, not a failure; never leaves the gateway
    """Ends a request: status, one sentence, when to come back (seconds), and members for programs."""

    def __init__(self, status: int, detail: str, *, retry: float | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.retry = retry
        self.members = members

    def response(self) -> Response:
        document = {
            "type": "about:blank",
            "title": _TITLES.get(self.status, "Refused"),
            "status": self.status,
            "detail": self.detail,
            **self.members,
        }
        headers = {} if self.retry is None else {"Retry-After": str(max(1, round(self.retry)))}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="lakemesh"'
        return JSONResponse(document, self.status, headers, media_type=PROBLEM)


def refusal_of(error: LakeError) -> Refusal:
    """Say what a service that failed us means for the sender; the details stay in our log."""
    if isinstance(error, TransientError | OutcomeUnknownError):
        return Refusal(503, error.message, retry=1)
    return Refusal(500, "the gateway is not set up for this stream; its log says why")
