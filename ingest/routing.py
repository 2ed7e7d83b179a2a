"""Which records of a shared topic are a stream's: its contracts' routing, applied to what was read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ingest.codec import Failure, Schemas
from ingest.codec.frame import SIZE, frame_ids
from lake.broker import Chunk, Headers
from lake.contracts import Label, Routing, read_label
from lake.contracts.derive import schema_major
from lake.contracts.derive.registered import SchemaType


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """The records of a chunk that are a stream's; `refused` are those bad for what they say of themselves."""

    chunk: Chunk
    refused: dict[int, Failure]


class Router:
    """One stream of a topic; `framed` tells whether its records may say their version by their schema."""

    def __init__(self, routing: Routing, stream: str, schemas: Schemas, *, framed: bool) -> None:
        self._routing = routing
        self._stream = stream
        self._schemas = schemas
        self._reads_schemas = framed and len(routing.members) > 1
        self._majors: dict[int, int | None] = {}

    def route(self, chunk: Chunk) -> Routed:
        """Return what is this stream's, in its order; offsets of `refused` are among its records'."""
        labels = self._labels(chunk)
        first, partition = chunk.offsets[0], chunk.partition
        # Who owns a label changes at some offsets only: elsewhere one answer is good for all records.
        steady = all(m.since.get(partition, 0) <= first for m in self._routing.members)
        known = (
            {label: self._routing.owner(label, partition, first) for label in set(labels)} if steady else {}
        )
        places: list[int] = []
        refused: dict[int, Failure] = {}
        for place, label in enumerate(labels):
            offset = chunk.offsets[place]
            owner = known[label] if steady else self._routing.owner(label, partition, offset)
            if owner.stream != self._stream:
                continue
            places.append(place)
            if owner.rule:
                refused[offset] = Failure(rule=owner.rule, path="", message=owner.message)
        return Routed(chunk=chunk if len(places) == len(chunk) else chunk.pick(places), refused=refused)

    def _labels(self, chunk: Chunk) -> list[Label]:
        headers: Iterable[Headers | None] = chunk.headers or [None] * len(chunk)
        if not self._reads_schemas:
            return [read_label(self._routing, own or ()) for own in headers]
        return [
            read_label(self._routing, own or (), schema_major=self._major(value))
            for own, value in zip(headers, chunk.values, strict=True)
        ]

    def _major(self, value: bytes | None) -> int | None:
        """Return the major version that a record's schema says."""
        number = next(iter(frame_ids([value[:SIZE]])), None) if value is not None else None
        if number is None:
            return None
        if number not in self._majors:
            schema = self._schemas.known(number)
            if schema is None:
                return None
            self._majors[number] = self._of_text(SchemaType(schema.kind), schema.text)
        return self._majors[number]

    def _of_text(self, kind: SchemaType, text: str) -> int | None:
        families = {member.family for member in self._routing.members}
        for family in sorted(families):
            majors = [m.major for m in self._routing.members if m.family == family]
            if (found := schema_major(kind, text, family, majors)) is not None:
                return found
        return None
