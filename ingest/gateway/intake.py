"""Take records in: `POST /v1/streams/{stream}`, whose numbered steps are the protocol.

1 Authenticate, and check that the key may send to the stream. 2 Turn away when the broker is down or
the queue is full. 3 Read and decompress the body. 4 Cut it into records. 5 Count them against the key's
rate. 6 Claim the idempotency keys; answer again what was answered before. 7 Hold the records against the
contract and decide. 8 Send, and wait for the acknowledgement of all replicas. 9 Keep the outcome under
the idempotency keys. 10 Answer.

A crash after 8 and before 9 leaves records in the log and no outcome: their sender repeats them, and the
copies carry the same `meta.idempotency_key`, by which staging keeps one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ingest.gateway.answers import Refusal, refusal_of
from ingest.gateway.body import Budget, Share, read_body
from ingest.gateway.keyring import KeyRing
from ingest.gateway.ledger import Ledger
from ingest.gateway.metrics import Fate, Metrics
from ingest.gateway.offer import Offer
from ingest.gateway.outlet import Outlet
from ingest.gateway.pace import Pace
from ingest.gateway.records import split_records
from ingest.gateway.repeats import Marks, changed, mark
from ingest.gateway.stream import Stream
from ingest.gateway.verdict import Decision, OnInvalid, decide, judge
from lake.broker import Delivered, Outgoing
from lake.clock import Clock
from lake.control import ApiKey, Claim
from lake.errors import LakeError
from lake.log import get_logger
from lake.settings import GatewaySettings

log = get_logger("gateway")

_INLINE_BYTES = 64 * 1024  # smaller bodies are judged faster than another thread is woken
_REPLAYED = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the query and the headers ask for beside the records."""

    on_invalid: OnInvalid
    field: str | None
    key: str | None
    media_type: str

    def digest(self) -> str:
        return f"{self.on_invalid.value} {self.media_type}"


@dataclass(slots=True, kw_only=True)
class Intake:
    """Everything that a request needs; one for the process."""

    settings: GatewaySettings
    offer: Offer
    keyring: KeyRing
    pace: Pace
    ledger: Ledger
    outlet: Outlet
    metrics: Metrics
    clock: Clock
    budget: Budget
    behind: Mapping[str, int] = field(default_factory=dict)  # streams that landing is too far behind of

    async def post(self, request: Request) -> Response:
        """Answer one request; counts it by stream and status."""
        name = request.path_params["stream"]
        try:
            response = await self._take(request, name)
        except Refusal as refusal:
            response = refusal.response()
        except LakeError as error:
            log.warning("request.failed", stream=name, error=type(error).__name__, reason=error.message)
            response = refusal_of(error).response()
        self.metrics.count_request(name if name in self.offer.streams else "", response.status_code)
        return response

    async def _take(self, request: Request, name: str) -> Response:
        key = await self._authenticate(request)  # 1
        stream = self._stream(key, name)
        await self._make_ready(stream)  # 2
        options = _options(request)
        async with self.budget.share() as share:
            return await self._judge_and_send(request, key, stream, options, share)

    async def _judge_and_send(
        self, request: Request, key: ApiKey, stream: Stream, options: Options, share: Share
    ) -> Response:
        content = await read_body(request, self.settings, share)  # 3
        records = split_records(content, options.media_type, self.settings)  # 4
        self.pace.spend(key, len(records))  # 5
        marks = mark(
            records,
            sender=key.key_id,
            header=options.key,
            field=options.field,
            content=content,
            options=options.digest(),
        )
        claim = await self.ledger.claim(f"{key.key_id}/{stream.contract.stream}", marks)  # 6
        held = frozenset() if claim is None else claim.granted
        try:
            if (answer := _answered_before(marks, claim)) is not None:
                return answer
            decision = await self._decide(stream, records, marks, claim, options)  # 7
            if decision.status == 422:
                await self.ledger.release(claim, held)
                return _refused(decision)
            delivered = await self._send(stream, records, marks, decision)  # 8
        except BaseException:
            await self.ledger.release(claim, held)
            raise
        return await self._finish(stream, marks, claim, decision, delivered)  # 9, 10

    async def _authenticate(self, request: Request) -> ApiKey:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        token = token.strip() if scheme.lower() == "bearer" else ""
        key = self.keyring.recall(token) or await run_in_threadpool(self.keyring.find, token)
        if key is None:
            raise Refusal(401, "send Authorization: Bearer <key>; lake gateway key create makes one")
        return key

    def _stream(self, key: ApiKey, name: str) -> Stream:
        if not key.may_send_to(name):
            raise Refusal(403, "this key may not send to that stream")
        stream = self.offer.streams.get(name)
        if stream is None:
            raise Refusal(404, "no contract describes a stream of that name that takes JSON")
        return stream

    async def _make_ready(self, stream: Stream) -> None:
        contract = stream.contract
        if (lag := self.behind.get(contract.stream)) is not None:
            raise Refusal(503, f"landing is {lag} records behind; come back later", retry=30)
        self.outlet.producer.check_room()
        if not self.outlet.is_known(contract.topic):
            await run_in_threadpool(self.outlet.prepare, contract.topic)

    async def _decide(
        self, stream: Stream, records: list[bytes], marks: Marks, claim: Claim | None, options: Options
    ) -> Decision:
        unsendable = dict(marks.failures)
        duplicates = set(marks.repeated)
        if claim is not None and marks.by_place:
            assert options.field is not None
            for place, key in marks.by_place.items():
                if key in claim.changed:
                    unsendable[place] = changed(options.field)
                elif key in claim.kept:
                    duplicates.add(place)
        places = [n for n in range(len(records)) if n not in unsendable and n not in duplicates]
        inline = sum(len(records[n]) for n in places) <= _INLINE_BYTES
        judged = (
            judge(stream, records, places)
            if inline
            else await run_in_threadpool(judge, stream, records, places)
        )
        name = stream.contract.stream
        self.metrics.count_records(name, Fate.INVALID, len(judged.failures) + len(unsendable))
        self.metrics.count_records(name, Fate.DUPLICATE, len(duplicates))
        return decide(
            stream,
            judged,
            received=len(records),
            duplicates=len(duplicates),
            unsendable=unsendable,
            on_invalid=options.on_invalid,
        )

    async def _send(
        self, stream: Stream, records: list[bytes], marks: Marks, decision: Decision
    ) -> Delivered:
        if not decision.send:
            return Delivered(acknowledged=0)
        name, began = stream.contract.stream, self.clock.monotonic()
        batch = [
            Outgoing(
                value=stream.frame + records[place],
                key=key,
                headers=stream.headers,
                idempotency_key=marks.landed[place],
            )
            for place, key in decision.send.items()
        ]
        delivered = await self.outlet.send(stream.contract.topic, batch)
        self.metrics.observe_acknowledgement(name, self.clock.monotonic() - began)
        self.metrics.count_records(name, Fate.ACCEPTED, delivered.acknowledged)
        self.metrics.count_records(name, Fate.UNKNOWN, len(delivered.unknown))
        return delivered

    async def _finish(
        self, stream: Stream, marks: Marks, claim: Claim | None, decision: Decision, delivered: Delivered
    ) -> Response:
        """9 Keep what is certain, give back what is not. 10 Answer."""
        answer = {"status": decision.status, "document": decision.document}
        held = frozenset() if claim is None else claim.granted
        sent = list(decision.send)
        lost = {sent[n] for n in delivered.unknown}
        if marks.by_place:
            certain = {marks.by_place[p] for p in sent if p in marks.by_place and p not in lost}
            await self.ledger.settle(claim, certain, True)
            await self.ledger.release(claim, held - certain)
        elif lost:
            await self.ledger.release(claim, held)
        else:
            await self.ledger.settle(claim, held, answer)
        if lost:
            log.warning(
                "records.unknown", stream=stream.contract.stream, records=len(lost), reason=delivered.reason
            )
            raise Refusal(
                503,
                f"{len(lost)} of {len(sent)} records were not acknowledged in time and may be in the log;"
                " send the request again under the same idempotency key",
                retry=1,
                unknown_indexes=sorted(lost),
            )
        return JSONResponse(decision.document, decision.status)


def _options(request: Request) -> Options:
    query = request.query_params
    known = [policy.value for policy in OnInvalid]
    policy = query.get("on_invalid", OnInvalid.REJECT.value)
    if policy not in known:
        raise Refusal(400, f"on_invalid is one of {', '.join(known)}")
    if unknown := sorted(set(query) - {"on_invalid", "idempotency_field"}):
        raise Refusal(400, f"there is no parameter {unknown[0][:40]}")
    return Options(
        on_invalid=OnInvalid(policy),
        field=query.get("idempotency_field"),
        key=request.headers.get("idempotency-key"),
        media_type=request.headers.get("content-type", ""),
    )


def _answered_before(marks: Marks, claim: Claim | None) -> Response | None:
    """Return what the same request was answered, None when it has to be sent; refuses what is under way."""
    if claim is None:
        return None
    if claim.busy:
        raise Refusal(409, "records with the same idempotency key are being sent right now", retry=2)
    key = marks.of_request
    if key is None:
        return None
    if key in claim.changed:
        raise Refusal(422, "this Idempotency-Key was used for another request within a day")
    if key not in claim.kept:
        return None
    kept: Mapping[str, Any] = claim.kept[key]
    return JSONResponse(kept["document"], kept["status"], {_REPLAYED: "true"})


def _refused(decision: Decision) -> Response:
    document = decision.document
    count, total = document["invalid"], document["received"]
    detail = f"{count} of {total} records break the contract; nothing was sent"
    return Refusal(422, detail, **document).response()
