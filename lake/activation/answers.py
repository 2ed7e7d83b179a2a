"""Read a destination's HTTP answers: what to repeat, what went wrong, what became of each record."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from lake.control.activation_values import Delivery, Outcome
from lake.errors import ConfigurationError, OutcomeUnknownError, TerminalError
from lake.http import retry_after

_RETRYABLE = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
    }
)


class Again(Exception):  # noqa: N818 - a request to repeat, not an error
    """The request may be repeated; `in_doubt` when it may have been carried out.

    `retry_after` is the server's wish in seconds; `give_up` when that is longer than we wait.
    """

    def __init__(
        self, reason: str, *, in_doubt: bool, retry_after: float | None = None, give_up: bool = False
    ) -> None:
        super().__init__(reason)
        self.in_doubt = in_doubt
        self.retry_after = retry_after
        self.give_up = give_up


class _Error(BaseModel):
    code: str = "refused"
    message: str = ""


class _Result(BaseModel):
    model_config = ConfigDict(extra="ignore")

    external_id: str
    status: str
    error: _Error | None = None


class _Results(BaseModel):
    results: list[_Result]


def check_status(
    answer: httpx.Response, place: str, retry_after_max: float, *, only_again: bool = False
) -> None:
    """Raise what a status means; 2xx passes.

    Again for 408, 425, 429 and 5xx; with `only_again` other statuses pass, for the caller to judge.
    A 429 was not carried out; any 5xx may have been: a proxy answers so when the server's answer got lost.
    """
    status = answer.status_code
    if status in _RETRYABLE or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wish = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
        raise Again(
            f"status {status}",
            in_doubt=status not in _RETRYABLE,
            retry_after=wish,
            give_up=wish is not None and wish > retry_after_max,
        )
    if only_again or answer.is_success:
        return
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise ConfigurationError(
            f"{place} refused the token (status {status})", hint="check destination.token"
        )
    if status == HTTPStatus.NOT_FOUND:
        raise ConfigurationError(f"{place} has no {answer.request.url.path}", hint="check destination.upsert")
    raise TerminalError(
        f"{place} answered status {status}: {answer.text[:200]}", hint="look into the destination's log"
    )


def read_results(answer: httpx.Response, members: Sequence[Delivery]) -> tuple[Outcome, ...]:
    """Return the outcome of each member, in their order.

    Raises OutcomeUnknownError when the answer can't be read or leaves a member out.
    """
    try:
        results = {r.external_id: r for r in _Results.model_validate_json(answer.content).results}
    except ValidationError as error:
        raise OutcomeUnknownError(
            f"the destination's answer can't be read: {error.error_count()} faults", hint="lake sync apply"
        ) from error
    if missing := [m.key for m in members if m.key not in results]:
        raise OutcomeUnknownError(
            f"the destination's answer leaves out {len(missing)} records, {missing[0]} first",
            hint="lake sync apply",
        )
    return tuple(_outcome(member, results[member.key]) for member in members)


def _outcome(member: Delivery, result: _Result) -> Outcome:
    if result.error is None and result.status not in {"error", "rejected"}:
        return Outcome(delivery=member, accepted=True)
    error = result.error or _Error()
    return Outcome(delivery=member, accepted=False, code=error.code, message=error.message[:500])
