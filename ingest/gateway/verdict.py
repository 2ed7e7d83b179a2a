"""Judge records by their contract, and decide what a request with bad ones comes to; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from ingest.codec import Failure
from ingest.gateway.stream import Stream

_DETAILED = 100  # bad records whose rules an answer lists; the places of the others are listed all the same


class OnInvalid(Enum):
    """What the sender wants done when some records break the contract."""

    REJECT = "reject"  # send none of the request
    SKIP = "skip"  # send the good ones
    QUARANTINE = "quarantine"  # send all: landing puts the bad ones into quarantine


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """`keys` are the good records' topic keys by place in the request, ascending; `failures` the others."""

    keys: Mapping[int, bytes | None]
    failures: Mapping[int, tuple[Failure, ...]]


def judge(stream: Stream, records: Sequence[bytes], places: Sequence[int]) -> Judged:
    """Hold the records at these places of a request against the contract."""
    split = stream.check.split([records[place] for place in places])
    good = places if split.places is None else [places[n] for n in split.places.to_pylist()]
    keys: Sequence[bytes | None] = [None] * len(good)
    if stream.contract.key:
        values = split.rows.column(stream.contract.key).to_pylist()
        keys = [None if value is None else str(value).encode() for value in values]
    return Judged(
        keys=dict(zip(good, keys, strict=True)),
        failures={places[n]: found for n, found in split.failures.items()},
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is sent, as place → topic key, and what the answer will be once the broker holds it."""

    send: Mapping[int, bytes | None]
    status: int
    document: Mapping[str, Any]


def decide(
    stream: Stream,
    judged: Judged,
    *,
    received: int,
    duplicates: int,
    unsendable: Mapping[int, tuple[Failure, ...]],
    on_invalid: OnInvalid,
) -> Decision:
    """Choose by the sender's policy; 202 all, 207 some, 422 none.

    `unsendable` are records that can't be sent whatever the policy: their idempotency key is no good.
    """
    send: dict[int, bytes | None] = dict(judged.keys)
    refused = dict(unsendable)
    if on_invalid is OnInvalid.QUARANTINE:
        send |= dict.fromkeys(judged.failures)
    else:
        refused |= judged.failures
    if refused and on_invalid is OnInvalid.REJECT:
        send = {}
    failures = dict(sorted({**judged.failures, **unsendable}.items()))
    document: dict[str, Any] = {
        "stream": stream.contract.stream,
        "contract": stream.contract.version,
        "received": received,
        "accepted": len(send),
        "duplicates": duplicates,
        "invalid": len(failures),
    }
    if failures:
        document["invalid_indexes"] = list(failures)
        document["errors"] = [_error(place, found) for place, found in list(failures.items())[:_DETAILED]]
    status = 202
    if refused:
        some = on_invalid is not OnInvalid.REJECT and (send or duplicates)
        status = 207 if some else 422
    return Decision(send=dict(sorted(send.items())), status=status, document=document)


def _error(place: int, failures: Sequence[Failure]) -> dict[str, Any]:
    return {
        "index": place,
        "rules": [{"rule": f.rule, "path": f.path, "message": f.message} for f in failures],
    }
